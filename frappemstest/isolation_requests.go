package frappemstest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// isolationOperation is one kind of request. To try another route or another trick, add one to isolationOperations.
type isolationOperation struct {
	name   string
	weight int // how many of each round
	// make gives a request of a tenant, or nil where there is nothing yet that it could be about.
	make func(r *isolation, as *isolationTenant) *isolationRequest
}

func isolationOperations() []isolationOperation {
	return append(isolationMethods(), []isolationOperation{
		{"create", 18, createRequest},
		{"create with a name that is there", 2, createTwice},
		{"create with another tenant's document in a link", 3, createForeignLink},
		{"create with a tenant_id", 3, createTenant},
		{"create with another tenant's rows", 1, createForeignRows},
		{"update", 11, updateRequest},
		{"update of another tenant's document", 4, updateForeign},
		{"update with another tenant's row", 2, updateForeignRow},
		{"update with another tenant's document in a link", 2, updateForeignLink},
		{"update of a Single", 4, updateSingle},
		{"get of a Single", 3, getSingle},
		{"submit", 3, submitRequest},
		{"cancel", 2, cancelRequest},
		{"amend", 1, amendRequest},
		{"delete", 7, deleteRequest},
		{"delete of another tenant's document", 3, deleteForeign},
		{"get", 10, getRequest},
		{"get of another tenant's document", 4, getForeign},
		{"head", 26, headRequest},
		{"options", 7, optionsRequest},
		{"method of a document", 7, methodRequest},
		{"patch", 7, patchRequest},
		{"list", 10, listRequest},
		{"list with fields of links and rows", 6, listJoined},
		{"list of numbers", 4, listAggregates},
		{"list along a tree", 3, listTree},
		{"list of rows", 9, listRows},
		{"list that names tenants", 5, listTenants},
		{"list that names another tenant's documents", 4, listForeign},
		{"request of somebody without rights", 2, nobodyRequest},
		{"look-up by a program", 4, programGet},
		{"insert by a program", 4, programInsert},
		{"save by a program", 4, programSave},
		{"delete by a program", 4, programDelete},
	}...)
}

// isolationRoutes are the verbs of the routes that have to be tried, beside what else was tried.
func isolationRoutes() []string {
	list := []string{"GET /api/resource/{child}", "GET /api/v1/resource/{child}", "GET /api/v2/document/{child}", "GET /program/{doctype}/{name}",
		"POST /program/{doctype}", "PUT /program/{doctype}/{name}", "DELETE /program/{doctype}/{name}"}
	for _, form := range []string{"/api/resource/{doctype}", "/api/v1/resource/{doctype}", "/api/v2/document/{doctype}", "/desk/{doctype}"} {
		list = append(list, "GET "+form, "POST "+form, "GET "+form+"/{name}", "PUT "+form+"/{name}", "DELETE "+form+"/{name}")
	}
	for _, form := range []string{"/api/method/", "/api/v1/method/", "/api/v2/method/", "/"} {
		list = append(list, "GET "+form+"{method}", "POST "+form+"{method}")
	}
	return list
}

// isolationDeck is n operations: each round has each of them as often as its weight says, shuffled.
func isolationDeck(random *rand.Rand, n int) []isolationOperation {
	var deck []isolationOperation
	for len(deck) < n {
		var round []isolationOperation
		for _, o := range isolationOperations() {
			round = append(round, slices.Repeat([]isolationOperation{o}, o.weight)...)
		}
		random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		deck = append(deck, round...)
	}
	return deck[:n]
}

// seedDocuments gives each tenant a few documents of each DocType, so that there is something to work with.
func (r *isolation) seedDocuments() {
	r.Helper()
	for _, as := range r.tenants {
		as.docs[isolationSingle] = []*isolationDoc{{doctype: isolationSingle, name: isolationSingle, values: map[string]any{},
			rows: map[string][]map[string]any{}, rowNames: map[string][]any{}}}
		for _, doctype := range r.documents() {
			for range 4 {
				q := r.create(as, doctype, r.fields(as, doctype, true))
				q.user, q.want = as.user("Administrator"), http.StatusOK
				r.send(as, "the first documents", q)
			}
		}
	}
}

