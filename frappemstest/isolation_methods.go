package frappemstest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The methods of TestIsolation: Frappe's, those of documents, those of many documents, the program's, and what API v2 adds.

// isolationMethods are operations that call a method; those that change nothing come by GET and by POST.
func isolationMethods() []isolationOperation {
	safe := map[string]func(r *isolation, as *isolationTenant) map[string]any{
		"frappe.client.get_list": callList, "frappe.client.get_count": callList, "frappe.desk.reportview.get": callList,
		"frappe.desk.reportview.get_list": callList, "frappe.desk.reportview.get_count": callList, "frappe.client.get": callGet,
		"frappe.client.get_value": callValue, "frappe.client.get_single_value": callSingleValue, "frappe.client.has_permission": callPermission,
		"frappe.client.get_doc_permissions": callPermission, "frappe.client.validate_link": callValidate, "frappe.desk.search.search_link": callSearch,
		"frappe.auth.get_logged_user": func(*isolation, *isolationTenant) map[string]any { return map[string]any{} }, "isolation.look": callLook,
	}
	list := []isolationOperation{
		{"frappe.client.set_value", 3, callSetValue}, {"frappe.client.set_value of a row", 2, callSetRow}, {"frappe.client.insert", 3, callInsert},
		{"frappe.client.insert_many", 3, callInsertMany}, {"frappe.client.save", 3, callSave}, {"frappe.client.submit", 5, callSubmit},
		{"frappe.client.cancel", 3, callCancel}, {"frappe.client.delete", 3, callDelete}, {"frappe.client.rename_doc", 6, callRename},
		{"frappe.client.bulk_update", 2, callBulkUpdate}, {"bulk_update", 2, callBulk}, {"run_doc_method", 3, callRunDocMethod},
		{"isolation.touch", 3, callTouch}, {"API v2: a method of a document", 4, documentMethod}, {"API v2: bulk_update", 2, bulkUpdate},
		{"API v2: bulk_delete", 2, bulkDelete}, {"API v2: count", 2, doctypeCount}, {"API v2: meta", 2, doctypeMeta}, {"API v2: search", 2, doctypeSearch},
		{"create with an Idempotency-Key", 7, createOnce}, {"list in pages", 5, listPages}, {"list with rows", 4, listExpanded},
	}
	for name, arguments := range safe {
		list = append(list, isolationOperation{name, 4, func(r *isolation, as *isolationTenant) *isolationRequest {
			args := arguments(r, as)
			if args == nil {
				return nil
			}
			verb := http.MethodGet
			if as.forms[name]++; as.forms[name]%2 == 0 {
				verb = http.MethodPost
			}
			return r.call(as, r.anyUser(as), verb, name, args)
		}})
	}
	slices.SortFunc(list, func(a, b isolationOperation) int { return strings.Compare(a.name, b.name) })
	return list
}

// call makes a call of a method, in one of the four ways in which it can be named.
func (r *isolation) call(as *isolationTenant, user isolationUser, verb, name string, args map[string]any) *isolationRequest {
	q := &isolationRequest{user: user, method: verb, query: url.Values{}, route: "/api/method/" + name}
	form := oneOf(r, []string{"/api/method/", "/api/v1/method/", "/api/v2/method/", "/"})
	if q.path = form + name; form == "/" {
		q.path, q.query["cmd"] = "/", []string{name}
	}
	q.form = form + "{method}"
	if verb == http.MethodPost {
		q.body = args
		return q
	}
	for key, value := range args {
		q.set(key, value)
	}
	return q
}

// target gives a document of the tenant, now and then one of another tenant; nil where there is none.
func (r *isolation) target(as *isolationTenant, doctypes ...string) (d *isolationDoc, own bool) {
	if r.random.IntN(4) > 0 {
		d = r.own(as, doctypes...)
		return d, d != nil
	}
	return r.foreignDoc(as, doctypes...), false
}

