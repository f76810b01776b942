package frappems

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/frappems/frappems/store"
)

// What Frappe's desk and clients of its kind ask for: the search of a link field, and the report view.

// searchable are the field types that a link field's search looks into.
var searchable = []string{"Data", "Text", "Small Text", "Long Text", "Link", "Select", "Read Only", "Text Editor"}

// found is one result of a search.
type found struct {
	Value       any    `json:"value"`
	Label       string `json:"label,omitempty"` // the title, where the DocType shows it in links
	Description string `json:"description"`
}

// searchLink finds documents to link to: by name, title and search fields, those first whose name begins with the text.
func (c *call) searchLink() (any, error) {
	m, err := c.resource(c.text("doctype"), "list")
	if err != nil {
		return nil, err
	}
	if query := c.text("query"); query != "" {
		return nil, Errorf(ValidationError, "There is no search query %s in this service", quoteShort(query))
	}
	text, length := strings.TrimSpace(c.text("txt")), int(cmp.Or(toInt(c.text("page_length")), 10))
	if length < 0 || length > maxBulk {
		return nil, unusable("page_length", c.text("page_length"), fmt.Sprintf("at most %d", maxBulk))
	}
	a := c.db.accessTo(m)
	fields, either := a.searchedFields(c.text("searchfield"), text)
	results := [][]json.RawMessage{}
	// What begins with the text comes first and may fill the page; the rest follows.
	for _, op := range []store.Op{store.OpLike, store.OpNotLike} {
		if text == "" && op == store.OpNotLike || len(results) >= length {
			continue
		}
		_, rows, err := c.rows(map[string]string{"fields": marshalText(fields), "or_filters": marshalText(either), "as_dict": "1",
			"limit_page_length": fmt.Sprint(length - len(results)), "limit_start": "0", "order_by": a.searchOrder(), "group_by": ""},
			append(m.enabled(), compare(op, m.expr("name"), text+"%"))...)
		if err != nil {
			return nil, err
		}
		results = append(results, rows...)
	}
	titled := bool(m.TitleInLinks) && len(fields) > 1 && fields[1] == m.TitleField
	return suggestions(results, text, titled), nil
}

// enabled is the condition that documents are not disabled, where they can be.
func (m *meta) enabled() []store.Cond {
	var conds []store.Cond
	for i, field := range []string{"disabled", "enabled"} {
		if at, has := m.slotOf[field]; has && m.slots[at].column.Type == store.TypeCheck {
			conds = append(conds, compare(store.OpEqual, m.slots[at].expr(), toText(int64(i))))
		}
	}
	return conds
}

// searchedFields are what a search shows of what the user may read, and the filters of which one has to match.
func (a *access) searchedFields(searchField, text string) (fields []string, either [][]any) {
	m := a.meta
	for _, field := range append([]string{"name", m.TitleField, searchField}, m.searchFields()...) {
		at, has := m.slotOf[field]
		if !has || slices.Contains(fields, field) || !a.reads(at) {
			continue
		}
		fields = append(fields, field)
		isText := field == "name" || m.slots[at].field != nil && slices.Contains(searchable, m.slots[at].field.Fieldtype)
		if text != "" && isText && (field != searchField || slices.Contains(append(m.searchFields(), "name", m.TitleField), field)) {
			either = append(either, []any{m.Name, field, "like", "%" + text + "%"})
		}
	}
	return fields, either
}

// searchOrder is the order of a search: what is linked to most, then the DocType's own, as far as the user may read it.
func (a *access) searchOrder() string {
	var terms []string
	for _, t := range append([]sortTerm{{slotIdx, true}}, a.meta.sort...) {
		if a.reads(t.slot) {
			terms = append(terms, a.meta.slots[t.slot].name+[]string{" asc", " desc"}[boolInt(t.desc)])
		}
	}
	return strings.Join(terms, ", ")
}

// suggestions are the results as clients show them, what begins with the text first. Where they are titled, the title is the
// label, and the name is said in its place.
func suggestions(rows [][]json.RawMessage, text string, titled bool) []found {
	all := make([]found, 0, len(rows))
	for _, row := range rows {
		var parts []string
		shown, label := row[1:], ""
		if titled {
			title, _ := decodeValue(row[1])
			label, shown = toText(title), slices.Concat(row[:1], row[2:])
		}
		for _, raw := range shown {
			if v, _ := decodeValue(raw); !isEmpty(v) && !slices.Contains(parts, toText(v)) {
				parts = append(parts, toText(v))
			}
		}
		name, _ := decodeValue(row[0])
		all = append(all, found{name, label, strings.Join(parts, ", ")})
	}
	begins := func(f found) int {
		return boolInt(!strings.HasPrefix(strings.ToLower(toText(f.Value)), strings.ToLower(text)))
	}
	slices.SortStableFunc(all, func(a, b found) int {
		return cmp.Or(begins(a)-begins(b), cmp.Compare(toText(a.Value), toText(b.Value)))
	})
	return all
}

// reportRows is the list of a report view, which has no limit unless one is given.
func (c *call) reportRows() (*listing, [][]json.RawMessage, error) {
	given := map[string]string{"as_dict": "1"}
	if c.text("page_length") == "" && c.text("limit_page_length") == "" && c.text("limit") == "" {
		given["limit_page_length"] = "0"
	}
	return c.rows(given)
}

// reportView gives a list as its keys and the values of each row; an empty one as a list.
func (c *call) reportView() (any, error) {
	l, rows, err := c.reportRows()
	if err != nil || len(rows) == 0 {
		return []string{}, err
	}
	keys := make([]string, len(l.b.output))
	for i, o := range l.b.output {
		keys[i] = o.name
	}
	return map[string]any{"keys": keys, "values": rows, "user_info": struct{}{}}, nil
}

func (c *call) reportList() (any, error) {
	l, rows, err := c.reportRows()
	objects := make([]map[string]json.RawMessage, 0, len(rows))
	for _, row := range rows {
		objects = append(objects, l.object(row))
	}
	return objects, err
}