// oneOf gives one of a list, which is not empty.
func oneOf[T any](r *isolation, list []T) T { return list[r.random.IntN(len(list))] }

// anyUser gives one of the tenant's users who may do something.
func (r *isolation) anyUser(as *isolationTenant) isolationUser {
	return as.user(oneOf(r, []string{"Manager", "Manager", "Manager", "Manager", "Administrator", "Administrator", "Clerk", "Clerk", "Restricted", "Reader"}))
}

// writer gives one of those who may do nearly everything.
func (r *isolation) writer(as *isolationTenant) isolationUser {
	return as.user(oneOf(r, []string{"Manager", "Manager", "Manager", "Administrator", "Administrator", "Clerk", "Restricted"}))
}

// reader gives one of those who see all of the tenant's documents.
func (r *isolation) reader(as *isolationTenant) isolationUser {
	return as.user(oneOf(r, []string{"Manager", "Administrator", "Clerk"}))
}

// request makes a request for a DocType or a document of it, in one of the four ways in which it can be named.
func (r *isolation) request(as *isolationTenant, user isolationUser, method, doctype string, names ...string) *isolationRequest {
	q := &isolationRequest{user: user, method: method, names: names, query: url.Values{}}
	form := fmt.Sprint(method, len(names))
	switch as.forms[form]++; as.forms[form] % 4 {
	case 0:
		q.path, q.route = "/api/resource/"+url.PathEscape(doctype), "/api/resource/{doctype}"
	case 1:
		q.path, q.route = "/api/v1/resource/"+isolationSlug(doctype), "/api/v1/resource/{doctype}"
	case 2:
		q.path, q.route = "/desk/"+isolationSlug(doctype), "/desk/{doctype}"
	case 3:
		q.path, q.route = "/api/v2/document/"+url.PathEscape(doctype), "/api/v2/document/{doctype}"
	}
	if len(names) > 0 {
		q.route += "/{name}"
	}
	if r.random.IntN(10) == 0 { // none of these says whose data it is about
		other := r.other(as).id
		q.headers = map[string]string{"X-Tenant": other, "X-Tenant-Id": other, "X-Frappe-Site-Name": other, "Forwarded": "host=" + other, "X-Forwarded-Host": other}
	}
	return q
}

// other gives another tenant.
func (r *isolation) other(as *isolationTenant) *isolationTenant {
	return oneOf(r, slices.DeleteFunc(slices.Clone(r.tenants), func(t *isolationTenant) bool { return t == as }))
}

// foreignDoc gives a document of another tenant whose name the tenant has not; nil where none is found.
func (r *isolation) foreignDoc(as *isolationTenant, doctypes ...string) *isolationDoc {
	if len(doctypes) == 0 {
		doctypes = r.documents()
	}
	for range 40 {
		other, doctype := r.other(as), oneOf(r, doctypes)
		if docs := other.docs[doctype]; len(docs) > 0 {
			if d := oneOf(r, docs); !as.has(doctype, d.name) {
				return d
			}
		}
	}
	return nil
}

// own gives a document of the tenant, or nil.
func (r *isolation) own(as *isolationTenant, doctypes ...string) *isolationDoc {
	if len(doctypes) == 0 {
		doctypes = r.documents()
	}
	if docs := as.docs[oneOf(r, doctypes)]; len(docs) > 0 {
		return oneOf(r, docs)
	}
	return nil
}

// text is a text that only this tenant writes.
func (r *isolation) text(as *isolationTenant) string {
	return oneOf(r, []string{"first", "second", "third"}) + " remark of " + as.mark
}

// named gives a name or unique value: the same ones in all tenants, and now and then one that only this tenant has.
func (r *isolation) named(as *isolationTenant, kind, word string) string {
	name := fmt.Sprintf("%s %d", word, as.serial(kind))
	if as.serials[kind]%4 == 3 {
		name += " " + as.mark
	}
	return name
}