// callList takes the arguments of a list.
func callList(r *isolation, as *isolationTenant) map[string]any {
	q := listRequest(r, as)
	args := map[string]any{"doctype": oneOf(r, r.documents())}
	for key := range q.query {
		if key != "order_by" && key != "filters" && key != "or_filters" { // which name the DocType
			args[key] = q.query.Get(key)
		}
	}
	args["filters"] = r.filters(as, args["doctype"].(string))
	if d := r.foreignDoc(as, args["doctype"].(string)); d != nil && r.random.IntN(4) == 0 {
		args["filters"] = map[string]any{"name": d.name}
	}
	if args["filters"] == "" {
		delete(args, "filters")
	}
	return args
}

func callGet(r *isolation, as *isolationTenant) map[string]any {
	d, _ := r.target(as)
	switch {
	case d == nil:
		return nil
	case r.random.IntN(3) == 0:
		return map[string]any{"doctype": d.doctype, "filters": map[string]any{"name": d.name}}
	}
	return map[string]any{"doctype": d.doctype, "name": d.name}
}

func callValue(r *isolation, as *isolationTenant) map[string]any {
	d, _ := r.target(as)
	if d == nil {
		return nil
	}
	return map[string]any{"doctype": d.doctype, "filters": map[string]any{"name": d.name}, "fieldname": oneOf(r, []any{"remarks", []string{"name", "points", "owner"}})}
}

func callSingleValue(r *isolation, _ *isolationTenant) map[string]any {
	return map[string]any{"doctype": isolationSingle, "field": oneOf(r, []string{"remarks", "points", "region"})}
}

func callPermission(r *isolation, as *isolationTenant) map[string]any {
	d, _ := r.target(as)
	if d == nil {
		return nil
	}
	return map[string]any{"doctype": d.doctype, "docname": d.name, "perm_type": oneOf(r, []string{"read", "write", "delete"})}
}

func callValidate(r *isolation, as *isolationTenant) map[string]any {
	d, _ := r.target(as)
	if d == nil {
		return nil
	}
	return map[string]any{"doctype": d.doctype, "docname": d.name, "fields": []string{"remarks", "points"}}
}

// callSearch looks for names: which of those that are given by chance come first would differ.
func callSearch(r *isolation, as *isolationTenant) map[string]any {
	return map[string]any{"doctype": oneOf(r, []string{"Region", "Party", "Gadget", "Parcel"}), "page_length": 50,
		"txt": oneOf(r, []string{"", "Alpha", "TAX", "GAD", as.mark, r.other(as).mark})}
}

func callLook(r *isolation, as *isolationTenant) map[string]any {
	d, _ := r.target(as)
	if d == nil {
		return nil
	}
	return map[string]any{"doctype": d.doctype, "name": d.name}
}

// touched makes a request that sets the remarks of a document, own or not, to a text.
func (r *isolation) touched(as *isolationTenant, method, nameKey string, also map[string]any) *isolationRequest {
	d, own := r.target(as)
	if d == nil {
		return nil
	}
	text := r.text(as)
	args := map[string]any{"doctype": d.doctype, nameKey: d.name, "remarks": text}
	if also != nil {
		args = map[string]any{"doctype": d.doctype, nameKey: d.name, "value": text}
		for key, value := range also {
			args[key] = value
		}
	}
	q := r.call(as, r.writer(as), http.MethodPost, method, args)
	q.took = func(any) string {
		if !own {
			return "another tenant's document was changed"
		}
		d.values["remarks"] = text
		return ""
	}
	return q
}

func callSetValue(r *isolation, as *isolationTenant) *isolationRequest {
	return r.touched(as, "frappe.client.set_value", "name", map[string]any{"fieldname": "remarks"})
}

func callTouch(r *isolation, as *isolationTenant) *isolationRequest {
	return r.touched(as, "isolation.touch", "name", nil)
}

