package frappems

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/frappems/frappems/store"
)

// Lists as they are sent, and what Frappe's lists do not have: rows of child tables beside the documents
// (expand_children=items,taxes) and pages that begin after a row instead of at a number (after=…). A page at an offset
// costs the database all rows before it; one after a row costs its own rows, and rows that come or go meanwhile neither
// repeat nor hide others. The first such page is asked for with an empty after; its answer has next_cursor, which is the
// after of the next page, or null at the end. The name of a document can stand in its place.

// maxExpanded is how many documents a list with expand_children can have.
const maxExpanded = 1000

// pageArgs are the parameters of a list beyond those of Frappe's API v1.
type pageArgs struct {
	children []string // tables whose rows come along
	after    *string  // nil: no page of this kind
	next     bool     // the answer says whether there is a next page
	query    string   // what a cursor is bound to
}

// pageParameters gives the parameters start and page_length, of API v2 and the report view, the names that they have in v1.
func pageParameters(query url.Values) {
	for name, inV1 := range map[string]string{"start": "limit_start", "page_length": "limit_page_length"} {
		if query.Has(name) {
			query.Set(inV1, query.Get(name))
			query.Del(name)
		}
	}
}

func (args *listArgs) readPages(query url.Values) error {
	p := &args.pages
	p.next = query.Get("has_next_page") == "1"
	if text := query.Get("expand_children"); text != "" {
		if json.Unmarshal([]byte(text), &p.children) != nil {
			p.children = strings.Split(text, ",")
		}
		if !args.asDict {
			return unusable("as_dict", query.Get("as_dict"), "true where there is expand_children")
		}
	}
	if !query.Has("after") {
		return nil
	}
	after := query.Get("after")
	p.after, p.next = &after, true
	hash := sha256.New()
	for _, name := range []string{"filters", "or_filters", "order_by"} {
		hash.Write(jsonText(query.Get(name)))
	}
	p.query = base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:9])
	if args.start > 0 {
		return Errorf(ValidationError, "A list begins at limit_start or after a row, not both")
	}
	return nil
}

// setPages prepares the query for what the answer has beside the rows: values that follow those of the output.
func (b *queryBuilder) setPages(args listArgs) error {
	p := args.pages
	if p.after == nil && p.children == nil && !p.next {
		return nil
	}
	joined := slices.ContainsFunc(b.sources, func(s source) bool { return s.link < 0 })
	if (p.after != nil || p.children != nil) && (joined || b.isAggregate()) {
		return Errorf(ValidationError, "after and expand_children are for lists of documents, one row for each")
	}
	if p.next && args.limit > 0 {
		b.query.Limit++
	}
	if p.children != nil {
		b.query.Columns = append(b.query.Columns, b.meta.slots[slotName].expr())
	}
	if p.after == nil {
		return nil
	}
	if args.orderBy == "" {
		for _, s := range b.meta.sort { // a cursor would tell its value
			if !b.access.reads(s.slot) {
				return Errorf(ValidationError, "after needs an order_by here, such as name")
			}
		}
	}
	if *p.after != "" {
		if err := b.seek(*p.after, p.query); err != nil {
			return err
		}
	}
	for _, o := range b.query.OrderBy {
		b.query.Columns = append(b.query.Columns, o.Expr)
	}
	return nil
}