// fields makes values for a document; whole says that it is a new one.
func (r *isolation) fields(as *isolationTenant, doctype string, whole bool) map[string]any {
	body := map[string]any{"remarks": r.text(as), "points": as.digit*10000 + r.random.IntN(10000)}
	link := func(field string, doctypes ...string) string {
		if d := r.own(as, doctypes...); d != nil && r.random.IntN(3) > 0 {
			body[field] = d.name
			return d.doctype
		}
		return ""
	}
	dynamic := func(doctypes ...string) {
		if kind := link("ref_name", doctypes...); kind != "" {
			body["ref_type"] = kind
		}
	}
	switch doctype {
	case "Region":
		link("parent_region", "Region")
		if whole {
			body["name"] = r.named(as, doctype, "Alpha")
			body["lft"] = r.random.IntN(50)
			body["rgt"] = 50 + r.random.IntN(50)
		}
	case "Party":
		link("region", "Region")
		body["credit"], body["secret"] = float64(as.digit*1000)+0.25, "open "+as.mark
		if whole {
			body["party_name"] = r.named(as, doctype, "Alpha")
			body["tax_id"] = r.named(as, "tax", "TAX")
		}
	case "Gadget":
		body["price"] = float64(as.digit*1000) + 0.5
		if whole {
			body["kind"], body["code"] = oneOf(r, []string{"A", "B"}), r.named(as, "code", "CODE")
		}
	case "Parcel":
		link("party", "Party")
		dynamic("Region", "Party", "Gadget")
		if whole {
			body["naming_series"] = oneOf(r, []string{"PRC-.YYYY.-", "BOX-"})
		}
	case "Ticket":
		link("party", "Party")
	case "Memo":
		dynamic("Party", "Parcel", "Ticket")
	case "Quota", isolationSingle:
		link("region", "Region")
	}
	for _, table := range isolationTables(doctype) {
		if whole || r.random.IntN(3) == 0 {
			body[table.field] = r.rows(as, table.child, nil)
		}
	}
	return body
}

// rows makes rows for a table: some of those that are there, by their names, and new ones.
func (r *isolation) rows(as *isolationTenant, child string, there []any) []map[string]any {
	rows := []map[string]any{}
	for _, name := range there {
		if r.random.IntN(2) == 0 {
			rows = append(rows, map[string]any{"name": name, "remarks": r.text(as)})
		}
	}
	for range r.random.IntN(3) {
		row := map[string]any{"remarks": r.text(as)}
		if d := r.own(as, "Gadget"); child == "Parcel Item" {
			row["serial_no"], row["qty"] = r.named(as, "serial", "SN"), 1+r.random.IntN(9)
			if d != nil {
				row["gadget"] = d.name
			}
		} else if d := r.own(as, "Region"); d != nil {
			row["region"] = d.name
		}
		rows = append(rows, row)
	}
	return rows
}

// create makes a request for a new document.
func (r *isolation) create(as *isolationTenant, doctype string, body map[string]any) *isolationRequest {
	q := r.request(as, r.writer(as), http.MethodPost, doctype)
	q.body = body
	q.then = func(data map[string]any) string { return as.made(doctype, body, data) }
	return q
}

func createRequest(r *isolation, as *isolationTenant) *isolationRequest {
	doctype := oneOf(r, r.documents())
	return r.create(as, doctype, r.fields(as, doctype, true))
}

func createTwice(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.own(as, "Region", "Party", "Gadget")
	if d == nil {
		return nil
	}
	body := r.fields(as, d.doctype, true)
	for _, field := range []string{"party_name", "tax_id", "code"} {
		if d.values[field] != nil && r.random.IntN(2) == 0 {
			body[field] = strings.ToUpper(d.values[field].(string))
		}
	}
	if d.doctype == "Region" {
		body["name"] = strings.ToLower(d.name)
	}
	return r.create(as, d.doctype, body)
}