// callSetRow changes a row by its name, or deletes it; now and then another tenant's.
func callSetRow(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.own(as, "Parcel", "Memo")
	if d == nil {
		return nil
	}
	table, remarks := oneOf(r, isolationTables(d.doctype)), r.text(as)
	name, at := r.foreignRow(as, table.field), -1
	if rows := d.rowNames[table.field]; len(rows) > 0 && len(rows) == len(d.rows[table.field]) && r.random.IntN(2) == 0 {
		at = r.random.IntN(len(rows))
		name = rows[at]
	}
	if name == nil || at < 0 && table.child == "Parcel Tag" { // whose rows have the same numbers in all tenants
		return nil
	}
	if at < 0 && r.random.IntN(2) == 0 {
		q := r.call(as, r.reader(as), http.MethodPost, "frappe.client.delete", map[string]any{"doctype": table.child, "name": name})
		q.want = http.StatusNotFound
		return q
	}
	q := r.call(as, r.reader(as), http.MethodPost, "frappe.client.set_value", map[string]any{"doctype": table.child, "name": name, "fieldname": "remarks", "value": remarks})
	if at < 0 {
		q.want = http.StatusNotFound
	}
	q.took = func(any) string {
		d.rows[table.field][at]["remarks"] = remarks
		return ""
	}
	return q
}

func callInsert(r *isolation, as *isolationTenant) *isolationRequest {
	doctype := oneOf(r, r.documents())
	body := r.fields(as, doctype, true)
	q := r.call(as, r.writer(as), http.MethodPost, "frappe.client.insert", map[string]any{"doc": withDocType(doctype, body)})
	q.then = func(data map[string]any) string { return as.made(doctype, body, data) }
	return q
}

// withDocType is a document as clients send it.
func withDocType(doctype string, body map[string]any) map[string]any {
	doc := map[string]any{"doctype": doctype}
	for field, value := range body {
		doc[field] = value
	}
	return doc
}

func callInsertMany(r *isolation, as *isolationTenant) *isolationRequest {
	var types []string
	var bodies, docs []map[string]any
	for range 2 {
		doctype := oneOf(r, []string{"Quota", "Ticket", "Region"})
		body := r.fields(as, doctype, true)
		types, bodies, docs = append(types, doctype), append(bodies, body), append(docs, withDocType(doctype, body))
	}
	if r.random.IntN(4) == 0 {
		docs[1]["tenant_id"] = r.other(as).id // refused with all the others
	}
	q := r.call(as, r.writer(as), http.MethodPost, "frappe.client.insert_many", map[string]any{"docs": docs})
	q.took = func(value any) (problem string) {
		for i, name := range value.([]any) {
			if text := as.made(types[i], bodies[i], map[string]any{"name": name}); text != "" {
				problem = text
			}
		}
		return problem
	}
	return q
}

// callSave sends a document as a whole: what is left out becomes empty.
func callSave(r *isolation, as *isolationTenant) *isolationRequest {
	d, own := r.target(as, "Quota", "Ticket")
	if d == nil {
		return nil
	}
	body := r.fields(as, d.doctype, false)
	doc := withDocType(d.doctype, body)
	doc["name"], doc["modified"] = d.name, d.modified
	q := r.call(as, r.writer(as), http.MethodPost, "frappe.client.save", map[string]any{"doc": doc})
	q.then = func(data map[string]any) string {
		if !own {
			return "another tenant's document was saved"
		}
		d.values = map[string]any{}
		d.kept(body, data)
		return ""
	}
	return q
}

// callSubmit sends a draft as a whole, without rows.
func callSubmit(r *isolation, as *isolationTenant) *isolationRequest {
	d, own := r.target(as, "Parcel")
	if d == nil || own && d.docstatus > 0 {
		return nil
	}
	body := map[string]any{"naming_series": d.values["naming_series"], "remarks": r.text(as), "points": as.digit * 10000}
	doc := withDocType("Parcel", body)
	doc["name"], doc["modified"] = d.name, d.modified
	q := r.call(as, r.writer(as), http.MethodPost, "frappe.client.submit", map[string]any{"doc": doc})
	q.then = func(data map[string]any) string {
		amended := d.values["amended_from"]
		d.values, d.rows, d.rowNames, d.docstatus = map[string]any{}, map[string][]map[string]any{}, map[string][]any{}, 1
		d.kept(body, data)
		d.isAmended = d.isAmended || amended != nil
		if !own {
			return "another tenant's document was submitted"
		}
		return ""
	}
	return q
}

