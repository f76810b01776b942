package frappemstest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// The lists of TestIsolation. Rows that are equal in what they are sorted by come by their names, of which some are given by
// chance, so these lists are sorted by something that tells all rows apart, or have the DocType's own order.

// list makes a request for a list, with parameters in pairs of name and value; what is no text is sent as JSON.
func (r *isolation) list(as *isolationTenant, doctype string, parameters ...any) *isolationRequest {
	q := r.request(as, r.anyUser(as), http.MethodGet, doctype)
	q.set(parameters...)
	return q
}

func (q *isolationRequest) set(parameters ...any) {
	for i := 0; i < len(parameters); i += 2 {
		text, isText := parameters[i+1].(string)
		if !isText {
			data, _ := json.Marshal(parameters[i+1]) // of texts, numbers and lists it does not fail
			text = string(data)
		}
		if text != "" {
			q.query.Set(parameters[i].(string), text)
		}
	}
}

// filters makes conditions that some of the tenant's documents fulfil.
func (r *isolation) filters(as *isolationTenant, doctype string) any {
	names := []any{}
	for range 3 {
		if d := r.own(as, doctype); d != nil {
			names = append(names, d.name)
		}
	}
	low := as.digit*10000 + r.random.IntN(5000)
	return oneOf(r, []any{
		"", "", []any{[]any{"name", "in", names}}, []any{[]any{"remarks", "like", "%" + as.mark + "%"}},
		map[string]any{"points": []any{">", low}}, []any{[]any{doctype, "points", "between", []any{low, low + 4000}}},
		map[string]any{"owner": as.user("Manager").name}, map[string]any{"owner": []any{"!=", as.user("Clerk").name}},
		[]any{[]any{"remarks", "is", "set"}, []any{"points", "!=", low}}, map[string]any{"remarks": r.text(as)},
		[]any{[]any{"`tab" + doctype + "`.`docstatus`", "<", 2}}, []any{[]any{"points", "<", low}, "or", []any{"name", "not in", names}},
	})
}

func listRequest(r *isolation, as *isolationTenant) *isolationRequest {
	doctype := oneOf(r, r.documents())
	return r.list(as, doctype,
		"fields", oneOf(r, []any{"", []string{"*"}, []string{"name", "owner", "remarks", "points"}, "name,modified_by,points", []string{"name as document", "docstatus"}}),
		"filters", r.filters(as, doctype),
		"or_filters", oneOf(r, []any{"", "", r.filters(as, doctype)}),
		"order_by", oneOf(r, []string{"", "creation desc", "points, creation", "`tab" + doctype + "`.`modified` asc"}),
		"limit_page_length", oneOf(r, []any{"", 5, 50, 0}),
		"limit_start", oneOf(r, []any{"", 0, 3}),
		"as_dict", oneOf(r, []string{"", "", "0"}))
}

// listJoined lists fields of the targets of links and of rows.
func listJoined(r *isolation, as *isolationTenant) *isolationRequest {
	doctype := oneOf(r, []string{"Party", "Quota", "Parcel", "Ticket", "Memo"})
	link := map[string]string{"Party": "region", "Quota": "region", "Parcel": "party", "Ticket": "party"}[doctype]
	if doctype == "Memo" || doctype == "Parcel" && r.random.IntN(2) == 0 {
		table := oneOf(r, isolationTables(doctype))
		return r.list(as, doctype, "fields", []string{"name", table.field + ".name", table.field + ".remarks", table.field + ".parent"},
			"filters", oneOf(r, []any{"", []any{[]any{table.child, "remarks", "like", "%" + as.mark + "%"}}, []any{[]any{table.child, "idx", "<", 2}}}))
	}
	return r.list(as, doctype, "fields", []string{"name", link, link + ".points", link + ".remarks", link + ".owner"},
		"filters", oneOf(r, []any{"", []any{[]any{link + ".points", ">", as.digit*10000 + r.random.IntN(5000)}}, []any{[]any{link + ".remarks", "like", "%remark%"}}}),
		"order_by", oneOf(r, []string{"", link + ".points, creation", link + ".remarks desc, creation"}))
}

func listAggregates(r *isolation, as *isolationTenant) *isolationRequest {
	doctype := oneOf(r, r.documents())
	group := oneOf(r, []string{"", "owner", "docstatus", "remarks"})
	fields := []string{"count(name) as n", "sum(points) as total", "avg(points)", "min(points)", "max(remarks)", "count(distinct owner) as owners", "count(*)"}
	if group != "" {
		fields = append(fields, group)
	}
	return r.list(as, doctype, "fields", fields, "group_by", group, "filters", r.filters(as, doctype), "order_by", map[bool]string{true: "n desc"}[group != ""])
}