// linkForeign puts another tenant's document into a link of a body; false where there is none.
func (r *isolation) linkForeign(as *isolationTenant, doctype string, body map[string]any) bool {
	var d *isolationDoc
	switch doctype {
	case "Party", "Quota", isolationSingle:
		if d = r.foreignDoc(as, "Region"); d != nil {
			body["region"] = d.name
		}
	case "Ticket":
		if d = r.foreignDoc(as, "Party"); d != nil {
			body["party"] = d.name
		}
	case "Memo":
		if d = r.foreignDoc(as, "Party", "Parcel", "Ticket"); d != nil {
			body["ref_type"], body["ref_name"] = d.doctype, d.name
		}
	case "Parcel":
		field := oneOf(r, []string{"party", "items", "tags", "amended_from"})
		if d = r.foreignDoc(as, map[string]string{"party": "Party", "items": "Gadget", "tags": "Region", "amended_from": "Parcel"}[field]); d == nil {
			return false
		}
		switch field {
		case "items":
			body[field] = []map[string]any{{"gadget": d.name, "remarks": r.text(as)}}
		case "tags":
			body[field] = []map[string]any{{"region": d.name, "remarks": r.text(as)}}
		default:
			body[field] = d.name
		}
	}
	return d != nil
}

func createForeignLink(r *isolation, as *isolationTenant) *isolationRequest {
	doctype := oneOf(r, []string{"Party", "Quota", "Ticket", "Memo", "Parcel"})
	body := r.fields(as, doctype, true)
	if !r.linkForeign(as, doctype, body) {
		return nil
	}
	q := r.create(as, doctype, body)
	q.user, q.want = r.reader(as), http.StatusExpectationFailed
	return q
}

func updateForeignLink(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.own(as, "Party", "Quota", "Ticket", "Memo", "Parcel", isolationSingle)
	body := map[string]any{}
	if d == nil || d.docstatus > 0 || !r.linkForeign(as, d.doctype, body) {
		return nil
	}
	q := r.update(as, d, body)
	q.user, q.want = r.reader(as), http.StatusExpectationFailed
	return q
}

// createTenant sends the tenant's own id, which changes nothing, or another's, which is refused.
func createTenant(r *isolation, as *isolationTenant) *isolationRequest {
	q := createRequest(r, as)
	if q.body["tenant_id"] = as.id; r.random.IntN(3) > 0 {
		q.body["tenant_id"], q.want, q.user = r.other(as).id, http.StatusForbidden, r.reader(as)
	}
	return q
}

// foreignRow gives the name of another tenant's row of a table, or nil.
func (r *isolation) foreignRow(as *isolationTenant, field string) any {
	for range 40 {
		d := r.own(r.other(as), "Parcel", "Memo")
		if d != nil && len(d.rowNames[field]) > 0 {
			return oneOf(r, d.rowNames[field])
		}
	}
	return nil
}

// createForeignRows sends names of rows with a new document, which gives its rows new names.
func createForeignRows(r *isolation, as *isolationTenant) *isolationRequest {
	body := r.fields(as, "Parcel", true)
	for _, table := range isolationTables("Parcel") {
		if name := r.foreignRow(as, table.field); name != nil {
			body[table.field] = []map[string]any{{"name": name, "remarks": r.text(as)}}
		}
	}
	return r.create(as, "Parcel", body)
}

// update makes a request that changes a document.
func (r *isolation) update(as *isolationTenant, d *isolationDoc, body map[string]any) *isolationRequest {
	q := r.request(as, r.writer(as), http.MethodPut, d.doctype, d.name)
	q.body = body
	q.then = func(data map[string]any) string {
		d.kept(body, data)
		return ""
	}
	return q
}

func updateRequest(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.own(as)
	if d == nil || d.docstatus > 0 && r.random.IntN(4) > 0 {
		return createRequest(r, as)
	}
	body := r.fields(as, d.doctype, false)
	for _, table := range isolationTables(d.doctype) {
		if body[table.field] != nil {
			body[table.field] = r.rows(as, table.child, d.rowNames[table.field])
		}
	}
	if r.random.IntN(10) == 0 {
		body["modified"] = r.now.Format("2006-01-02 15:04:05")
	}
	return r.update(as, d, body)
}

