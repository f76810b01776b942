package frappemstest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/frappems/frappems"
)

// sentDoc is a document or row as it was sent.
type sentDoc struct {
	meta   *frappems.DocType
	name   string // of a document that was made, or a row that was there
	values map[string]any
	rows   map[string][]*sentDoc
}

// body is what is sent of a document.
func (d *sentDoc) body() map[string]any {
	body := map[string]any{}
	for field, v := range d.values {
		body[field] = v
	}
	for field, rows := range d.rows {
		list := make([]any, len(rows))
		for i, row := range rows {
			item := row.body()
			if row.name != "" {
				item["name"] = row.name
			}
			list[i] = item
		}
		body[field] = list
	}
	return body
}

// keepRows notes the names of a document's rows.
func (d *sentDoc) keepRows(stored map[string]any) {
	for field, rows := range d.rows {
		list, _ := stored[field].([]any)
		for i := range min(len(rows), len(list)) {
			rows[i].name = canonical(nil, list[i].(map[string]any)["name"])
		}
	}
}

var (
	standardFields = []frappems.Field{{Fieldname: "name", Fieldtype: "Data"}, {Fieldname: "owner", Fieldtype: "Data"},
		{Fieldname: "creation", Fieldtype: "Datetime"}, {Fieldname: "modified", Fieldtype: "Datetime"}, {Fieldname: "modified_by", Fieldtype: "Data"},
		{Fieldname: "docstatus", Fieldtype: "Int"}, {Fieldname: "idx", Fieldtype: "Int"}}
	rowFields = []frappems.Field{{Fieldname: "parent", Fieldtype: "Link"}, {Fieldname: "parentfield", Fieldtype: "Data"}, {Fieldname: "parenttype", Fieldtype: "Data"}}

	layoutTypes  = []string{"Button", "Column Break", "Fold", "HTML", "Heading", "Image", "Section Break", "Tab Break"}
	numericTypes = []string{"Check", "Currency", "Duration", "Float", "Int", "Long Int", "Percent", "Rating"}
)

func hasColumn(f *frappems.Field) bool {
	return !slices.Contains(layoutTypes, f.Fieldtype) && !isTable(f) && !bool(f.IsVirtual)
}

// isRanged says whether a field's values are numbers or moments.
func isRanged(f *frappems.Field) bool {
	return slices.Contains(numericTypes, f.Fieldtype) || slices.Contains([]string{"Date", "Datetime", "Time"}, f.Fieldtype)
}

// writable says whether a field has a value, or rows that are kept here.
func (d *docTypeTest) writable(f *frappems.Field) bool {
	return hasColumn(f) || isTable(f) && !bool(f.IsVirtual) && !bool(d.byName[f.Options].IsVirtual)
}

func fieldOf(m *frappems.DocType, name string) *frappems.Field {
	for i := range m.Fields {
		if m.Fields[i].Fieldname == name {
			return &m.Fields[i]
		}
	}
	return nil
}

// canonical is the text of a value that is the same for what is sent and what is read: 3 and 3.0, 09:05 and 9:05.
func canonical(f *frappems.Field, v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case json.RawMessage:
		return string(v)
	case string:
		if f != nil && f.Fieldtype == "Time" && strings.IndexByte(v, ':') == 2 {
			return strings.TrimPrefix(v, "0")
		}
		return v
	}
	text := fmt.Sprint(v)
	if n, err := strconv.ParseFloat(text, 64); err == nil && strings.ContainsAny(text, ".eE") {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return text
}

