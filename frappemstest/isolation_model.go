package frappemstest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The model of what each tenant has: what was sent, as far as the service said that it was taken.

// isolationTable is a table field and the DocType of its rows.
type isolationTable struct{ field, child string }

func isolationTables(doctype string) []isolationTable {
	switch doctype {
	case "Parcel":
		return []isolationTable{{"items", "Parcel Item"}, {"tags", "Parcel Tag"}}
	case "Memo", isolationSingle:
		return []isolationTable{{"tags", "Parcel Tag"}}
	}
	return nil
}

// documents are the DocTypes that have any number of documents.
func (r *isolation) documents() (names []string) {
	for _, m := range r.types {
		if !bool(m.IsTable) && !bool(m.IsSingle) {
			names = append(names, m.Name)
		}
	}
	return names
}

// kept notes what a service has taken of a body.
func (d *isolationDoc) kept(body, answer map[string]any) {
	d.modified = asText(answer["modified"])
	d.isAmended = d.isAmended || body["amended_from"] != nil
	for field, value := range body {
		rows, isTable := value.([]map[string]any)
		if !isTable {
			d.values[field] = value
			continue
		}
		d.rows[field], d.rowNames[field] = rows, nil
		for _, row := range rows {
			delete(row, "name") // a new document names its rows itself
		}
		list, _ := answer[field].([]any)
		for _, row := range list {
			d.rowNames[field] = append(d.rowNames[field], row.(map[string]any)["name"])
		}
	}
	for _, unkept := range []string{"tenant_id", "secret", "modified", "doctype"} {
		delete(d.values, unkept)
	}
}

// made notes a new document, and wants the next number for one that has a number in its name.
func (as *isolationTenant) made(doctype string, body, answer map[string]any) (problem string) {
	d := &isolationDoc{doctype: doctype, name: asText(answer["name"]), values: map[string]any{}, rows: map[string][]map[string]any{}, rowNames: map[string][]any{}}
	d.kept(body, answer)
	as.docs[doctype] = append(as.docs[doctype], d)
	series, number := d.number()
	if series == "" {
		return ""
	}
	if as.series[series]++; as.series[series] != number {
		problem = fmt.Sprintf("the document %s of %s has a number that is not the next one, %d", d.name, doctype, as.series[series])
	}
	return problem
}

// removed forgets a document. The last number of a series is then the next one again.
func (as *isolationTenant) removed(d *isolationDoc) {
	as.docs[d.doctype] = slices.DeleteFunc(as.docs[d.doctype], func(other *isolationDoc) bool { return other == d })
	if series, number := d.number(); d.doctype != "Ticket" && number == as.series[series] {
		as.series[series]--
	}
}

// renamed gives a document another name, and with it the links to it.
func (as *isolationTenant) renamed(d *isolationDoc, name string) {
	follow := func(values map[string]any) {
		for field, target := range map[string]any{"region": "Region", "parent_region": "Region", "party": "Party", "ref_name": values["ref_type"]} {
			if value, isText := values[field].(string); isText && target == d.doctype && strings.EqualFold(value, d.name) {
				values[field] = name
			}
		}
	}
	for _, docs := range as.docs {
		for _, other := range docs {
			follow(other.values)
			for _, rows := range other.rows {
				for _, row := range rows {
					follow(row)
				}
			}
		}
	}
	for _, field := range []string{"name", "party_name"} {
		if d.values[field] != nil {
			d.values[field] = name
		}
	}
	d.name = name
}

// number gives the series that a document is named by, and its number in it; "" for a name without one.
func (d *isolationDoc) number() (series string, number int) {
	digits := map[string]int{"Parcel": 5, "Gadget": 4, "Quota": 4, "Ticket": len(d.name)}[d.doctype]
	if digits == 0 || d.isAmended {
		return "", 0
	}
	number, _ = strconv.Atoi(d.name[len(d.name)-digits:])
	return d.doctype + " " + d.name[:len(d.name)-digits], number
}

// has says whether the tenant has a document of a name, which tells no case apart.
func (as *isolationTenant) has(doctype, name string) bool {
	return slices.ContainsFunc(as.docs[doctype], func(d *isolationDoc) bool { return strings.EqualFold(d.name, name) })
}

// serial gives the next number for names or unique values of a kind, which begins with 1 in each tenant.
func (as *isolationTenant) serial(kind string) int {
	as.serials[kind]++
	return as.serials[kind]
}

// asText is a value of JSON as a text, which is equal for equal values.
func asText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// differs says where a document is not what was sent.
func (d *isolationDoc) differs(got map[string]any) string {
	if text := valuesDiffer(d.values, got); text != "" {
		return text
	}
	for field, rows := range d.rows {
		list, _ := got[field].([]any)
		if len(list) != len(rows) {
			return fmt.Sprintf("%s has %d rows, want %d", field, len(list), len(rows))
		}
		for i, row := range rows {
			if text := valuesDiffer(row, list[i].(map[string]any)); text != "" {
				return fmt.Sprintf("%s, row %d: %s", field, i+1, text)
			}
		}
	}
	return ""
}

func valuesDiffer(want, got map[string]any) string {
	for _, field := range slices.Sorted(maps.Keys(want)) {
		if w, g := asText(want[field]), asText(got[field]); !strings.EqualFold(w, g) {
			return fmt.Sprintf("%s is %q, want %q", field, g, w)
		}
	}
	return ""
}

// checkState reads everything that each tenant has and compares it with the model.
func (r *isolation) checkState() {
	r.Helper()
	for _, as := range r.tenants {
		for _, doctype := range r.documents() {
			r.checkNames(as, doctype)
			for _, d := range as.docs[doctype] {
				r.checkDocument(as, d)
			}
		}
		for _, d := range as.docs[isolationSingle] {
			r.checkDocument(as, d)
		}
		for _, child := range []string{"Parcel Item", "Parcel Tag"} {
			q := &isolationRequest{user: as.user("Administrator"), method: http.MethodGet, route: "the rows at the end", path: "/api/resource/" + url.PathEscape(child),
				query: url.Values{"fields": {`["*"]`}, "order_by": {"creation,idx"}, "limit": {"0"}}, want: http.StatusOK}
			r.send(as, "the rows at the end", q)
		}
	}
}

// checkNames wants the documents of the model, and no other.
func (r *isolation) checkNames(as *isolationTenant, doctype string) {
	r.Helper()
	q := &isolationRequest{user: as.user("Administrator"), method: http.MethodGet, route: "the list at the end", path: "/program/" + url.PathEscape(doctype), want: http.StatusOK}
	q.then = func(data map[string]any) string {
		var got, want []string
		for _, name := range data["names"].([]any) {
			got = append(got, asText(name))
		}
		for _, d := range as.docs[doctype] {
			want = append(want, d.name)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			return fmt.Sprintf("the tenant has %q, want %q", got, want)
		}
		return ""
	}
	r.send(as, "the list at the end", q)
}

func (r *isolation) checkDocument(as *isolationTenant, d *isolationDoc) {
	r.Helper()
	q := &isolationRequest{user: as.user("Administrator"), method: http.MethodGet, route: "the documents at the end",
		path: "/api/resource/" + url.PathEscape(d.doctype), names: []string{d.name}, want: http.StatusOK, then: d.differs}
	r.send(as, "the documents at the end", q)
}

// user gives the tenant's user of a role.
func (as *isolationTenant) user(role string) isolationUser {
	return as.users[slices.IndexFunc(as.users, func(u isolationUser) bool { return u.role == role })]
}
