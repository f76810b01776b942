package frappems

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/frappems/frappems/store"
)

// The methods that Frappe's clients call by name, as a site of v15 answers them. Each is an operation on the DB of the
// caller, who has the rights that /api/resource gives: a DocType that is not served is unknown, and a verb that
// ResourceOptions leaves out is refused.

// maxBulk is how many documents one call may insert, update or delete.
const maxBulk = 200

// ownMethods makes the table of them.
func ownMethods() map[string]*method {
	all := map[string]*method{}
	add := func(verbs []string, call func(c *call) (any, error), names ...string) *method {
		m := &method{policy: AllowSignedIn(), verbs: verbs, call: call}
		m.pattern, m.safe = "/api/method/"+names[0], slices.Contains(verbs, http.MethodGet)
		for _, name := range names {
			all[name] = m
		}
		return m
	}
	write, remove := []string{http.MethodPost, http.MethodPut}, []string{http.MethodPost, http.MethodDelete}
	ping := add(safeVerbs, func(*call) (any, error) { return "pong", nil }, "ping", "frappe.ping")
	ping.policy, ping.noTenant = AllowGuest(), true
	add(safeVerbs, func(c *call) (any, error) { return c.user.Name, nil }, "frappe.auth.get_logged_user").noTenant = true
	add(safeVerbs, (*call).getList, "frappe.client.get_list")
	add(safeVerbs, (*call).getCount, "frappe.client.get_count", "frappe.desk.reportview.get_count")
	add(safeVerbs, (*call).get, "frappe.client.get")
	add(safeVerbs, (*call).getValue, "frappe.client.get_value")
	add(safeVerbs, (*call).getSingleValue, "frappe.client.get_single_value")
	add(safeVerbs, (*call).hasPermission, "frappe.client.has_permission")
	add(safeVerbs, (*call).getDocPermissions, "frappe.client.get_doc_permissions")
	add(safeVerbs, (*call).validateLink, "frappe.client.validate_link")
	add(safeVerbs, (*call).searchLink, "frappe.desk.search.search_link")
	add(safeVerbs, (*call).reportView, "frappe.desk.reportview.get")
	add(safeVerbs, (*call).reportList, "frappe.desk.reportview.get_list")
	add(write, (*call).setValue, "frappe.client.set_value")
	add(write, (*call).insert, "frappe.client.insert")
	add(write, (*call).insertMany, "frappe.client.insert_many")
	add(write, func(c *call) (any, error) { return c.saveSent(false) }, "frappe.client.save")
	add(write, func(c *call) (any, error) { return c.saveSent(true) }, "frappe.client.submit")
	add(write, (*call).cancel, "frappe.client.cancel")
	add(remove, (*call).remove, "frappe.client.delete")
	add(write, (*call).rename, "frappe.client.rename_doc")
	add(write, (*call).bulkUpdate, "frappe.client.bulk_update").perItem = true
	for _, what := range []string{"bulk_update", "bulk_delete"} {
		add([]string{http.MethodPost}, func(c *call) (any, error) { return c.bulk(what, "") }, what).perItem = true
	}
	add(safeVerbs, (*call).runDocMethod, "run_doc_method").safe = false
	add(safeVerbs, func(*call) (any, error) { return nil, Errorf(PermissionError, "Not permitted") }, "frappe.client.get_password")
	return all
}

// listed finds a DocType for a list: one that is served, or the rows of one, with the DocTypes of their documents.
func (c *call) listed(doctype string) (*meta, []*meta, error) {
	if m := c.app.registry.byName[doctype]; m != nil && bool(m.IsTable) {
		if parents := c.app.parentsOf(m); len(parents) > 0 {
			parents, err := rowParents(c.user, m, parents, c.text("parent"))
			return m, parents, err
		}
	}
	m, err := c.resource(doctype, "list")
	return m, nil, err
}