// seek confines the query to what follows a row in its order: that of a cursor, or the document of a name.
func (b *queryBuilder) seek(after, query string) error {
	place, err := b.place(after, query)
	if err != nil {
		return err
	}
	// Beyond the first value; or the same first and beyond the second; and so on.
	beyond := store.Cond{Op: store.OpOr}
	var same []store.Cond
	for i, o := range b.query.OrderBy {
		equal, further := store.Cond{Op: store.OpIsNull, Expr: o.Expr}, store.Cond{Op: store.OpIsNotNull, Expr: o.Expr}
		switch v := place[i]; {
		case v != nil && o.Desc:
			equal = compare(store.OpEqual, o.Expr, *v)
			further = store.Cond{Op: store.OpOr, Conds: []store.Cond{compare(store.OpLess, o.Expr, *v), {Op: store.OpIsNull, Expr: o.Expr}}}
		case v != nil:
			equal, further = compare(store.OpEqual, o.Expr, *v), compare(store.OpGreater, o.Expr, *v)
		case o.Desc:
			further = store.Cond{Op: store.OpOr} // nothing is lower than NULL
		}
		beyond.Conds = append(beyond.Conds, store.Cond{Op: store.OpAnd, Conds: append(slices.Clone(same), further)})
		same = append(same, equal)
	}
	b.query.Where = store.Cond{Op: store.OpAnd, Conds: []store.Cond{b.query.Where, beyond}}
	return nil
}

