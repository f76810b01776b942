package frappems

import (
	"encoding/json"
	"log/slog"
	"net/http"
)

// Operations on several documents, each in a transaction of its own, which say of each what became of it.

// bulkUpdate updates documents, each in a transaction of its own, and gives those that failed with the reason.
func (c *call) bulkUpdate() (any, error) {
	docs, err := c.items("docs")
	if err != nil {
		return nil, err
	}
	type failure struct {
		Doc json.RawMessage `json:"doc"`
		Exc string          `json:"exc"`
	}
	failed := []failure{}
	for _, raw := range docs {
		values, err := parseObject(raw)
		if err == nil {
			_, err = c.updateItem(values, argumentText(values["doctype"]), "docname")
		}
		if err != nil {
			failed = append(failed, failure{raw, c.reason(err)})
		}
	}
	return map[string]any{"failed_docs": failed}, nil
}

// updateItem updates one document of several.
func (c *call) updateItem(values map[string]json.RawMessage, doctype, nameKey string) (*Doc, error) {
	m, err := c.resource(doctype, "update")
	if err != nil {
		return nil, err
	}
	name := argumentText(values[nameKey])
	delete(values, nameKey)
	if values, err = c.db.settable(values); err != nil {
		return nil, err
	}
	return c.db.change(c.ctx, m, name, func(_ *DB, d *Doc) error { return d.update(values) })
}

// reason tells a client why one of several documents failed; what is not for clients goes to the log.
func (c *call) reason(err error) string {
	e := asError(err)
	text := "frappe.exceptions." + string(e.Code)
	if e.Code.Status() >= http.StatusInternalServerError {
		exchangeFrom(c.ctx).report(slog.LevelError, "an item failed", "error", err)
		return text
	}
	for _, m := range e.messages() {
		text += ": " + m.Message
	}
	return text
}

// bulk updates or deletes documents, each in a transaction of its own, and says of each what became of it. Without a
// doctype each item names its own.
func (c *call) bulk(what, doctype string) (any, error) {
	argument, done := "docs", "updated"
	if what == "bulk_delete" {
		if done = "deleted"; doctype != "" {
			argument = "names"
		}
	}
	items, err := c.items(argument)
	if err != nil {
		return nil, err
	}
	good, failed := []any{}, []any{}
	for _, raw := range items {
		item, err := c.bulkItem(raw, what, doctype)
		if err == nil && doctype != "" {
			good = append(good, item["name"])
		} else if err == nil {
			good = append(good, item)
		} else {
			item["error"] = c.reason(err)
			failed = append(failed, item)
		}
	}
	return map[string]any{done: good, "failed": failed, "total": len(items), "success_count": len(good), "failure_count": len(failed)}, nil
}

// bulkItem does one of them; it always gives what it knows of the item.
func (c *call) bulkItem(raw json.RawMessage, what, doctype string) (item map[string]any, err error) {
	item = map[string]any{"name": nil}
	values := map[string]json.RawMessage{"name": raw}
	if doctype == "" || what == "bulk_update" {
		if values, err = parseObject(raw); err != nil {
			return item, err
		}
	}
	if doctype == "" {
		doctype = argumentText(values["doctype"])
		item["doctype"] = doctype
	}
	name := argumentText(values["name"])
	item["name"] = name
	if what == "bulk_delete" {
		m, err := c.resource(doctype, "delete")
		if err == nil {
			err = c.db.Delete(c.ctx, m.Name, name)
		}
		return item, err
	}
	d, err := c.updateItem(values, doctype, "name")
	if err == nil {
		c.docs = append(c.docs, d)
	}
	return item, err
}
