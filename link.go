package frappems

import (
	"context"
	"html"
	"slices"
	"strconv"
	"strings"

	"github.com/frappems/frappems/store"
)

// linkCheck is one link of a document or row that is being saved.
type linkCheck struct {
	doc    *Doc
	link   *linkField
	target *meta // nil: it is at the Central Site
	remote string
	name   string
}

// linkTarget is what the store says of a link's target.
type linkTarget struct {
	name      string
	docstatus string
	values    map[string]any
}

// checkLinks looks up all links of a document and its rows in one statement, writes the targets' own spelling of their
// names into the links, and copies what is fetched through them. A second statement is needed only where something is
// fetched through a link that was itself fetched; each round goes one field further, so a cycle ends.
func (db *DB) checkLinks(ctx context.Context, d *Doc) error {
	done := map[*Doc]map[int]bool{}
	for {
		checks, err := db.pendingLinks(d, done)
		if err != nil || len(checks) == 0 {
			return err
		}
		if err := db.checkRound(ctx, d, checks, done); err != nil {
			return err
		}
	}
}

// pendingLinks are the links that have not been looked up yet. After the first round these are links that were fetched:
// their targets are there, so only what they fetch is of interest.
func (db *DB) pendingLinks(d *Doc, done map[*Doc]map[int]bool) ([]linkCheck, error) {
	first := len(done) == 0
	var checks []linkCheck
	add := func(row *Doc) error {
		if done[row] == nil {
			done[row] = map[int]bool{}
		}
		for i := range row.meta.links {
			l := &row.meta.links[i]
			name := toText(row.values[l.slot])
			if name == "" || done[row][l.slot] || !first && len(l.fetches) == 0 {
				continue
			}
			done[row][l.slot] = true
			check, err := db.linkCheck(d, row, l, name)
			if err != nil {
				return err
			}
			if check != nil {
				checks = append(checks, *check)
			}
		}
		return nil
	}
	if err := add(d); err != nil {
		return nil, err
	}
	return checks, d.children(add)
}

// linkCheck decides what has to be looked up for a link: nothing where its DocType is not kept here.
func (db *DB) linkCheck(d, row *Doc, l *linkField, name string) (*linkCheck, error) {
	doctype := l.doctype
	if l.typeSlot >= 0 {
		if doctype = toText(row.values[l.typeSlot]); doctype == "" {
			return nil, Errorf(ValidationError, "%s must be set first", escapeHTML(row.meta.slots[l.typeSlot].label()))
		}
	}
	target := db.app.registry.byName[doctype]
	switch {
	case doctype == "DocType" && target == nil && db.app.registry.byName[name] != nil:
		return nil, nil
	case target == nil || bool(target.IsVirtual):
		return db.remoteCheck(row, l, doctype, name)
	case bool(target.IsSingle):
		if name == target.Name {
			return nil, nil
		}
		return nil, couldNotFind(linkText(row, l, name))
	}
	return &linkCheck{doc: row, link: l, target: target, name: name}, nil
}

// remoteCheck is linkCheck for a DocType that is not kept here.
func (db *DB) remoteCheck(row *Doc, l *linkField, doctype, name string) (*linkCheck, error) {
	switch known := doctype == "User" && name == db.user.Name; {
	case db.app.config.RemoteLinks == AcceptRemoteLinks:
		return nil, nil
	case db.app.config.RemoteLinks == RefuseRemoteLinks:
		return nil, couldNotFind(linkText(row, l, name))
	case known && len(l.fetches) == 0:
		return nil, nil
	}
	return &linkCheck{doc: row, link: l, remote: doctype, name: name}, nil
}

func couldNotFind(links ...string) error {
	return Errorf(LinkValidationError, "Could not find %s", strings.Join(links, ", "))
}

// linkText names a link in a message.
func linkText(row *Doc, l *linkField, name string) string {
	text := escapeHTML(row.meta.slots[l.slot].label()) + ": " + escapeHTML(name)
	if row.meta.IsTable {
		text = "Row #" + toText(row.values[slotIdx]) + ": " + text
	}
	return text
}