// place reads a cursor, or finds the document that after names; it gives the values by which the list is ordered.
func (b *queryBuilder) place(after, query string) ([]*string, error) {
	var cursor struct {
		Query string
		Place []*string
	}
	if text, err := base64.RawURLEncoding.DecodeString(after); err == nil && json.Unmarshal(text, &cursor) == nil {
		if cursor.Query != query || len(cursor.Place) != len(b.query.OrderBy) {
			return nil, Errorf(ValidationError, "The cursor in after is that of another list: filters and order_by stay the same from page to page")
		}
		return cursor.Place, nil
	}
	named, ok := b.meta.named(after)
	one := b.query
	one.Limit, one.Columns = 1, nil
	one.Where = store.Cond{Op: store.OpAnd, Conds: append(append(b.access.conditions(0), b.parent...), named)}
	for _, o := range one.OrderBy {
		one.Columns = append(one.Columns, o.Expr)
	}
	var place []*string
	if ok {
		err := b.db.each(b.ctx, &one, func(row [][]byte) error {
			place = copyTexts(row)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if place == nil {
		return nil, Errorf(ValidationError, "after is neither a cursor of this list nor the name of one of its documents: %s", quoteShort(after))
	}
	return place, nil
}

func copyTexts(row [][]byte) []*string {
	texts := make([]*string, len(row))
	for i, v := range row {
		if v != nil {
			text := string(v)
			texts[i] = &text
		}
	}
	return texts
}

// listing is a list that may be read. Its rows are read when it is sent.
type listing struct {
	db   *DB
	b    *queryBuilder // nil: nothing that was asked for may be read, so there are no rows
	args listArgs

	rows int       // sent so far
	more bool      // there is a row after the page
	last []*string // of the last row, for the cursor
}

func (db *DB) listing(ctx context.Context, m *meta, args listArgs) (*listing, error) {
	b, err := db.list(ctx, m, args)
	return &listing{db: db, b: b, args: args}, err
}

// send answers with the list under a key.
func (l *listing) send(ctx context.Context, w http.ResponseWriter, key string) (err error) {
	out := l.db.app.buffer()
	defer func() { l.db.app.reuse(out) }()
	out = append(append(append(out, '{'), jsonKey(key)...), '[')
	switch {
	case l.b == nil:
	case l.args.pages.children != nil:
		out, err = l.appendExpanded(ctx, out)
	default:
		out, err = l.appendRows(ctx, w, out)
	}
	if err != nil {
		return err
	}
	out = append(l.appendNext(append(out, ']')), '}')
	if x := exchangeFrom(ctx); x.answer.status != 0 {
		w.Write(out)
		return nil
	}
	return sendJSON(w, http.StatusOK, out)
}

// appendNext writes what is said of the next page.
func (l *listing) appendNext(out []byte) []byte {
	if !l.args.pages.next {
		return out
	}
	out = appendValue(append(out, `,"has_next_page":`...), l.more)
	if l.args.pages.after == nil {
		return out
	}
	out = append(out, `,"next_cursor":`...)
	if !l.more {
		return append(out, "null"...)
	}
	cursor := marshalText(map[string]any{"Query": l.args.pages.query, "Place": l.last})
	return appendString(out, base64.RawURLEncoding.EncodeToString([]byte(cursor)))
}

// each calls f for the rows of the page.
func (l *listing) each(ctx context.Context, f func(row [][]byte) error) error {
	most := l.db.app.config.MaxRows
	return l.db.each(ctx, &l.b.query, func(row [][]byte) error {
		if l.args.limit > 0 && l.rows == l.args.limit {
			l.more = true
			return nil
		}
		if l.rows++; l.rows > most {
			return tooManyRows(most)
		}
		if l.args.pages.after != nil && l.rows == l.args.limit {
			l.last = copyTexts(row[len(row)-len(l.b.query.OrderBy):])
		}
		return f(row)
	})
}

// flushAt is how much of a page is collected before it is sent.
const flushAt = 64 << 10

// appendRows writes rows as JSON. A page is sent in pieces as its rows come; a list without a limit only at its end,
// when it is known not to be too long.
func (l *listing) appendRows(ctx context.Context, w http.ResponseWriter, out []byte) ([]byte, error) {
	err := l.each(ctx, func(row [][]byte) error {
		if l.rows > 1 {
			out = append(out, ',')
		}
		out = appendRow(out, l.b.output, row, l.args.asDict)
		if len(out) > flushAt && l.args.limit > 0 {
			w.Header()["Content-Type"] = contentJSON
			if _, err := w.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
		return nil
	})
	return out, err
}

// appendExpanded writes documents with the rows of their tables, which are one more statement for each table.
func (l *listing) appendExpanded(ctx context.Context, out []byte) ([]byte, error) {
	if l.b.access.onlySelects() {
		return nil, l.b.access.denied(mayRead, "")
	}
	var documents [][]byte
	var names []string
	err := l.each(ctx, func(row [][]byte) error {
		if l.rows > maxExpanded {
			return Errorf(ValidationError, "expand_children is for pages of at most %d documents", maxExpanded)
		}
		names = append(names, string(row[len(l.b.output)]))
		documents = append(documents, appendRow(nil, l.b.output, row, true))
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, field := range l.args.pages.children {
		at := l.b.meta.tableOf(strings.TrimSpace(field))
		if at < 0 {
			return nil, notPermitted(field)
		}
		t := &l.b.meta.tables[at]
		if !l.b.access.readsLevel(int(t.field.Permlevel)) || len(names) == 0 {
			continue // left out, as in a document
		}
		rows, err := l.childRows(ctx, at, names)
		if err != nil {
			return nil, err
		}
		for i, name := range names {
			d := append(append(documents[i][:len(documents[i])-1], ','), t.key...)
			documents[i] = append(append(append(d, '['), rows[store.TextKey(name)]...), ']', '}')
		}
	}
	for i, d := range documents {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, d...)
	}
	return out, nil
}

// childRows reads the rows that several documents have in a table, as JSON by the document that they are part of.
func (l *listing) childRows(ctx context.Context, table int, names []string) (map[string][]byte, error) {
	m, t := l.b.meta, &l.b.meta.tables[table]
	at, most := m.layout.at[table+1], l.db.app.config.MaxRows
	q := &store.Query{Tenant: l.db.tenant, From: t.child.table, Columns: m.layout.columns[table+1], Where: t.rowsOf(m, names...),
		OrderBy: []store.Order{{Expr: t.child.expr("parent")}, {Expr: t.child.slots[slotIdx].expr()}, {Expr: t.child.slots[slotName].expr()}}, Limit: most + 1}
	parent, n, rows := at[t.child.slotOf["parent"]], 0, map[string][]byte{}
	err := l.db.each(ctx, q, func(row [][]byte) error {
		if n++; n > most {
			return tooManyRows(most)
		}
		name := store.TextKey(string(row[parent]))
		out := rows[name]
		if out != nil {
			out = append(out, ',')
		}
		rows[name] = append(t.child.appendRow(out, row, at, l.b.access.readsLevel), '}')
		return nil
	})
	return rows, err
}
