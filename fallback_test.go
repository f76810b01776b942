package frappems_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
)

// newFallbackApp makes a service of Order, whose fallback says what it was sent.
func newFallbackApp(t testing.TB, change func(c *frappems.Config)) *frappems.App {
	t.Helper()
	all := []frappems.DocPerm{{Role: "All", Read: true, Write: true, Create: true, Delete: true}}
	types := []*frappems.DocType{
		{Name: "Sales Order", Permissions: all, Fields: []frappems.Field{{Fieldname: "title", Fieldtype: "Data"},
			{Fieldname: "customer", Fieldtype: "Link", Options: "Customer"}, {Fieldname: "party_type", Fieldtype: "Link", Options: "DocType"},
			{Fieldname: "party", Fieldtype: "Dynamic Link", Options: "party_type"}, {Fieldname: "items", Fieldtype: "Table", Options: "Order Item"}}},
		{Name: "Order Item", IsTable: true, Fields: []frappems.Field{{Fieldname: "item", Fieldtype: "Data"}}},
		{Name: "Parcel", Permissions: all, Fields: []frappems.Field{{Fieldname: "title", Fieldtype: "Data"}}},
		{Name: "Invoice", Permissions: all, Fields: []frappems.Field{{Fieldname: "items", Fieldtype: "Table", Options: "Order Item"}}}, // not served
	}
	tokens, err := frappems.NewTokens(strings.NewReader(`[{"user": "ada@example.com", "api_key": "ada", "api_secret": "secret"}]`))
	if err != nil {
		t.Fatal(err)
	}
	config := frappems.Config{Name: "orders", Types: types, Store: frappems.NewMemoryStore(), Auth: tokens, Logger: slog.New(slog.DiscardHandler),
		MaxBodyBytes: 1 << 10, MaxQueryBytes: 1 << 10,
		Fallback: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "fallback %s %s %s %v", r.Method, r.URL.RequestURI(), body, err)
		})}
	if change != nil {
		change(&config)
	}
	app, err := frappems.New(config)
	if err != nil {
		t.Fatal(err)
	}
	app.Resource("Sales Order", frappems.ResourceOptions{BasePath: "/orders"})
	app.Resource("Parcel")
	app.Handle("GET /late/{n}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "own") }))
	app.Method("orders.api.close", frappems.AllowGuest(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "own") }))
	app.Method("Parcel.weigh", frappems.AllowGuest(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "own") }))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return app
}