func (db *DB) checkRound(ctx context.Context, d *Doc, checks []linkCheck, done map[*Doc]map[int]bool) error {
	if err := db.knowRemote(ctx, checks); err != nil {
		return err
	}
	targets, err := db.linkTargets(ctx, checks)
	if err != nil {
		return err
	}
	var missing, cancelled []string
	for _, c := range checks {
		t := targets[c.target][store.TextKey(c.name)]
		if c.target == nil {
			t = db.taken.remote[db.remoteKey(&c)]
		}
		own := &c.doc.meta.slots[c.link.slot]
		switch {
		case toText(c.doc.values[c.link.slot]) != c.name: // a link before it has fetched another one
			delete(done[c.doc], c.link.slot)
			continue
		case t == nil && c.target != nil && (c.target.Name == "DocType" && db.app.registry.byName[c.name] != nil || c.target.Name == "User" && c.name == db.user.Name):
			continue // it is there, though not as a document
		case t == nil:
			missing = append(missing, linkText(c.doc, c.link, c.name))
			continue
		case t.docstatus == "2" && bool(d.meta.IsSubmittable) && (c.target == nil || bool(c.target.IsSubmittable)) && own.name != "amended_from":
			cancelled = append(cancelled, linkText(c.doc, c.link, c.name))
		}
		c.doc.values[c.link.slot] = t.name
		c.fetch(t, d.isNew || toInt(d.values[slotDocstatus]) == 0)
	}
	if missing != nil {
		return couldNotFind(missing...)
	}
	if cancelled != nil {
		return Errorf(CancelledLinkError, "Cannot link cancelled document: %s", strings.Join(cancelled, ", "))
	}
	return nil
}

// fetch copies from the target what the DocType says, but not over a value that is only fetched where there is none.
func (c *linkCheck) fetch(t *linkTarget, draft bool) {
	for _, f := range c.link.fetches {
		v, known := t.values[f.from]
		to := c.doc.meta.slots[f.to].field
		if !known || bool(to.FetchIfEmpty) && !isEmpty(c.doc.values[f.to]) || !draft && !bool(to.AllowOnSubmit) {
			continue
		}
		var from *Field
		if c.target != nil {
			from = c.target.slots[c.target.slotOf[f.from]].field
		}
		if from != nil && v != nil && from.Fieldtype == "Text Editor" && slices.Contains([]string{"Data", "Small Text", "Text"}, to.Fieldtype) {
			v = html.UnescapeString(tagPattern.ReplaceAllString(toText(v), ""))
		}
		c.doc.values[f.to] = v
	}
}

// linkTargets reads all targets in one statement: a part for each DocType, with the names, and the fields that are
// fetched from them. Rows begin with the number of their part.
func (db *DB) linkTargets(ctx context.Context, checks []linkCheck) (map[*meta]map[string]*linkTarget, error) {
	var order []*meta
	names := map[*meta][]string{}
	fields := map[*meta][]string{}
	for _, c := range checks {
		if c.target == nil {
			continue
		}
		if _, ok := c.target.named(c.name); !ok {
			continue
		}
		if names[c.target] == nil {
			order = append(order, c.target)
		}
		names[c.target] = append(names[c.target], c.name)
		for _, f := range c.link.fetches {
			if _, has := c.target.slotOf[f.from]; has && !slices.Contains(fields[c.target], f.from) {
				fields[c.target] = append(fields[c.target], f.from)
			}
		}
	}
	if len(order) == 0 {
		return nil, nil
	}
	if err := db.passGates(ctx, order); err != nil {
		return nil, err
	}
	// Each part has columns of its own for what is fetched, so that no column holds values of two types.
	width := 0
	offset := map[*meta]int{}
	for _, m := range order {
		offset[m] = width
		width += len(fields[m])
	}
	parts, shape := make([]*store.Query, len(order)), make([]byte, 0, 128)
	for i, m := range order {
		parts[i] = db.targetQuery(m, i, names[m], fields[m], offset[m], width)
		shape = strconv.AppendInt(append(append(shape, m.Name...), 0), int64(len(names[m])), 10)
		shape = append(append(shape, strings.Join(fields[m], ",")...), 0)
	}
	parts[0].Union, parts[0].AnyOrder = parts[1:], true
	parts[0].Statement = db.app.statement("links", string(shape))
	found := map[*meta]map[string]*linkTarget{}
	err := db.each(ctx, parts[0], func(row [][]byte) error {
		part, _ := strconv.Atoi(string(row[0]))
		m := order[part]
		t := &linkTarget{name: string(row[1]), docstatus: string(row[2]), values: map[string]any{}}
		for i, f := range fields[m] {
			t.values[f] = loadValue(m.slots[m.slotOf[f]].column.Type, row[3+offset[m]+i])
		}
		if found[m] == nil {
			found[m] = map[string]*linkTarget{}
		}
		found[m][store.TextKey(t.name)] = t
		return nil
	})
	return found, err
}