func updateSingle(r *isolation, as *isolationTenant) *isolationRequest {
	return r.update(as, as.docs[isolationSingle][0], r.fields(as, isolationSingle, false))
}

func updateForeign(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.foreignDoc(as)
	if d == nil {
		return nil
	}
	q := r.request(as, r.reader(as), http.MethodPut, d.doctype, d.name)
	q.body, q.want = r.fields(as, d.doctype, false), http.StatusNotFound
	return q
}

func updateForeignRow(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.own(as, "Parcel", "Memo")
	if d == nil || d.docstatus > 0 {
		return nil
	}
	table := oneOf(r, isolationTables(d.doctype))
	name := r.foreignRow(as, table.field)
	if name == nil || slices.Contains(d.rowNames[table.field], name) {
		return nil
	}
	q := r.update(as, d, map[string]any{table.field: []map[string]any{{"name": name, "remarks": r.text(as)}}})
	if q.user = r.reader(as); len(d.rowNames[table.field]) == len(d.rows[table.field]) { // else not all of them are known
		q.want = http.StatusExpectationFailed
	}
	return q
}

// moved makes a request that submits or cancels a document.
func (r *isolation) moved(as *isolationTenant, from int) *isolationRequest {
	for range 20 {
		if d := r.own(as, "Parcel"); d != nil && d.docstatus == from {
			q := r.update(as, d, map[string]any{"docstatus": from + 1})
			kept := q.then
			q.then = func(data map[string]any) string {
				d.docstatus = from + 1
				return kept(data)
			}
			return q
		}
	}
	return nil
}

func submitRequest(r *isolation, as *isolationTenant) *isolationRequest { return r.moved(as, 0) }

func cancelRequest(r *isolation, as *isolationTenant) *isolationRequest { return r.moved(as, 1) }

func amendRequest(r *isolation, as *isolationTenant) *isolationRequest {
	for range 20 {
		if d := r.own(as, "Parcel"); d != nil && d.docstatus == 2 {
			body := r.fields(as, "Parcel", true)
			body["amended_from"] = d.name
			return r.create(as, "Parcel", body)
		}
	}
	return nil
}

// remove makes a request that deletes a document.
func (r *isolation) remove(as *isolationTenant, d *isolationDoc) *isolationRequest {
	q := r.request(as, r.writer(as), http.MethodDelete, d.doctype, d.name)
	q.then = func(map[string]any) string {
		as.removed(d)
		return ""
	}
	return q
}

func deleteRequest(r *isolation, as *isolationTenant) *isolationRequest {
	doctype := oneOf(r, r.documents())
	docs := as.docs[doctype]
	if len(docs) == 0 {
		return nil
	}
	if r.random.IntN(2) == 0 {
		return r.remove(as, docs[len(docs)-1]) // often the last number of its series
	}
	return r.remove(as, oneOf(r, docs))
}

func deleteForeign(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.foreignDoc(as)
	if d == nil {
		return nil
	}
	q := r.request(as, r.reader(as), http.MethodDelete, d.doctype, d.name)
	q.want = http.StatusNotFound
	return q
}

func getRequest(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.own(as)
	if d == nil {
		return nil
	}
	name := d.name
	if r.random.IntN(5) == 0 && d.doctype != "Memo" {
		name = strings.ToUpper(name)
	}
	return r.request(as, r.anyUser(as), http.MethodGet, d.doctype, name)
}

func getForeign(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.foreignDoc(as)
	if d == nil {
		return nil
	}
	q := r.request(as, r.reader(as), http.MethodGet, d.doctype, d.name)
	q.want = http.StatusNotFound
	return q
}

func getSingle(r *isolation, as *isolationTenant) *isolationRequest {
	if r.random.IntN(2) == 0 {
		return r.request(as, r.anyUser(as), http.MethodGet, isolationSingle)
	}
	return r.request(as, r.anyUser(as), http.MethodGet, isolationSingle, isolationSingle)
}