// listing makes the list that the arguments ask for; given stand in their place, and where narrows it further.
func (c *call) listing(given map[string]string, where ...store.Cond) (*listing, error) {
	m, parents, err := c.listed(c.text("doctype"))
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	for name := range c.args {
		if slices.Contains(listParameters, name) || name == "start" || name == "page_length" {
			query.Set(name, c.text(name))
		}
	}
	pageParameters(query)
	for _, name := range []string{"filters", "or_filters", "fields"} {
		if text := query.Get(name); text != "" && !json.Valid([]byte(text)) { // a name alone
			query.Set(name, string(jsonText(text)))
		}
	}
	for name, value := range given {
		query.Set(name, value)
	}
	args, err := c.app.readListArgs(query)
	if err != nil {
		return nil, err
	}
	args.parents, args.where = parents, where
	return c.db.listing(c.ctx, m, args)
}

func (c *call) getList() (any, error) {
	l, err := c.listing(nil)
	return l, err
}

// rows reads a list into memory.
func (c *call) rows(given map[string]string, where ...store.Cond) (*listing, [][]json.RawMessage, error) {
	l, err := c.listing(given, where...)
	if err != nil || l.b == nil {
		return l, nil, err
	}
	var all [][]json.RawMessage
	err = l.each(c.ctx, func(row [][]byte) error {
		values := make([]json.RawMessage, len(l.b.output))
		for i, o := range l.b.output {
			values[i] = appendColumn(nil, o.typ, row[i])
		}
		all = append(all, values)
		return nil
	})
	return l, all, err
}

// object is a row as an object.
func (l *listing) object(row []json.RawMessage) map[string]json.RawMessage {
	object := make(map[string]json.RawMessage, len(row))
	for i, o := range l.b.output {
		object[o.name] = row[i]
	}
	return object
}

// getCount counts the documents of a list; with limit, as far as that.
func (c *call) getCount() (any, error) {
	field := "count(name) as n"
	if c.flag("distinct") {
		field = "count(distinct name) as n"
	}
	_, rows, err := c.rows(map[string]string{"fields": marshalText([]string{field}), "limit": "0", "limit_page_length": "0",
		"order_by": "", "group_by": "", "as_dict": "1"})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	n := toInt(argumentText(rows[0][0]))
	if limit := toInt(c.text("limit")); limit > 0 {
		n = min(n, limit)
	}
	return n, nil
}

// find gives the name of the document that the argument filters names or finds first.
func (c *call) find() (string, error) {
	_, rows, err := c.rows(map[string]string{"fields": `["name"]`, "limit_page_length": "1", "as_dict": "1"})
	if err != nil {
		return "", err
	}
	if len(rows) == 0 {
		return "", Errorf(DoesNotExistError, "%s not found", escapeHTML(c.text("doctype")))
	}
	return argumentText(rows[0][0]), nil
}

func (c *call) get() (any, error) {
	doctype, name := c.text("doctype"), c.text("name")
	if row := c.app.registry.byName[doctype]; row != nil && bool(row.IsTable) {
		return c.row(row, name)
	}
	m, err := c.resource(doctype, "get")
	if err != nil {
		return nil, err
	}
	if name == "" && !bool(m.IsSingle) {
		if c.args["filters"] == nil {
			return nil, Errorf(DoesNotExistError, "%s not found", escapeHTML(m.Name))
		}
		if name, err = c.find(); err != nil {
			return nil, err
		}
	}
	d, err := c.db.Get(c.ctx, m.Name, name)
	return asDict{d}, err
}

// row gives the row of a table, to who may list the rows of the DocType that the argument parent names.
func (c *call) row(m *meta, name string) (any, error) {
	given := map[string]string{"fields": `["*"]`, "limit_page_length": "1", "as_dict": "1"}
	if name != "" || c.args["filters"] == nil {
		given["filters"] = marshalText([][]string{{"name", "=", name}})
	}
	l, rows, err := c.rows(given)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, notFound(m, name)
	}
	row := l.object(rows[0])
	row["doctype"] = jsonText(m.Name)
	return row, nil
}