// inState gives a document of the tenant with a docstatus, now and then one of another tenant.
func (r *isolation) inState(as *isolationTenant, docstatus int) (*isolationDoc, bool) {
	for range 20 {
		if d, own := r.target(as, "Parcel"); d != nil && (!own || d.docstatus == docstatus) {
			return d, own
		}
	}
	return nil, false
}

// becomes keeps the model up to date when a document was submitted or cancelled.
func (d *isolationDoc) becomes(docstatus int, own bool) func(any) string {
	return func(any) string {
		d.docstatus, d.values["docstatus"] = docstatus, docstatus
		if !own {
			return "another tenant's document was submitted or cancelled"
		}
		return ""
	}
}

func callCancel(r *isolation, as *isolationTenant) *isolationRequest {
	d, own := r.inState(as, 1)
	if d == nil {
		return nil
	}
	q := r.call(as, r.writer(as), http.MethodPost, "frappe.client.cancel", map[string]any{"doctype": d.doctype, "name": d.name})
	q.took = d.becomes(2, own)
	return q
}

func callRunDocMethod(r *isolation, as *isolationTenant) *isolationRequest {
	docstatus := r.random.IntN(2)
	d, own := r.inState(as, docstatus)
	if d == nil {
		return nil
	}
	q := r.call(as, r.writer(as), http.MethodPost, "run_doc_method", map[string]any{"dt": d.doctype, "dn": d.name, "method": []string{"submit", "cancel"}[docstatus]})
	q.took = d.becomes(docstatus+1, own)
	return q
}

func callDelete(r *isolation, as *isolationTenant) *isolationRequest {
	d, own := r.target(as)
	if d == nil {
		return nil
	}
	q := r.call(as, r.writer(as), http.MethodPost, "frappe.client.delete", map[string]any{"doctype": d.doctype, "name": d.name})
	q.took = func(any) string {
		if as.removed(d); !own {
			return "another tenant's document was deleted"
		}
		return ""
	}
	return q
}

// renaming makes what keeps the model up to date, with a new name: the next one, or now and then one that only another tenant
// has. Memos, which have rows, change between few names, and the Region that the Single links to is often taken.
func (r *isolation) renaming(as *isolationTenant) (d *isolationDoc, name string, merge bool, took func(any) string) {
	d, own := r.target(as, "Region", "Party", "Memo", "Memo")
	switch r.random.IntN(3) {
	case 0:
		for _, region := range as.docs["Region"] {
			if strings.EqualFold(region.name, asText(as.docs[isolationSingle][0].values["region"])) {
				d, own = region, true
			}
		}
	case 1:
		for _, memo := range as.docs["Memo"] {
			if strings.HasPrefix(memo.name, "Note") {
				d, own = memo, true
			}
		}
	}
	if d == nil {
		return nil, "", false, nil
	}
	if d.doctype == "Memo" {
		for n := range 4 {
			if name = fmt.Sprint("Note ", n); !as.has("Memo", name) {
				break
			}
		}
	} else {
		name = r.named(as, d.doctype, "Alpha")
		if other := r.foreignDoc(as, d.doctype); other != nil && r.random.IntN(3) == 0 {
			name, merge = other.name, strings.Count(other.name, " ") > 1 // with the other's mark, which no document of this tenant may have
		}
	}
	return d, name, merge, func(any) string {
		if !own {
			return "another tenant's document was renamed"
		}
		as.renamed(d, name)
		return ""
	}
}

func callRename(r *isolation, as *isolationTenant) *isolationRequest {
	d, name, merge, took := r.renaming(as)
	if d == nil {
		return nil
	}
	q := r.call(as, r.writer(as), http.MethodPost, "frappe.client.rename_doc", map[string]any{"doctype": d.doctype, "old_name": d.name, "new_name": name, "merge": merge})
	q.took = took
	return q
}