// method makes a request of any method for a document, now and then another tenant's.
func (r *isolation) method(as *isolationTenant, method string) *isolationRequest {
	d := r.own(as)
	if r.random.IntN(3) == 0 {
		d = r.foreignDoc(as)
	}
	if d == nil {
		return nil
	}
	return r.request(as, r.anyUser(as), method, d.doctype, d.name)
}

func headRequest(r *isolation, as *isolationTenant) *isolationRequest {
	if r.random.IntN(2) == 0 {
		q := listRequest(r, as)
		q.method = http.MethodHead
		return q
	}
	return r.method(as, http.MethodHead)
}

func optionsRequest(r *isolation, as *isolationTenant) *isolationRequest {
	return r.method(as, http.MethodOptions)
}

func methodRequest(r *isolation, as *isolationTenant) *isolationRequest {
	q := r.method(as, http.MethodPost)
	if q != nil {
		q.body = map[string]any{"run_method": "touch"}
	}
	return q
}

// patchRequest changes a document by PATCH, which API v2 has.
func patchRequest(r *isolation, as *isolationTenant) *isolationRequest {
	d, own := r.target(as)
	if d == nil {
		return nil
	}
	q := r.request(as, r.anyUser(as), http.MethodPatch, d.doctype, d.name)
	q.body = map[string]any{"remarks": r.text(as)}
	q.then = func(data map[string]any) string {
		if d.kept(q.body, data); !own {
			return "another tenant's document was changed"
		}
		return ""
	}
	return q
}

// nobodyRequest is anything, of a user without roles or without credentials.
func nobodyRequest(r *isolation, as *isolationTenant) *isolationRequest {
	o := oneOf(r, isolationOperations())
	for o.name == "request of somebody without rights" {
		o = oneOf(r, isolationOperations())
	}
	q := o.make(r, as)
	if q == nil {
		return nil
	}
	q.user, q.want, q.then, q.took, q.next = as.user("Nobody"), 0, nil, nil, nil
	if r.random.IntN(2) == 0 {
		q.user = isolationUser{name: "Guest"}
	}
	return q
}

// program makes a request for a route that is written by hand.
func (r *isolation) program(as *isolationTenant, method, doctype string, names ...string) *isolationRequest {
	q := &isolationRequest{user: r.writer(as), method: method, path: "/program/" + url.PathEscape(doctype), route: "/program/{doctype}", names: names}
	if len(names) > 0 {
		q.route += "/{name}"
	}
	return q
}

func programGet(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.own(as)
	if r.random.IntN(3) == 0 {
		d = r.foreignDoc(as)
	}
	if d == nil {
		return nil
	}
	return r.program(as, http.MethodGet, d.doctype, d.name)
}

func programInsert(r *isolation, as *isolationTenant) *isolationRequest {
	doctype := oneOf(r, r.documents())
	fields := r.fields(as, doctype, true)
	q := r.program(as, http.MethodPost, doctype)
	q.body = map[string]any{"fields": fields}
	q.then = func(data map[string]any) string { return as.made(doctype, fields, data) }
	return q
}

func programSave(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.own(as)
	if r.random.IntN(4) == 0 {
		d = r.foreignDoc(as)
	}
	if d == nil {
		return nil
	}
	fields := map[string]any{"remarks": r.text(as)}
	q := r.program(as, http.MethodPut, d.doctype, d.name)
	q.body = map[string]any{"fields": fields}
	q.then = func(data map[string]any) string {
		d.kept(fields, data)
		return ""
	}
	return q
}

func programDelete(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.own(as)
	if r.random.IntN(2) == 0 {
		d = r.foreignDoc(as)
	}
	if d == nil {
		return nil
	}
	q := r.program(as, http.MethodDelete, d.doctype, d.name)
	q.then = func(map[string]any) string {
		as.removed(d)
		return ""
	}
	return q
}