// getValue gives fields of the first document that is found, {} where there is none. as_dict=false sends the text "false",
// which Frappe takes for true where it unpacks the row, so that clients get a list; JSON's false gives a single value alone.
func (c *call) getValue() (any, error) {
	fields := c.fields("fieldname")
	if m := c.app.registry.byName[c.text("doctype")]; m != nil && bool(m.IsSingle) {
		return c.single(fields...)
	}
	l, rows, err := c.rows(map[string]string{"fields": marshalText(fields), "limit_page_length": "1", "limit": "1", "limit_start": "0",
		"order_by": "", "group_by": "", "or_filters": "", "as_dict": "1"})
	asList := c.args["as_dict"] != nil && !c.flag("as_dict")
	isText := asList && c.args["as_dict"][0] == '"'
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0 && asList && !isText:
		return nil, nil
	case len(rows) == 0:
		return struct{}{}, nil
	case !asList:
		return l.object(rows[0]), nil
	case !isText && len(fields) == 1:
		return rows[0][0], nil
	}
	return rows[0], nil
}

// fields reads an argument that is a field, a list of them, or JSON of either; none is name.
func (c *call) fields(name string) []string {
	text := c.text(name)
	var list []string
	var one string
	switch {
	case text == "":
		return []string{"name"}
	case json.Unmarshal([]byte(text), &list) == nil && len(list) > 0:
		return list
	case json.Unmarshal([]byte(text), &one) == nil:
		return []string{one}
	}
	return []string{text}
}

// single gives fields of a Single DocType as they are stored: texts, and only those that are.
func (c *call) single(fields ...string) (map[string]string, error) {
	m, err := c.resource(c.text("doctype"), "get")
	if err != nil {
		return nil, err
	}
	a, field := c.db.accessTo(m), store.Expr{Column: singleTable.Column("field")}
	switch {
	case !bool(m.IsSingle):
		return nil, Errorf(ValidationError, "%s is not a single document", bold(m.Name))
	case !a.ever(mayRead):
		return nil, a.denied(mayRead, "")
	}
	for _, name := range fields {
		if at, there := m.slotOf[name]; !there {
			return nil, Errorf(ValidationError, "Field %s does not exist on %s", bold(name), bold(m.Name))
		} else if !a.readsLevel(m.slots[at].level()) {
			return nil, notPermitted(name)
		}
	}
	rows, err := c.db.texts(c.ctx, &store.Query{Tenant: c.db.tenant, From: singleTable,
		Columns: []store.Expr{field, {Column: singleTable.Column("value")}},
		Where: store.Cond{Op: store.OpAnd, Conds: []store.Cond{compare(store.OpIn, field, fields...),
			compare(store.OpEqual, store.Expr{Column: singleTable.Column("doctype")}, m.Name)}}})
	values := map[string]string{}
	for _, row := range rows {
		values[row[0]] = row[1]
	}
	return values, err
}

// getSingleValue gives one field of a Single DocType, as a value of its type: 0 or "" where nothing is stored.
func (c *call) getSingleValue() (any, error) {
	field := c.text("field")
	values, err := c.single(field)
	if err != nil {
		return nil, err
	}
	column := c.app.registry.byName[c.text("doctype")].expr(field).Column
	if value, stored := values[field]; stored {
		return json.RawMessage(appendValue(nil, loadValue(column.Type, []byte(value)))), nil
	}
	if isNumeric(column.Type) {
		return 0, nil
	}
	return "", nil
}

// document reads the document that the argument docname names, if it names one. To who has no right in the DocType, a
// document that is there is as one that is not.
func (c *call) document() (*access, *Doc, error) {
	m, err := c.resource(c.text("doctype"), "get")
	if err != nil {
		return nil, nil, err
	}
	a := c.db.accessTo(m)
	if !a.ever(^right(0)) {
		return nil, nil, a.denied(mayRead, "")
	}
	if c.text("docname") == "" {
		return a, nil, nil
	}
	d, err := c.db.load(c.ctx, m, c.text("docname"), store.NoLock)
	return a, d, err
}

func (c *call) hasPermission() (any, error) {
	need := mayRead
	if text := strings.ToLower(c.text("perm_type")); text != "" {
		need = rightNamed(text)
	}
	has := false
	a, d, err := c.document()
	switch {
	case err != nil && !errors.Is(err, PermissionError):
		return nil, err
	case err == nil && d == nil:
		has = a.ever(need)
	case err == nil:
		has = a.checkDoc(need, d) == nil
	}
	return map[string]bool{"has_permission": has}, nil
}