func TestFallback(t *testing.T) {
	app := newFallbackApp(t, nil)
	const form, js = "application/x-www-form-urlencoded", "application/json"
	const client = "/api/method/frappe.client."
	for _, test := range []struct {
		request string // method and target
		kind    string // of the body
		body    string
		want    string // who answers: own, fallback; else what a refusal says
	}{
		{"GET /health", "", "", "own"},
		{"GET /late/7", "", "", "own"},
		{"POST /late/7", "", "", "own"}, // 405
		{"GET /late", "", "", "fallback"},
		{"GET /", "", "", "fallback"},
		{"GET /app/sales-order", "", "", "fallback"},
		{"GET /assets/frappe/dist/js/desk.js?v=1", "", "", "fallback"},
		{"GET /socket.io/?EIO=4&transport=polling", "", "", "fallback"},
		{"GET /files/a%20b.png", "", "", "fallback"},
		{"GET /orders", "", "", "own"},
		{"GET /orders/SO-1", "", "", "own"},
		{"GET /order", "", "", "fallback"},

		{"GET /api/resource/Sales%20Order", "", "", "own"},
		{"GET /api/resource/sales-order/SO-1", "", "", "own"},
		{"GET /api/v1/resource/Sales%20Order/SO%2F1", "", "", "own"},
		{"DELETE /api/resource/Sales%20Order/SO-1", "", "", "own"},
		{"OPTIONS /api/resource/Sales%20Order", "", "", "own"},
		{"POST /api/resource/Sales%20Order/SO-1?run_method=submit", "", "", "own"},
		{"GET /api/resource/Customer", "", "", "fallback"},
		{"PUT /api/resource/Customer/C%2F1", js, `{"a": 1}`, "fallback"},
		{"GET /api/resource/Invoice/I-1", "", "", "fallback"}, // known, not served
		{"GET /api/resource/", "", "", "fallback"},
		{"GET /api/resource/Order%20Item?parent=Sales%20Order", "", "", "own"},
		{"GET /api/resource/Order%20Item", "", "", "own"},
		{"GET /api/resource/Order%20Item?parent=Invoice", "", "", "fallback"},
		{"GET /api/v2/document/Sales%20Order/SO-1", "", "", "own"},
		{"POST /api/v2/document/Sales%20Order/SO-1/method/submit", "", "", "own"},
		{"POST /api/v2/document/Sales%20Order/bulk_update", js, `{"docs": []}`, "own"},
		{"GET /api/v2/document/Customer", "", "", "fallback"},
		{"GET /api/v2/doctype/Sales%20Order/meta", "", "", "own"},
		{"GET /api/v2/doctype/Customer/count", "", "", "fallback"},
		{"GET /api/v2/method/Parcel/weigh", "", "", "own"},
		{"GET /api/v2/method/Parcel/other", "", "", "own"}, // there is none
		{"GET /api/v2/method/Customer/other", "", "", "fallback"},
		{"GET /api/v2/discovery", "", "", "fallback"},
		{"GET /api/v3/x", "", "", "fallback"},

		// Written so that two readers could differ.
		{"GET /api/%72esource/Sales%20Order", "", "", "DoesNotExistError"},
		{"GET /api//resource/Sales%20Order", "", "", "DoesNotExistError"},
		{"GET /x/../api/resource/Sales%20Order/SO-1", "", "", "DoesNotExistError"},
		{"GET /api/resource/../resource/sales-order/", "", "", "DoesNotExistError"},
		{"GET /api/resource/x/../Sales%20Order", "", "", "DoesNotExistError"},
		{"GET /api/v2/%64ocument/Sales%20Order", "", "", "DoesNotExistError"},
		{"GET /api/%6dethod/orders.api.close", "", "", "DoesNotExistError"},
		{"GET /api/%6dethod/frappe.client.get?doctype=Sales+Order", "", "", "DoesNotExistError"},
		{"GET /api/%72esource/Customer", "", "", "fallback"},
		{"GET /a//b/../c/", "", "", "fallback"},

		{"POST /api/method/orders.api.close", "", "", "own"},
		{"GET /?cmd=orders.api.close", "", "", "own"},
		{"POST /api/method/login", form, "usr=a&pwd=b", "fallback"},
		{"POST /", form, "cmd=login&usr=a&pwd=b", "fallback"},
		{"GET /?cmd=logout", "", "", "fallback"},
		{"GET /api/method/ping", "", "", "fallback"},
		{"GET /api/method/frappe.auth.get_logged_user", "", "", "fallback"},
		{"POST /api/method/upload_file", "multipart/form-data; boundary=x", strings.Repeat("x", 4<<10), "fallback"},

		{"GET " + client + "get_list?doctype=Sales+Order", "", "", "own"},
		{"POST " + client + "get_list", js, `{"doctype": "Sales Order"}`, "own"},
		{"POST " + client + "get_list", form, `doctype=Sales+Order`, "own"},
		{"POST /", form, "cmd=frappe.client.get_count&doctype=Sales+Order", "own"},
		{"POST /", js, `{"cmd": "frappe.client.get_count", "doctype": "Sales Order"}`, "own"},
		{"POST /api/v2/method/frappe.client.get_list", js, `{"doctype": "Sales Order"}`, "own"},
		{"GET " + client + "get_list?doctype=Customer", "", "", "fallback"},
		{"POST " + client + "get_list", js, `{"doctype": "Customer", "parent": "Sales Order"}`, "fallback"},
		{"POST " + client + "get_list", js, `{"doctype": "Comment", "filters": {"reference_doctype": "Sales Order"}}`, "fallback"},
		{"POST " + client + "get_list", js, `{"doctype": "Order Item", "parent": "Sales Order"}`, "own"},
		{"POST " + client + "get_list", js, `{"doctype": "Order Item", "parent": "Invoice"}`, "fallback"},
		{"POST " + client + "get_list", js, `broken`, "ValidationError"}, // who reads JSON less strictly could find something in it
		{"POST " + client + "get_list?doctype=Sales+Order", "text/plain", `broken`, "own"},
		{"POST " + client + "get_list", js, `{"doctype": "` + strings.Repeat("x", 2<<10) + `"}`, "RequestTooLargeError"},
		{"POST " + client + "insert", js, `{"doc": {"doctype": "Sales Order"}}`, "own"},
		{"POST " + client + "insert", form, `doc={"doctype":+"Sales Order"}`, "own"},
		{"POST " + client + "insert", js, `{"doc": {"doctype": "Customer", "name": "Sales Order"}}`, "fallback"},
		{"POST " + client + "insert", js, `{"doc": {"doctype": "Order Item", "parenttype": "Sales Order", "parent": "SO-1"}}`, "own"},
		{"POST " + client + "insert", js, `{"doc": {"doctype": "Order Item", "parenttype": "Invoice", "parent": "I-1"}}`, "fallback"},
		{"POST " + client + "insert", js, `{"doc": {"doctype": "Order Item", "parent": "I-1"}}`, "own"},
		{"POST " + client + "submit", js, `{"doclist": "[{\"doctype\": \"Sales Order\"}]"}`, "own"},
		{"POST " + client + "bulk_update", form, `docs=[{"doctype":"Customer","docname":"C"}]`, "fallback"},
		{"POST " + client + "insert_many", js, `{"docs": [{"doctype": "Sales Order"}, {"doctype": "Parcel"}]}`, "own"},
		{"POST " + client + "insert_many", js, `{"docs": [{"doctype": "Sales Order"}, {"doctype": "Customer"}]}`,
			"Documents of \\u003cstrong\\u003eSales Order\\u003c/strong\\u003e are kept by the service orders, those of \\u003cstrong\\u003eCustomer\\u003c/strong\\u003e are not"},
		{"POST /api/v2/method/bulk_delete", js, `{"docs": [{"doctype": "Customer", "name": "C"}, {"doctype": "Sales Order", "name": "S"}]}`, "send a call for each"},
		{"POST /api/method/run_doc_method", js, `{"dt": "Sales Order", "dn": "SO-1", "method": "submit"}`, "own"},
		{"POST /api/method/run_doc_method", form, `docs={"doctype":"Customer","name":"C"}&method=x`, "fallback"},
		{"POST /api/v2/method/run_doc_method", js, `{"document": {"doctype": "Sales Order", "name": "SO-1"}, "method": "submit"}`, "own"},
		{"GET /api/method/frappe.desk.search.search_link?doctype=Customer&reference_doctype=Sales+Order&txt=a", "", "", "fallback"},
		{"GET /api/method/frappe.desk.search.search_link?doctype=Sales+Order&reference_doctype=Invoice&txt=a", "", "", "own"},
		{"POST /api/method/frappe.desk.reportview.get", form, "doctype=Sales+Order", "own"},

		// What belongs to documents, where we have no such method.
		{"POST /api/method/frappe.desk.form.utils.add_comment", form, "reference_doctype=Sales+Order&reference_name=SO-1&content=x",
			"kept by the service orders, which has no method 'frappe.desk.form.utils.add_comment'"},
		{"POST /api/method/frappe.desk.form.assign_to.add", form, `doctype=Sales+Order&name=SO-1&assign_to=["a"]`, "which has no method"},
		{"POST /api/method/frappe.desk.doctype.tag.tag.add_tag", js, `{"tag": "x", "dt": "Sales Order", "dn": "SO-1"}`, "which has no method"},
		{"POST /api/method/frappe.desk.form.save.savedocs", form, `doc={"doctype":"Sales Order"}&action=Save`, "which has no method"},
		{"GET /api/method/frappe.desk.form.load.getdoc?doctype=Sales+Order&name=SO-1", "", "", "which has no method"},
		{"GET /api/method/frappe.utils.print_format.download_pdf?doctype=Sales+Order&name=SO-1", "", "", "which has no method"},
		{"POST /api/method/frappe.www.printview.get_html_and_style", form, "doc=Sales+Order&name=SO-1", "which has no method"},
		{"POST /api/method/frappe.www.printview.get_html_and_style", form, "doc=Customer&name=SO-1", "fallback"},
		{"POST /api/method/frappe.website.doctype.web_form.web_form.accept", form, `web_form=x&data={"doctype":"Sales+Order"}`, "which has no method"},
		{"GET /printview?doctype=Sales%20Order&name=SO-1", "", "", "which has no page '/printview'"},
		{"GET /printview?doctype=Customer&name=C", "", "", "fallback"},
		{"GET /?cmd=frappe.desk.form.load.getdoc&doctype=Sales+Order", "", "", "which has no method"},
		{"GET /api/method/frappe.desk.form.load.getdoctype?doctype=Sales+Order", "", "", "fallback"},
		{"POST /api/method/frappe.desk.form.utils.add_comment", form, "reference_doctype=Customer&reference_name=C&content=x", "fallback"},

		// A method that cmd names runs at Central whatever the path is.
		{"POST /api/resource/Customer?cmd=frappe.client.delete&doctype=Sales+Order&name=SO-1", "", "", "DoesNotExistError"},
		{"POST /api/resource/Customer", js, `{"cmd": "frappe.client.delete", "doctype": "Sales Order", "name": "SO-1"}`, "DoesNotExistError"},
		{"POST /about", form, "cmd=frappe.desk.form.save.cancel&doctype=Sales+Order&name=SO-1", "which has no method"},
		{"GET /api/method/frappe.desk.form.load.getdoctype?cmd=frappe.client.delete&doctype=Sales+Order", "", "", "DoesNotExistError"},
		{"POST /api/resource/Customer?cmd=frappe.client.get&doctype=Customer", "", "", "fallback"},
		{"POST /api/resource/Customer", js, `{"doctype": "Customer", "order": {"doctype": "Sales Order"}}`, "fallback"},
		{"POST /printview", form, "doctype=Sales+Order&name=SO-1", "which has no page"},
		// Arguments that two readers could read differently.
		{"POST " + client + "delete?doctype=Sales+Order&name=x", "text/plain", `{"doctype": "Customer"}`, "send a call for each"},
		{"POST " + client + "delete", form, `{"doctype": "Customer"}&doctype=Sales+Order`, "own"},
		{"POST " + client + "delete", form, `doctype=Sales+Order&x=%zz`, "own"},
		{"GET /api/method/frappe.desk.form.save.cancel?doctype=Sales+Order&x=a;b", "", "", "which has no method"},
		{"GET /api/method/frappe.desk.form.save.cancel?doctype=Sales+Order&x=%", "", "", "which has no method"},
		{"POST " + client + "delete", "Application/JSON ; a=1; a=2", `{"doctype": "Sales Order"}`, "own"},
		{"POST /api/method/frappe.desk.form.save.cancel", js + "; a=1; a=2", `{"doctype": "Sales Order"}`, "which has no method"},
		{"POST /api/method/frappe.desk.form.save.cancel", "text/plain\n" + form, `doctype=Sales+Order`, "more than one Content-Type"},
		{"POST " + client + "delete", "application/problem+json", `{"doctype": "Sales Order", "x": NaN}`, "ValidationError"},
		{"POST " + client + "delete", form, `doctype=Customer&doctype=Sales+Order`, "send a call for each"},
		{"POST /api/method/frappe.desk.form.save.cancel?doctype=Sales+Order&name=SO-1", "multipart/form-data; boundary=x", "--x--", "which has no method"},
		{"POST " + client + "insert", js, `{"doctype": "Customer", "doc": {"doctype": "Sales Order"}}`, "send a call for each"},
		{"POST " + client + "insert", form, `doc={"doctype":+"Sales+Order",+"x":+NaN}`, "ValidationError"},
		{"POST " + client + "insert_many", js, `{"docs": ["{\"doctype\": \"Sales Order\", \"x\": Infinity}"]}`, "ValidationError"},
		{"POST " + client + "insert", js, `{"doc": "[draft"}`, "ValidationError"},
		{"GET /api/method/frappe.www.printview.get_html_and_style?doc=Sales+Order&name=SO-1&doctype=Customer", "", "", "send a call for each"},
		{"POST /api/v2/method/Bulk%20Update/submit_cancel_or_update_docs", js, `{"doctype": "Sales Order", "docnames": ["SO-1"], "action": "cancel"}`, "which has no method"},
		{"GET //api/method/frappe.client.delete/../../../x?doctype=Sales+Order", "", "", "DoesNotExistError"},
		// What parent says is of use where rows are read; what is written to a row is written wherever that is.
		{"PUT /api/resource/Order%20Item/row?parent=Invoice", js, `{"item": "x"}`, "own"},
		{"DELETE /api/resource/Order%20Item/row?parent=Customer", "", "", "own"},
		{"POST " + client + "set_value", js, `{"doctype": "Order Item", "name": "row", "fieldname": "item", "value": "x", "parent": "Invoice"}`, "own"},
		// Central's database finds a Single by any of these.
		{"GET " + client + "get?doctype=sales+order", "", "", "own"},
		{"GET /api/resource/SALES%20ORDER", "", "", "own"},
	} {
		t.Run(test.request+" "+test.body[:min(len(test.body), 40)], func(t *testing.T) {
			method, target, _ := strings.Cut(test.request, " ")
			r := httptest.NewRequest(method, target, strings.NewReader(test.body))
			if test.kind != "" {
				r.Header["Content-Type"] = strings.Split(test.kind, "\n")
			}
			w := httptest.NewRecorder()
			before := app.Stats()
			app.ServeHTTP(w, r)
			body, after := w.Body.String(), app.Stats()
			passed := strings.HasPrefix(body, "fallback ")
			switch {
			case test.want == "fallback":
				if want := fmt.Sprintf("fallback %s %s %s <nil>", method, target, test.body); body != want {
					t.Errorf("got %s, want %s", body, want)
				}
				if after.Fallback != before.Fallback+1 || w.Header().Get("X-Served-By") != "" {
					t.Errorf("got %+v after %+v and served by %q, want one more of the fallback's", after, before, w.Header().Get("X-Served-By"))
				}
			case passed:
				t.Errorf("got %s, want %s", body, test.want)
			case test.want != "own" && (!strings.Contains(body, test.want) || w.Code < 400):
				t.Errorf("got %d %s, want %s", w.Code, body, test.want)
			case test.request != "GET /health" && w.Header().Get("X-Served-By") != "orders":
				t.Errorf("got served by %q, want orders", w.Header().Get("X-Served-By"))
			}
		})
	}
}