func (db *DB) targetQuery(m *meta, part int, names, fields []string, offset, width int) *store.Query {
	number := strconv.Itoa(part)
	q := &store.Query{Tenant: db.tenant, From: m.table, Columns: []store.Expr{{Func: store.FuncLiteral, Text: &number},
		{Column: m.slots[slotName].column}, {Column: m.slots[slotDocstatus].column}}}
	for i := range width {
		e := store.Expr{Func: store.FuncLiteral}
		if at := i - offset; at >= 0 && at < len(fields) {
			e = m.expr(fields[at])
		}
		q.Columns = append(q.Columns, e)
	}
	q.Where = compare(store.OpIn, m.expr("name"), names...)
	return q
}

// checkNotLinked refuses to delete or cancel a document that others link to: on cancel submitted ones, else any.
func (db *DB) checkNotLinked(ctx context.Context, d *Doc, cancel bool) error {
	for _, name := range db.app.registry.names {
		by, err := db.linkedBy(ctx, d, db.app.registry.byName[name], cancel)
		if err != nil || by != "" {
			return linkExists(d, by, err)
		}
	}
	return nil
}

func linkExists(d *Doc, by string, err error) error {
	if err != nil {
		return err
	}
	text := "Cannot delete or cancel because " + escapeHTML(d.meta.Name) + " " + bold(d.Name()) + " is linked with " + by
	shown := []Message{{Message: text, Title: "Message", Indicator: "red", Raise: 1}}
	if d.meta.slotOf["disabled"] > 0 || d.meta.slotOf["enabled"] > 0 {
		text = "You can disable this " + escapeHTML(d.meta.Name) + " instead of deleting it."
		shown = append(shown, Message{Message: text, Title: "Message", Indicator: "red", Raise: 1})
	}
	return &Error{Code: LinkExistsError, Message: text, Messages: shown}
}

// linkedBy names a document of a DocType that links to d, or gives "".
func (db *DB) linkedBy(ctx context.Context, d *Doc, m *meta, cancel bool) (string, error) {
	links := slices.DeleteFunc(slices.Clone(m.links), func(l linkField) bool {
		return l.typeSlot < 0 && l.doctype != d.meta.Name || cancel && m.slots[l.slot].name == "amended_from"
	})
	if len(links) == 0 || bool(m.IsVirtual) {
		return "", nil
	}
	if m.IsSingle {
		return db.linkedBySingle(ctx, d, m, links, cancel)
	}
	linked := store.Cond{Op: store.OpOr}
	for _, l := range links {
		link := []store.Cond{compare(store.OpEqual, m.slots[l.slot].expr(), d.Name())}
		if l.typeSlot >= 0 {
			link = append(link, compare(store.OpEqual, m.slots[l.typeSlot].expr(), d.meta.Name))
			if !cancel {
				link = append(link, compare(store.OpNotEqual, m.expr("docstatus"), "2"))
			}
		}
		linked.Conds = append(linked.Conds, simplified(store.Cond{Op: store.OpAnd, Conds: link}))
	}
	where := []store.Cond{simplified(linked)}
	if cancel {
		where = append(where, compare(store.OpEqual, m.expr("docstatus"), "1"))
	}
	q := &store.Query{Tenant: db.tenant, From: m.table, Columns: []store.Expr{m.expr("name"), {Func: store.FuncLiteral, Text: &m.Name}}, Limit: 1}
	if m.IsTable {
		q.Columns = []store.Expr{m.expr("parent"), m.expr("parenttype")}
		where = append(where, store.Cond{Op: store.OpOr, Conds: []store.Cond{
			compare(store.OpNotEqual, m.expr("parent"), d.Name()), compare(store.OpNotEqual, m.expr("parenttype"), d.meta.Name)}})
	} else if m == d.meta {
		where = append(where, compare(store.OpNotEqual, m.expr("name"), d.Name()))
	}
	q.Where = simplified(store.Cond{Op: store.OpAnd, Conds: where})
	q.AnyOrder = true // whether there is one: in their order, a database may look through all rows for it
	rows, err := db.texts(ctx, q)
	if q.AnyOrder = false; err == nil && len(rows) > 0 {
		rows, err = db.texts(ctx, q)
	}
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return escapeHTML(rows[0][1]) + " " + bold(rows[0][0]), nil
}

func (db *DB) linkedBySingle(ctx context.Context, d *Doc, m *meta, links []linkField, cancel bool) (string, error) {
	s, err := db.loadSingle(ctx, m)
	if err != nil || cancel || m == d.meta {
		return "", err
	}
	for _, l := range links {
		same := store.CompareText(toText(s.values[l.slot]), d.Name()) == 0
		if same && (l.typeSlot < 0 || toText(s.values[l.typeSlot]) == d.meta.Name) {
			return bold(m.Name), nil
		}
	}
	return "", nil
}
