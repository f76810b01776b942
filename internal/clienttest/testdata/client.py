"""Drives a service with frappe-client: client.py URL"""
import sys

from frappeclient import FrappeClient
from frappeclient.frappeclient import FrappeException

URL = sys.argv[1]


def connect(key):
    return FrappeClient(URL, api_key=key, api_secret=key + "secret")


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def refused(exception, call, *args, **kwargs):
    """The client raises only when an answer has exc; it is a JSON list of texts that name the exception."""
    try:
        got = call(*args, **kwargs)
    except FrappeException as err:
        if exception not in str(err):
            raise AssertionError(f"got {err}, want {exception}") from err
        return
    raise AssertionError(f"got {got!r}, want {exception}")


def documents(client):
    made = client.insert({"doctype": "Customer", "customer_name": "Zoe / 2%", "customer_type": "Company"})
    equal((made["name"], made["doctype"]), ("Zoe / 2%", "Customer"))
    client.insert({"doctype": "Customer", "customer_name": "Yan", "customer_type": "Individual"})
    equal(client.get_doc("Customer", "Zoe / 2%".replace("%", "%25"))["name"], "Zoe / 2%")
    equal(client.update({"doctype": "Customer", "name": "Yan", "notes": "one"})["notes"], "one")
    listed = client.get_list("Customer", fields=["name", "notes"], filters={"customer_type": "Individual"}, limit_start=0, limit_page_length=5, order_by="name asc")
    equal(listed, [{"name": "Yan", "notes": "one"}])
    equal(client.get_list("Customer", filters=[["name", "=", "Yan"]])[0]["customer_type"], "Individual")
    equal(client.get_doc("Customer", filters=[["name", "=", "Yan"]], fields=["name"]), [{"name": "Yan"}])
    equal(client.get_api("frappe.client.get_count", {"doctype": "Customer", "filters": '{"customer_type": "Individual"}'}), 1)
    equal(client.post_api("frappe.client.get_count", {"doctype": "Customer"}) >= 2, True)
    equal(client.get_value("Customer", "notes", {"name": "Yan"}), {"notes": "one"})
    equal(client.get_value("Customer", "notes", "Yan"), {"notes": "one"})
    equal(client.get_value("Customer", ["notes", "name"], {"name": "Yan"}), {"notes": "one", "name": "Yan"})
    equal(client.set_value("Customer", "Yan", "notes", "two")["notes"], "two")
    equal(client.set_value("Customer", "Yan", "credit_limit", 12)["credit_limit"], 12.0)
    equal(client.bulk_update([{"doctype": "Customer", "docname": "Yan", "notes": "three"}]), {"failed_docs": []})
    failed = client.bulk_update([{"doctype": "Customer", "docname": "Ghost", "notes": "x"}])["failed_docs"]
    equal([f["doc"]["docname"] for f in failed], ["Ghost"])
    equal(client.rename_doc("Customer", "Yan", "Yann"), "Yann")
    equal(client.get_value("Customer", "notes", {"name": "Yann"}), {"notes": "three"})
    equal(client.get_doc("Customer", "Yan"), None)  # a 404 carries no exc, as on Frappe, and the client gives None


def orders(client):
    order = client.insert({"doctype": "Sales Order", "customer": "Yann", "transaction_date": "2026-01-10",
                           "items": [{"item_code": "Cap", "qty": 3}]})
    equal(len(order["items"]), 1)
    submitted = client.submit(client.get_doc("Sales Order", order["name"]))
    equal((submitted["docstatus"], submitted["items"][0]["qty"]), (1, 3.0))
    refused("UpdateAfterSubmitError", client.update, {"doctype": "Sales Order", "name": order["name"], "customer": "Zoe / 2%"})
    refused("ValidationError", client.delete, "Sales Order", order["name"])
    equal(client.cancel("Sales Order", order["name"])["docstatus"], 2)
    equal(client.delete("Sales Order", order["name"]), None)


def errors(client):
    refused("ValidationError", client.insert, {"doctype": "Customer"})
    refused("DuplicateEntryError", client.insert, {"doctype": "Customer", "customer_name": "Yann"})
    refused("PermissionError", connect("clerk").delete, "Customer", "Yann")
    refused("AuthenticationError", connect("nobody").get_list, "Customer")
    refused("DocstatusTransitionError", client.cancel, "Sales Order",
            client.insert({"doctype": "Sales Order", "customer": "Yann", "transaction_date": "2026-01-10", "items": [{"item_code": "Cap", "qty": 1}]})["name"])


def main():
    connect("admin").insert({"doctype": "Item", "item_code": "Cap", "item_name": "Cap"})
    client = connect("manager")
    equal(client.get_api("frappe.auth.get_logged_user"), "manager@example.com")
    documents(client)
    orders(client)
    errors(client)
    equal(client.delete("Customer", "Zoe / 2%"), None)


main()