// TestFallbackAndUsers wants credentials to be nobody's business on this side where the request is the other's.
func TestFallbackAndUsers(t *testing.T) {
	asked := 0
	app := newFallbackApp(t, func(c *frappems.Config) {
		c.Auth = authFunc(func(*http.Request) (*frappems.User, error) {
			asked++
			return nil, frappems.Errorf(frappems.AuthenticationError, "no")
		})
	})
	for _, target := range []string{"/api/resource/Customer", "/api/method/ping", "/app"} {
		r := httptest.NewRequest("POST", target, nil)
		r.Header.Set("Authorization", "token a:b")
		r.Header.Set("Cookie", "sid=x")
		r.Header.Set("Origin", "https://evil.example")
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if w.Code != 200 || asked != 0 {
			t.Errorf("%s: got %d after %d questions, want 200 after none", target, w.Code, asked)
		}
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", "/api/resource/Sales%20Order", nil))
	if w.Code != 401 || asked != 1 {
		t.Errorf("got %d after %d questions, want 401 after one", w.Code, asked)
	}
}

// TestFallbackHasNoLimits wants bodies and queries of any size and no deadline.
func TestFallbackHasNoLimits(t *testing.T) {
	app := newFallbackApp(t, func(c *frappems.Config) {
		c.Fallback = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			_, limited := r.Context().Deadline()
			fmt.Fprint(w, n, err, limited)
		})
	})
	r := httptest.NewRequest("PUT", "/private/files/x?"+strings.Repeat("q", 4<<10), strings.NewReader(strings.Repeat("x", 1<<20)))
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	if got, want := w.Body.String(), fmt.Sprint(1<<20, nil, false); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestFallbackErrors wants errors of a fallback in Frappe's form.
func TestFallbackErrors(t *testing.T) {
	app := newFallbackApp(t, func(c *frappems.Config) {
		c.Fallback = frappems.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			return frappems.Errorf(frappems.UnavailableError, "down")
		})
	})
	for target, want := range map[string]string{"/api/method/ping": `"exc_type":"ServiceUnavailable"`, "/api/v2/method/ping": `{"errors":[`} {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		if w.Code != 503 || !strings.Contains(w.Body.String(), want) || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s, want 503 and %s", target, w.Code, w.Body, want)
		}
	}
}