// want is the canonical text of a field as it has to be stored: what was sent, or what is fetched through a link.
func (l *lifeTest) want(d *sentDoc, f *frappems.Field) string {
	link, from, ok := strings.Cut(f.FetchFrom, ".")
	if by := fieldOf(d.meta, link); ok && by != nil && d.values[link] != nil && !bool(f.FetchIfEmpty) {
		target := by.Options
		if by.Fieldtype == "Dynamic Link" {
			target, _ = d.values[by.Options].(string)
		}
		m := l.byName[target]
		at := slices.IndexFunc(standardFields, func(s frappems.Field) bool { return s.Fieldname == from })
		if has := isOrdinary(m) && (at >= 0 || fieldOf(m, from) != nil && hasColumn(fieldOf(m, from))); has {
			text := canonical(f, l.target(m, l.want(d, by))[from])
			if source := fieldOf(m, from); source != nil && source.Fieldtype == "Text Editor" && slices.Contains([]string{"Data", "Small Text", "Text"}, f.Fieldtype) {
				text = strings.NewReplacer("<p>", "", "</p>", "", "<b>", "", "</b>", "").Replace(text)
			}
			return text
		}
	}
	v := d.values[f.Fieldname]
	if f.Fieldtype == "Password" {
		return strings.Repeat("*", utf8.RuneCountInString(v.(string)))
	}
	return canonical(f, v)
}

// target is a document that links lead to. It is read once, since it does not change.
func (l *lifeTest) target(m *frappems.DocType, name string) map[string]any {
	key := m.Name + "/" + name
	if l.targets[key] == nil {
		l.targets[key] = l.read(&sentDoc{meta: m, name: name})
	}
	return l.targets[key]
}