// several gives documents of one DocType, some of which may be another tenant's. It is none whose names are given by chance, by
// which documents would be sorted that were changed at the same time.
func (r *isolation) several(as *isolationTenant) (doctype string, docs []*isolationDoc, own []bool) {
	doctype = oneOf(r, []string{"Region", "Party", "Gadget", "Parcel", "Ticket", "Quota"})
	for range 3 {
		if d, mine := r.target(as, doctype); d != nil && !slices.Contains(docs, d) {
			docs, own = append(docs, d), append(own, mine)
		}
	}
	return doctype, docs, own
}

// updates makes the items of a bulk update, and what keeps the model up to date by the names of those that failed.
func (r *isolation) updates(as *isolationTenant, nameKey string) (doctype string, items []map[string]any, took func(failed []any) string) {
	doctype, docs, own := r.several(as)
	text := r.text(as)
	for _, d := range docs {
		items = append(items, map[string]any{"doctype": doctype, nameKey: d.name, "remarks": text})
	}
	return doctype, items, func(failed []any) string {
		for i, d := range docs {
			isFailed := slices.ContainsFunc(failed, func(item any) bool {
				object, _ := item.(map[string]any)
				if inner, isNested := object["doc"].(map[string]any); isNested {
					object = inner
				}
				return asText(object[nameKey]) == d.name
			})
			switch {
			case !isFailed && !own[i]:
				return "another tenant's document was changed"
			case !isFailed:
				d.values["remarks"] = text
			}
		}
		return ""
	}
}

func callBulkUpdate(r *isolation, as *isolationTenant) *isolationRequest {
	_, items, took := r.updates(as, "docname")
	q := r.call(as, r.writer(as), http.MethodPost, "frappe.client.bulk_update", map[string]any{"docs": items})
	q.took = func(value any) string { return took(value.(map[string]any)["failed_docs"].([]any)) }
	return q
}

func callBulk(r *isolation, as *isolationTenant) *isolationRequest {
	_, items, took := r.updates(as, "name")
	q := r.call(as, r.writer(as), http.MethodPost, "bulk_update", map[string]any{"docs": items})
	q.took = func(value any) string { return took(value.(map[string]any)["failed"].([]any)) }
	return q
}

// v2 makes a request of API v2 for a DocType, with what follows it.
func (r *isolation) v2(user isolationUser, method, kind, doctype string, names ...string) *isolationRequest {
	return &isolationRequest{user: user, method: method, path: "/api/v2/" + kind + "/" + url.PathEscape(doctype), names: names, query: url.Values{},
		route: "/api/v2/" + kind + "/{doctype}/" + strings.Join(names, "/")}
}

func bulkUpdate(r *isolation, as *isolationTenant) *isolationRequest {
	doctype, items, took := r.updates(as, "name")
	for _, item := range items {
		delete(item, "doctype")
	}
	q := r.v2(r.writer(as), http.MethodPost, "document", doctype, "bulk_update")
	q.body = map[string]any{"docs": items}
	q.took = func(value any) string { return took(value.(map[string]any)["failed"].([]any)) }
	return q
}

func bulkDelete(r *isolation, as *isolationTenant) *isolationRequest {
	doctype, docs, own := r.several(as)
	names := []string{}
	for _, d := range docs {
		names = append(names, d.name)
	}
	q := r.v2(r.writer(as), http.MethodPost, "document", doctype, "bulk_delete")
	q.body = map[string]any{"names": names}
	q.took = func(value any) string {
		deleted := value.(map[string]any)["deleted"].([]any)
		for i, d := range docs {
			if !slices.ContainsFunc(deleted, func(name any) bool { return asText(name) == d.name }) {
				continue
			}
			if as.removed(d); !own[i] {
				return "another tenant's document was deleted"
			}
		}
		return ""
	}
	return q
}