func listTree(r *isolation, as *isolationTenant) *isolationRequest {
	d := r.own(as, "Region")
	if r.random.IntN(3) == 0 {
		d = r.foreignDoc(as, "Region")
	}
	if d == nil {
		return nil
	}
	operator := oneOf(r, []string{"descendants of", "ancestors of", "not descendants of", "not ancestors of", "descendants of (inclusive)"})
	doctype, field := "Region", "name"
	if r.random.IntN(2) == 0 {
		doctype, field = oneOf(r, []string{"Party", "Quota"}), "region"
	}
	return r.list(as, doctype, "filters", []any{[]any{field, operator, d.name}}, "fields", []string{"name", "remarks"}, "limit", 0)
}

// listRows lists rows of child tables.
func listRows(r *isolation, as *isolationTenant) *isolationRequest {
	child := oneOf(r, []string{"Parcel Item", "Parcel Tag"})
	q := r.list(as, child, "parent", oneOf(r, []string{"Parcel", "Parcel", "Memo", isolationSingle, "Party", ""}), "order_by", oneOf(r, []string{"creation, idx", "creation desc, idx"}),
		"fields", oneOf(r, []any{[]string{"*"}, []string{"name", "parent", "remarks"}, map[string][]string{"Parcel Item": {"gadget.points", "gadget.remarks"}, "Parcel Tag": {"region.remarks"}}[child]}),
		"limit", oneOf(r, []any{"", 0, 7}))
	if q.path, q.route = "/api/resource/"+url.PathEscape(child), "/api/resource/{child}"; r.random.IntN(3) == 0 {
		q.path, q.route = "/api/v1/resource/"+isolationSlug(child), "/api/v1/resource/{child}"
	} else if r.random.IntN(2) == 0 {
		q.path, q.route = "/api/v2/document/"+url.PathEscape(child), "/api/v2/document/{child}"
	}
	if d := r.own(as, "Parcel", "Memo"); d != nil && r.random.IntN(3) == 0 {
		if r.random.IntN(2) == 0 {
			d = r.foreignDoc(as, "Parcel", "Memo")
		}
		if d != nil {
			q.set("filters", map[string]any{"parent": d.name})
		}
	}
	return q
}

// listTenants names tenants wherever a list takes names or values.
func listTenants(r *isolation, as *isolationTenant) *isolationRequest {
	doctype, other := oneOf(r, []string{"Ticket", "Party", "Parcel"}), r.other(as).id
	return r.list(as, doctype, oneOf(r, [][]any{
		{"filters", []any{[]any{"tenant_id", "=", other}}}, {"filters", map[string]any{"tenant_id": []any{"!=", as.id}}, "fields", []string{"*"}},
		{"filters", []any{[]any{"tenant_id", "like", "%"}}, "fields", []string{"tenant_id", "remarks"}}, {"or_filters", map[string]any{"tenant_id": other}},
		{"filters", []any{[]any{"name", "is", "set"}, "or", []any{"tenant_id", "in", []any{other, as.id}}}},
		{"fields", []string{"name", "tenant_id"}}, {"fields", []string{"max(tenant_id)", "min(tenant_id)", "count(distinct tenant_id) as n"}},
		{"fields", []string{"`tab" + doctype + "`.`tenant_id`"}}, {"fields", []string{"party.tenant_id"}}, {"fields", []string{"items.tenant_id"}},
		{"order_by", "tenant_id desc, creation"}, {"group_by", "tenant_id", "fields", []string{"count(name) as n"}},
		{"tenant_id", other}, {"tenant", other}, {"site", other}, {"fields", []string{"name"}, "filters", []any{[]any{"__counters", "tenant_id", "=", other}}},
		{"fields", []string{"`tab__passwords`.`password`"}},
	})...)
}

// listForeign names documents, texts and numbers of another tenant in filters.
func listForeign(r *isolation, as *isolationTenant) *isolationRequest {
	d, other := r.foreignDoc(as), r.other(as)
	if d == nil {
		return nil
	}
	return r.list(as, d.doctype, "fields", []string{"*"}, oneOf(r, []string{"filters", "or_filters"}), oneOf(r, []any{
		map[string]any{"name": d.name}, []any{[]any{"name", "in", []any{d.name, strings.ToLower(d.name)}}}, []any{[]any{"remarks", "like", "%" + other.mark + "%"}},
		[]any{[]any{"points", "between", []any{other.digit * 10000, other.digit*10000 + 9999}}}, map[string]any{"owner": other.user("Clerk").name},
		[]any{[]any{"name", "=", d.name}, "or", []any{"points", "=", asText(d.values["points"])}},
	}))
}