func (c *call) getDocPermissions() (any, error) {
	a, d, err := c.document()
	if err == nil && d == nil {
		err = Errorf(DoesNotExistError, "%s not found", escapeHTML(a.meta.Name))
	}
	if err != nil {
		return nil, err
	}
	permissions := map[string]any{"import": 0} // of files, which nobody does here
	for i, name := range rightNames {
		permissions[name] = boolInt(a.checkDoc(1<<i, d) == nil && (1<<i != maySubmit || bool(a.meta.IsSubmittable)))
	}
	if !a.all {
		owned := map[string]int{} // what the user has as owner alone
		for i, name := range rightNames {
			if right(1<<i)&a.own&^a.always != 0 {
				owned[name] = boolInt(a.checkDoc(1<<i, d) == nil)
			}
		}
		permissions["if_owner"], permissions["has_if_owner_enabled"] = owned, a.own != 0
	}
	return map[string]any{"permissions": permissions}, nil
}

// validateLink says whether the user may link to a document, and what is fetched from it; its name is null where not.
func (c *call) validateLink() (any, error) {
	only := marshalText([][]string{{"name", "=", c.text("docname")}})
	fields := []string{"name"}
	if text := c.text("fields"); text != "" {
		fields = append(fields, c.fields("fields")...)
	}
	l, rows, err := c.rows(map[string]string{"fields": marshalText(fields), "filters": only, "limit_page_length": "1",
		"order_by": "", "or_filters": "", "as_dict": "1"})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return map[string]any{"name": nil}, nil
	}
	return l.object(rows[0]), nil
}

// setValue sets one field, or several, and saves the document; of a row of a table, the document that it is part of.
func (c *call) setValue() (any, error) {
	field := c.text("fieldname")
	values, err := nestedObject(c.args["fieldname"])
	if err != nil {
		return nil, err
	}
	if values == nil {
		value := c.args["value"]
		if value == nil || string(value) == "null" {
			value = json.RawMessage(`""`)
		}
		values = map[string]json.RawMessage{field: value}
	}
	isNamed := func(c *store.Column) bool { return c.Name == field }
	if field == "doctype" || slices.ContainsFunc(append(standardColumns(&DocType{}), parentColumns()...), isNamed) {
		return nil, Errorf(ValidationError, "Cannot edit standard fields")
	}
	if values, err = c.db.settable(values); err != nil {
		return nil, err
	}
	doctype, name := c.text("doctype"), c.text("name")
	if row := c.app.registry.byName[doctype]; row != nil && bool(row.IsTable) {
		d, err := c.changeRow(row, name, func(d *Doc, table, at int) error { return d.rows[table][at].assignAll(values) })
		return asDict{d}, err
	}
	m, err := c.resource(doctype, "update")
	if err != nil {
		return nil, err
	}
	if name == "" && bool(m.IsSingle) {
		name = m.Name
	}
	d, err := c.db.change(c.ctx, m, name, func(_ *DB, d *Doc) error { return d.update(values) })
	return asDict{d}, err
}

// changeRow changes the row of a table by way of the document that it is part of; f gets the places of table and row.
func (c *call) changeRow(row *meta, name string, f func(d *Doc, table, at int) error) (*Doc, error) {
	of, err := c.db.values(c.ctx, row, name, "parenttype", "parent", "parentfield", "name")
	if err != nil {
		return nil, err
	}
	if of == nil {
		return nil, notFound(row, name)
	}
	m, err := c.resource(of[0], "update")
	if err != nil {
		return nil, notFound(row, name)
	}
	return c.db.change(c.ctx, m, of[1], func(_ *DB, d *Doc) error {
		if table := m.tableOf(of[2]); table >= 0 {
			if at := slices.IndexFunc(d.rows[table], func(r *Doc) bool { return r.Name() == of[3] }); at >= 0 {
				return f(d, table, at)
			}
		}
		return notFound(row, name)
	})
}