// likePattern is a pattern that a text fulfils.
func likePattern(s string) string {
	runes := []rune(s)
	if end := strings.IndexAny(s, `%_\`); end >= 0 {
		runes = []rune(s[:end])
	}
	return string(runes[:min(len(runes), 40)]) + "%"
}

// filler fills one document or row.
type filler struct {
	*lifeTest
	doc    *sentDoc
	before *sentDoc // what is changed; nil for a new one
	n      int      // differs for each
	random *rand.Rand
	least  bool // only the links and tables that it cannot do without
}

// fill gives a value to every field of a new document, or another one to every field of before that may change.
func (l *lifeTest) fill(m *frappems.DocType, before *sentDoc) *sentDoc {
	return l.newDoc(m, before, false)
}

func (l *lifeTest) newDoc(m *frappems.DocType, before *sentDoc, least bool) *sentDoc {
	l.serial++
	hash := fnv.New64a()
	hash.Write([]byte(m.Name))
	r := &filler{lifeTest: l, before: before, n: l.serial, random: rand.New(rand.NewPCG(hash.Sum64(), uint64(l.serial))), least: least,
		doc: &sentDoc{meta: m, values: map[string]any{}, rows: map[string][]*sentDoc{}}}
	switch {
	case before != nil:
		r.doc.name = before.name
	case strings.EqualFold(m.Autoname, "prompt"):
		r.doc.values["name"] = fmt.Sprintf("%s %d", m.Name, r.n)
	}
	r.setLinkTypes()
	for i := range m.Fields {
		f := &m.Fields[i]
		_, done := r.doc.values[f.Fieldname]
		switch {
		case done || !l.writable(f) || least && r.avoidable(f):
		case f.Fieldname == "amended_from" && before == nil: // there is no cancelled document yet
		case isTable(f):
			r.doc.rows[f.Fieldname] = r.rows(f)
		case r.isConstant(f) && f.Fieldtype == "Password":
			r.doc.values[f.Fieldname] = l.want(before, f) // the stars that GET answers
		case r.isConstant(f):
			r.doc.values[f.Fieldname] = before.values[f.Fieldname]
		default:
			r.doc.values[f.Fieldname] = r.value(f)
		}
	}
	return r.doc
}

// bare makes a document with as few fields as possible.
func (l *lifeTest) bare(m *frappems.DocType) *sentDoc {
	d := l.newDoc(m, nil, true)
	for i := range m.Fields {
		f := &m.Fields[i]
		if !bool(f.Required) && m.Autoname != "field:"+f.Fieldname && (f.Fieldtype != "Link" || f.Default == "" || f.Default == "__user") {
			delete(d.values, f.Fieldname)
		}
	}
	return d
}

// avoidable says whether a document can be made without the field.
func (r *filler) avoidable(f *frappems.Field) bool {
	return (isTable(f) || strings.HasSuffix(f.Fieldtype, "Link")) && !bool(f.Required) && f.Default == ""
}

// isConstant says whether a field keeps its value when the document is changed.
func (r *filler) isConstant(f *frappems.Field) bool {
	return r.before != nil && (bool(f.SetOnlyOnce) || r.doc.meta.Autoname == "field:"+f.Fieldname)
}

// setLinkTypes fills the fields that Dynamic Links take their DocType from.
func (r *filler) setLinkTypes() {
	for i := range r.doc.meta.Fields {
		f := &r.doc.meta.Fields[i]
		by := fieldOf(r.doc.meta, f.Options)
		if f.Fieldtype != "Dynamic Link" || by == nil || r.least && r.avoidable(f) {
			continue
		}
		switch target := r.free[r.n%2]; {
		case r.isConstant(by):
			r.doc.values[by.Fieldname] = r.before.values[by.Fieldname]
		case by.Fieldtype == "Select":
			options := slices.DeleteFunc(strings.Split(by.Options, "\n"), func(o string) bool { return !isOrdinary(r.byName[o]) })
			r.doc.values[by.Fieldname] = options[r.n%len(options)]
		case by.Fieldtype == "Link" && by.Options == "DocType" && r.byName["DocType"] != nil:
			r.doc.values[by.Fieldname] = r.seed("DocType", r.n%2)
		default:
			r.doc.values[by.Fieldname] = target.Name
		}
	}
}

// rows makes two rows; of those that were there the first stays, with other values.
func (r *filler) rows(f *frappems.Field) []*sentDoc {
	var kept *sentDoc
	if r.before != nil {
		kept = r.before.rows[f.Fieldname][0]
	}
	child := r.byName[f.Options]
	return []*sentDoc{r.newDoc(child, kept, r.least), r.newDoc(child, nil, r.least)}
}

// seed makes the k-th document for links to a DocType, and gives its name. Of the DocType DocType these are others of the set.
func (l *lifeTest) seed(doctype string, k int) string {
	m := l.byName[doctype]
	switch {
	case doctype == "DocType" && m == nil:
		return l.free[k].Name
	case m != nil && bool(m.IsSingle):
		return doctype
	case !isOrdinary(m):
		return fmt.Sprintf("%s %d", doctype, k)
	}
	key := fmt.Sprint(doctype, "/", k)
	name, begun := l.seeds[key]
	if begun && name == "" {
		l.Fatalf("%s cannot be made without itself", key)
	}
	if name == "" {
		l.seeds[key] = ""
		d := l.newDoc(m, nil, true)
		if doctype == "DocType" {
			d.values["name"] = l.free[k].Name
		}
		l.insert(d)
		name = d.name
		l.seeds[key] = name
	}
	return name
}

// link chooses a target: one that no other document has where the field is unique.
func (r *filler) link(f *frappems.Field, doctype string) string {
	if strings.HasPrefix(r.doc.meta.Name, "Big ") && doctype == "DocType" {
		return fmt.Sprint("Big Row ", 1+r.n%2) // which is no document
	}
	if f.Unique {
		r.unique[doctype]++
		return r.seed(doctype, 1+r.unique[doctype])
	}
	return r.seed(doctype, r.n%2)
}

// value makes a valid value, another one for each n where there is more than one.
func (r *filler) value(f *frappems.Field) any {
	switch f.Fieldtype {
	case "Link":
		return r.link(f, f.Options)
	case "Dynamic Link":
		return r.link(f, r.doc.values[f.Options].(string))
	case "Select":
		options := slices.DeleteFunc(strings.Split(f.Options, "\n"), func(o string) bool { return strings.TrimSpace(o) == "" })
		if len(options) > 0 {
			return strings.TrimSpace(options[r.n%len(options)])
		}
	case "Data":
		if v := r.formatted(f); v != "" {
			return v
		}
	case "Date", "Datetime", "Time":
		return r.moment(f)
	}
	if slices.Contains(numericTypes, f.Fieldtype) {
		return r.number(f)
	}
	return r.text(f)
}

// formatted makes a Data value of the format that the options ask for.
func (r *filler) formatted(f *frappems.Field) string {
	switch f.Options {
	case "Email":
		return fmt.Sprintf("ada.%d@example.com", r.n)
	case "Phone":
		return fmt.Sprintf("+49 (30) %d-7", r.n)
	case "URL":
		return fmt.Sprintf("https://example.com/%d?a=b&c=%%20", r.n)
	case "Name":
		return fmt.Sprintf("Zoë O'Neill-%d", r.n)
	}
	return ""
}

func (r *filler) moment(f *frappems.Field) string {
	t := time.Date(2001, 3, 4, 5, 6, 7, 0, time.UTC).Add(time.Duration(r.n) * 25 * time.Hour).Add(time.Duration(r.random.IntN(3000)) * time.Second)
	switch f.Fieldtype {
	case "Date":
		return t.Format("2006-01-02")
	case "Time":
		return t.Format("15:04:05")
	}
	if r.n%2 == 0 {
		return t.Add(123 * time.Microsecond).Format("2006-01-02 15:04:05.000000")
	}
	return t.Format("2006-01-02 15:04:05")
}

func (r *filler) number(f *frappems.Field) any {
	n := int64(r.n)
	switch f.Fieldtype {
	case "Check":
		if f.SetOnlyOnce {
			return 1
		}
		if r.before != nil {
			return 1 - r.before.values[f.Fieldname].(int)
		}
		return int(1)
	case "Int":
		if f.Length > 11 {
			return 1<<40 + n
		}
		if !bool(f.NonNegative) && r.n%3 == 0 {
			return -n
		}
		return n
	case "Long Int":
		return 1<<53 + 1 + 2*n // which no float holds
	case "Duration":
		return 3600 + n
	case "Rating":
		return float64(r.n%5+1) / 5
	}
	v, _ := strconv.ParseFloat(fmt.Sprintf("%d.%09d", n, r.random.IntN(1e9)), 64)
	return v
}

// text makes what the type of the field asks for, with characters that are easily mangled.
func (r *filler) text(f *frappems.Field) any {
	words := []string{"Crème", "Straße", "Ærø", "日本", "smörgås", "plain"}
	word := words[r.random.IntN(len(words))]
	odd := fmt.Sprintf(`%s %d "q" 'a' & %% _ \ 😀`, word, r.n)
	switch f.Fieldtype {
	case "Attach", "Attach Image":
		return fmt.Sprintf("/files/%s %d.png", word, r.n)
	case "Barcode":
		return fmt.Sprintf(`<svg data-barcode-value="%d"></svg>`, r.n)
	case "Code":
		return fmt.Sprintf("if a < %d and b > 3:\n\tprint(\"%s\")", r.n, word)
	case "Color":
		return fmt.Sprintf("#%06x", r.n)
	case "Geolocation":
		return fmt.Sprintf(`{"type":"FeatureCollection","features":[%d]}`, r.n)
	case "HTML Editor", "Text Editor":
		return fmt.Sprintf("<p>%s <b>%d</b></p>", word, r.n)
	case "JSON":
		if r.n%2 == 0 {
			return json.RawMessage(fmt.Sprintf(`{"n":%d,"list":[1,null]}`, r.n))
		}
		return fmt.Sprintf(`{"n": %d, "list": [1, null]}`, r.n)
	case "Long Text", "Markdown Editor", "Small Text", "Text":
		return fmt.Sprintf("%s\n\n* one\n* two", odd)
	case "Password":
		return fmt.Sprintf("secret %s %d", word, r.n)
	case "Phone":
		return fmt.Sprintf("+49-15%08d", r.n)
	case "Signature":
		return fmt.Sprintf("data:image/png;base64,iVBORw0KGgo%d", r.n)
	}
	limit := int(f.Length)
	if limit == 0 {
		limit = 140
	}
	switch {
	case strings.Contains(r.doc.meta.Autoname, f.Fieldname):
		return fmt.Sprintf("%s %d", word, r.n) // a name, or part of one
	case limit < utf8.RuneCountInString(odd):
		return fmt.Sprint(r.n)
	case f.Fieldtype == "Data":
		return odd + strings.Repeat("é", limit-utf8.RuneCountInString(odd))
	}
	return odd
}