// TestFallbackOfShutdown wants a stream that goes on not to keep a service from ending.
func TestFallbackOfShutdown(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	app := newFallbackApp(t, func(c *frappems.Config) {
		c.Fallback = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(begun)
			<-end
		})
	})
	done := make(chan struct{})
	go func() {
		app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/socket.io/", nil))
		close(done)
	}()
	<-begun
	if err := app.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	close(end)
	<-done
}

// TestKeeps wants a fallback to know which DocTypes are not its own.
func TestKeeps(t *testing.T) {
	var got []bool
	app := newFallbackApp(t, func(c *frappems.Config) {
		c.Fallback = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			for _, doctype := range []string{"Sales Order", "Order Item", "Invoice", "Customer", ""} {
				got = append(got, frappems.Keeps(r.Context(), doctype))
			}
		})
	})
	app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/app", nil))
	if want := []bool{true, true, false, false, false}; !slices.Equal(got, want) {
		t.Errorf("got %t, want %t", got, want)
	}
	if frappems.Keeps(context.Background(), "Sales Order") {
		t.Error("got a DocType that is kept outside of a request")
	}
}

// FuzzFallback wants every request to be answered by one side, and what is passed on to be what came.
func FuzzFallback(f *testing.F) {
	f.Add("POST", "/api/method/frappe.client.insert_many", "application/json", `{"docs": [{"doctype": "Sales Order"}, {"doctype": "Customer"}]}`)
	f.Add("POST", "/?cmd=frappe.client.get", "application/x-www-form-urlencoded", "doctype=Customer&name=%zz")
	f.Add("GET", "/api/v2/method/Sales%20Order/x/../y", "", "")
	f.Add("PUT", "/api/%2e%2e/api/resource//", "multipart/form-data; boundary=x", "--x--")
	app := newFallbackApp(f, nil)
	f.Fuzz(func(t *testing.T, method, target, kind, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(u.Path, "/") || u.Host != "" {
			t.Skip()
		}
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, u, target
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if text := w.Body.String(); w.Code >= 500 {
			t.Errorf("got %d %s", w.Code, text)
		} else if rest, passed := strings.CutPrefix(text, "fallback "); passed && rest != fmt.Sprintf("%s %s %s <nil>", method, u.RequestURI(), body) {
			t.Errorf("got %q passed on", rest)
		}
	})
}

// TestFallbackIsLogged wants a line that says that the request was passed on.
func TestFallbackIsLogged(t *testing.T) {
	var log bytes.Buffer
	app := newFallbackApp(t, func(c *frappems.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	log.Reset()
	app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/private/files/secret.pdf", nil))
	if got := log.String(); !strings.Contains(got, "method=GET route=fallback status=200") || strings.Contains(got, "secret") {
		t.Errorf("got %s, want the route fallback, and no path", got)
	}
}