// insertDoc makes a document of what a client sent; a row of a table is added to its document, which is what comes back.
func (c *call) insertDoc(values map[string]json.RawMessage) (*Doc, error) {
	doctype := argumentText(values["doctype"])
	row := c.app.registry.byName[doctype]
	values, err := c.db.settable(values)
	if err != nil {
		return nil, err
	}
	if row == nil || !bool(row.IsTable) {
		m, err := c.resource(doctype, "create")
		if err != nil {
			return nil, err
		}
		return c.db.create(c.ctx, m, values)
	}
	parenttype := argumentText(values["parenttype"])
	incomplete := Errorf(ValidationError, "Parenttype, Parent and Parentfield are required to insert a child record")
	if parenttype == "" {
		return nil, incomplete
	}
	m, err := c.resource(parenttype, "update")
	if err != nil {
		return nil, err
	}
	table := m.tableOf(argumentText(values["parentfield"]))
	if table < 0 || m.tables[table].child != row {
		return nil, incomplete
	}
	return c.db.change(c.ctx, m, argumentText(values["parent"]), func(_ *DB, d *Doc) error {
		added := newDoc(row)
		d.rows[table] = append(d.rows[table], added)
		return added.assignAll(values)
	})
}

func (c *call) insert() (any, error) {
	values, err := c.object("doc")
	if err != nil {
		return nil, err
	}
	d, err := c.insertDoc(values)
	return asDict{d}, err
}

// insertMany makes all of the documents or none.
func (c *call) insertMany() (any, error) {
	docs, err := c.items("docs")
	if err != nil {
		return nil, err
	}
	names := make([]any, 0, len(docs))
	for _, raw := range docs {
		values, err := parseObject(raw)
		if err != nil {
			return nil, err
		}
		d, err := c.insertDoc(values)
		if err != nil {
			return nil, err
		}
		names = append(names, d.values[slotName])
	}
	return names, nil
}

// items is a list of at most maxBulk.
func (c *call) items(name string) ([]json.RawMessage, error) {
	list, err := c.list(name)
	if err == nil && len(list) > maxBulk {
		err = Errorf(ValidationError, "Only %d documents are allowed in one request", maxBulk)
	}
	return list, err
}

// saveSent saves a document as a client holds it: what it does not have becomes empty, and modified has to be that of the
// stored one. One without a name is new.
func (c *call) saveSent(submit bool) (any, error) {
	values, err := c.object("doc", "doclist")
	if err != nil {
		return nil, err
	}
	doctype, name := argumentText(values["doctype"]), argumentText(values["name"])
	if submit {
		values["docstatus"] = json.RawMessage("1")
	}
	if name == "" || argumentText(values["__islocal"]) == "1" {
		d, err := c.insertDoc(values)
		return asDict{d}, err
	}
	m, err := c.resource(doctype, "update")
	if err != nil {
		return nil, err
	}
	if values, err = c.db.settable(values); err != nil {
		return nil, err
	}
	d, err := c.db.change(c.ctx, m, name, func(_ *DB, d *Doc) error {
		sent := newDoc(m)
		d.values, d.rows = sent.values, sent.rows
		return d.assignAll(values)
	})
	return asDict{d}, err
}

func (c *call) cancel() (any, error) {
	m, err := c.resource(c.text("doctype"), "update")
	if err != nil {
		return nil, err
	}
	d, err := c.db.Cancel(c.ctx, m.Name, c.text("name"))
	return asDict{d}, err
}

// remove deletes a document, or a row of a table from its document.
func (c *call) remove() (any, error) {
	doctype, name := c.text("doctype"), c.text("name")
	if row := c.app.registry.byName[doctype]; row != nil && bool(row.IsTable) {
		_, err := c.changeRow(row, name, func(d *Doc, table, at int) error {
			d.rows[table] = slices.Delete(d.rows[table], at, at+1)
			return nil
		})
		return nil, err
	}
	m, err := c.resource(doctype, "delete")
	if err != nil {
		return nil, err
	}
	return nil, c.db.Delete(c.ctx, m.Name, name)
}

func (c *call) rename() (any, error) {
	m, err := c.resource(c.text("doctype"), "update")
	if err != nil {
		return nil, err
	}
	name, err := c.db.Rename(c.ctx, m.Name, c.text("old_name"), c.text("new_name"), c.flag("merge"))
	if err != nil {
		return nil, err
	}
	c.alert = "Document renamed from " + bold(c.text("old_name")) + " to " + bold(name)
	return name, nil
}