// documentMethod calls a method of a document by its path.
func documentMethod(r *isolation, as *isolationTenant) *isolationRequest {
	if r.random.IntN(2) == 0 {
		d, name, merge, took := r.renaming(as)
		if d == nil {
			return nil
		}
		q := r.v2(r.writer(as), http.MethodPost, "document", d.doctype, d.name, "method", "rename")
		q.route, q.body, q.took = "/api/v2/document/{doctype}/{name}/method/{method}", map[string]any{"name": name, "merge": merge}, took
		return q
	}
	docstatus := r.random.IntN(2)
	d, own := r.inState(as, docstatus)
	if d == nil {
		return nil
	}
	q := r.v2(r.writer(as), http.MethodPost, "document", d.doctype, d.name, "method", []string{"submit", "cancel"}[docstatus])
	q.route, q.body, q.took = "/api/v2/document/{doctype}/{name}/method/{method}", map[string]any{}, d.becomes(docstatus+1, own)
	return q
}

func doctypeCount(r *isolation, as *isolationTenant) *isolationRequest {
	args := callList(r, as)
	q := r.v2(r.anyUser(as), http.MethodGet, "doctype", args["doctype"].(string), "count")
	if filters := args["filters"]; filters != nil {
		q.set("filters", filters)
	}
	return q
}

func doctypeMeta(r *isolation, as *isolationTenant) *isolationRequest {
	return r.v2(r.anyUser(as), http.MethodGet, "doctype", oneOf(r, r.types).Name, "meta")
}

func doctypeSearch(r *isolation, as *isolationTenant) *isolationRequest {
	args := callSearch(r, as)
	q := r.v2(r.anyUser(as), http.MethodGet, "doctype", args["doctype"].(string), "search")
	q.set("txt", args["txt"], "limit", args["page_length"])
	return q
}

// createOnce sends a new document with a key that all tenants use, or again one that was sent with its key.
func createOnce(r *isolation, as *isolationTenant) *isolationRequest {
	if len(as.keyed) > 0 && r.random.IntN(2) == 0 {
		again := *oneOf(r, as.keyed)
		again.then = func(map[string]any) string { return "" }
		return &again
	}
	q := createRequest(r, as)
	q.headers = map[string]string{"Idempotency-Key": fmt.Sprint("key ", as.serial("key"))}
	sent := *q
	q.then = func(data map[string]any) string {
		as.keyed = append(as.keyed, &sent)
		return sent.then(data)
	}
	return q
}

// listPages begins a list in pages, or goes on behind a document or at a place that any tenant was told. Names that are given by
// chance would be at other places in the list.
func listPages(r *isolation, as *isolationTenant) *isolationRequest {
	doctype := oneOf(r, []string{"Region", "Party", "Gadget", "Parcel", "Ticket", "Quota"})
	order := oneOf(r, []string{"creation", "points desc, creation", "remarks, creation"})
	key := doctype + " by " + order
	after := []string{"", ""}
	if d, _ := r.target(as, doctype); d != nil {
		after = append(after, d.name)
	}
	for _, from := range []*isolationTenant{as, as, r.other(as)} {
		if from.cursors[key] != "" {
			after = append(after, from.cursors[key])
		}
	}
	q := r.list(as, doctype, "fields", []string{"name", "remarks", "points"}, "order_by", order, "limit", 2+r.random.IntN(6))
	q.query.Set("after", oneOf(r, after))
	q.next = func(cursor string) { as.cursors[key] = cursor }
	return q
}

// listExpanded lists documents with their rows.
func listExpanded(r *isolation, as *isolationTenant) *isolationRequest {
	doctype := oneOf(r, []string{"Parcel", "Memo"})
	tables := isolationTables(doctype)
	fields := tables[0].field
	if len(tables) > 1 && r.random.IntN(2) == 0 {
		fields += "," + tables[1].field
	}
	q := r.list(as, doctype, "fields", []string{"name", "remarks"}, "expand_children", fields, "order_by", "creation", "limit", 1+r.random.IntN(30))
	if d := r.foreignDoc(as, doctype); d != nil && r.random.IntN(3) == 0 {
		q.set("filters", map[string]any{"name": d.name})
	}
	return q
}
