package frappems

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/frappems/frappems/internal/value"

	"github.com/frappems/frappems/store"
)

// serveResource answers a request of Frappe's REST API v1 for documents of one DocType; name is empty for all of them.
func (a *App) serveResource(w http.ResponseWriter, r *http.Request, res *resource, name string) error {
	m := res.meta
	verb := res.verb(r.Method, name)
	need := map[string]right{"list": mayRead | maySelect, "get": mayRead, "create": mayCreate, "update": mayWrite, "delete": mayDelete}[verb]
	if acc := accessTo(UserFrom(r.Context()), m); !acc.ever(need) && (acc.user.isGuest() || verb == "list") {
		return acc.denied(need, "")
	}
	db, err := a.DB(r.Context())
	if err != nil {
		return err
	}
	switch {
	case verb == "list":
		return a.serveList(w, r, db, m, nil)
	case verb == "get" && r.URL.Query().Has("run_method"):
		return a.serveDocMethod(w, r, m, name, "")
	case verb == "get":
		return a.serveGet(w, r, db, m, name)
	case verb == "create":
		return a.serveCreate(w, r, db, m)
	case verb == "delete":
		return a.serveDelete(w, r, db, m, name)
	case r.Method == http.MethodPost:
		return a.serveDocMethod(w, r, m, name, "")
	}
	return a.serveUpdate(w, r, db, m, name)
}

func sendJSON(w http.ResponseWriter, status int, body []byte) error {
	w.Header()["Content-Type"] = contentJSON
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // a client that hung up is no error of ours
	return nil
}

// sendDoc answers with a document: of one that the user could change but may not read, without its values.
func (db *DB) sendDoc(w http.ResponseWriter, d *Doc) error {
	w.Header().Set("ETag", d.tag())
	out := append(db.appendDoc(append(db.app.buffer(), `{"data":`...), d, false), '}')
	defer db.app.reuse(out)
	return sendJSON(w, http.StatusOK, out)
}

// appendDoc writes a document as the user may see it, with its nulls or without.
func (db *DB) appendDoc(out []byte, d *Doc, nulls bool) []byte {
	a := db.accessTo(d.meta)
	levels := a.readsLevel
	if !d.isNew && !a.allows(mayRead, toText(d.values[slotOwner])) {
		levels = func(int) bool { return false }
	}
	return d.appendDoc(out, levels, nulls)
}

func (a *App) serveGet(w http.ResponseWriter, r *http.Request, db *DB, m *meta, name string) error {
	if err := a.checkParameters(r.URL.Query(), nil); err != nil {
		return err
	}
	access := db.accessTo(m)
	if bool(m.IsSingle) || !access.readsEvery() {
		d, err := db.Get(r.Context(), m.Name, name)
		if err != nil {
			return err
		}
		return db.sendDoc(w, d)
	}
	out, modified, err := db.appendDocument(r.Context(), append(a.buffer(), `{"data":`...), m, name, access.readsLevel)
	if err != nil {
		return err
	}
	defer func() { a.reuse(out) }()
	tag := versionTag(modified)
	w.Header().Set("ETag", tag)
	if matchesTag(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	out = append(out, '}')
	return sendJSON(w, http.StatusOK, out)
}

func (a *App) serveCreate(w http.ResponseWriter, r *http.Request, db *DB, m *meta) error {
	values, err := db.readValues(r, m)
	if err != nil {
		return err
	}
	d, err := db.create(r.Context(), m, values)
	if err != nil {
		return err
	}
	return db.sendDoc(w, d)
}

func (a *App) serveDelete(w http.ResponseWriter, r *http.Request, db *DB, m *meta, name string) error {
	err := db.Tx(r.Context(), func(db *DB) error {
		if r.Header.Get("If-Match") != "" {
			d, err := db.load(r.Context(), m, name, store.UpdateLock)
			if err != nil {
				return err
			}
			if err := db.checkMatch(r, d, mayDelete); err != nil {
				return err
			}
		}
		return db.delete(r.Context(), m, name)
	})
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusAccepted, []byte(`{"data":"ok"}`))
}

func (a *App) serveUpdate(w http.ResponseWriter, r *http.Request, db *DB, m *meta, name string) error {
	values, err := db.readValues(r, m)
	if err != nil {
		return err
	}
	d, err := db.change(r.Context(), m, name, func(db *DB, d *Doc) error {
		if err := db.checkMatch(r, d.before, mayWrite); err != nil {
			return err
		}
		return d.update(values)
	})
	if err != nil {
		return err
	}
	return db.sendDoc(w, d)
}

// update sets the fields that a client sent of a stored document.
func (d *Doc) update(values map[string]json.RawMessage) error {
	stored := d.values[slotName]
	if err := d.assignAll(values); err != nil {
		return err
	}
	// A name in the body is the document that Frappe would save, with the rights of the one in the path.
	if other := d.Name(); other != toText(stored) {
		return notFound(d.meta, other)
	}
	d.values[slotName] = stored
	return nil
}

// readValues reads the fields that a client sends: a JSON object, a form, or either with all of them as JSON under data.
// What says who and whose a document is cannot be sent; the user's own tenant may stand there, another is refused.
func (db *DB) readValues(r *http.Request, m *meta) (map[string]json.RawMessage, error) {
	values, err := readForm(r)
	if err != nil {
		return nil, err
	}
	if _, isField := m.slotOf["data"]; !isField && values["data"] != nil {
		if nested, err := nestedObject(values["data"]); err != nil || nested != nil {
			if err != nil {
				return nil, err
			}
			values = nested
		}
	}
	return db.settable(values)
}

// settable drops what a client may not say of a document: who made it, when, and whose it is.
func (db *DB) settable(values map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	if raw := values["tenant_id"]; raw != nil {
		if tenant, err := value.Decode(raw); err != nil || tenant != nil && tenant != db.tenant {
			return nil, Errorf(PermissionError, "The tenant_id is not that of your tenant")
		}
	}
	values = maps.Clone(values)
	for _, never := range []string{"doctype", "owner", "creation", "modified_by", "tenant_id", "flags"} {
		delete(values, never)
	}
	return values, nil
}

// nestedObject reads an object, or a text that is one; anything else is nil.
func nestedObject(raw json.RawMessage) (map[string]json.RawMessage, error) {
	raw = bytes.TrimSpace(raw)
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(strings.TrimSpace(text))
	}
	if len(raw) == 0 || raw[0] != '{' {
		return nil, nil
	}
	return parseObject(raw)
}

// readForm reads a body: JSON, whatever its content type says, as Frappe does, or a form, which the query is part of.
func readForm(r *http.Request) (map[string]json.RawMessage, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	form := r.URL.Query()
	if kind == "multipart/form-data" {
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			return nil, formProblem(err)
		}
		defer r.MultipartForm.RemoveAll()
		maps.Copy(form, r.MultipartForm.Value)
	} else {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.TrimSpace(body)
		if len(body) > 0 && (kind != "application/x-www-form-urlencoded" || body[0] == '{') {
			return parseObject(body)
		}
		sent, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, formProblem(err)
		}
		maps.Copy(form, sent)
	}
	values := make(map[string]json.RawMessage, len(form))
	for key, texts := range form {
		if !utf8.ValidString(key + texts[0]) {
			return nil, errNotUTF8
		}
		values[key] = jsonText(texts[0])
	}
	return values, nil
}

func formProblem(err error) error {
	if e := asError(err); e.Code == RequestTooLargeError {
		return e
	}
	return Errorf(ValidationError, "The form cannot be read: %s", escapeHTML(err.Error()))
}

// listArgs are the parameters of a list.
type listArgs struct {
	fields, filters, orFilters json.RawMessage
	orderBy, groupBy           string
	start, limit               int // limit 0: all
	asDict                     bool
	parents                    []*meta // of a list of rows of a child table
	pages                      pageArgs
	where                      []store.Cond // beside the filters
}

// listParameters are those that Frappe knows. Some change nothing here: distinct (which v15 ignores, too), debug, parent.
var listParameters = []string{"fields", "filters", "or_filters", "order_by", "group_by", "limit", "limit_start",
	"limit_page_length", "as_dict", "distinct", "debug", "parent", "doctype", "cmd", "expand", "expand_children", "after", "has_next_page"}

func (a *App) serveList(w http.ResponseWriter, r *http.Request, db *DB, m *meta, parents []*meta) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return Errorf(ValidationError, "The query string cannot be read: %s", escapeHTML(err.Error()))
	}
	if exchangeFrom(r.Context()).v2 {
		if query.Has("start") { // as clients of v16 send it; v15, whose answers were recorded, does not say it
			query.Set("has_next_page", "1")
		}
		pageParameters(query)
	}
	args, err := a.readListArgs(query)
	if err != nil {
		return err
	}
	args.parents = parents
	l, err := db.listing(r.Context(), m, args)
	if err != nil {
		return err
	}
	return l.send(r.Context(), w, "data")
}

// parentsOf are the DocTypes that are served and have rows of a child table. The rows of a Single come with it only: there is no
// table of its documents that could say who may read them.
func (a *App) parentsOf(m *meta) []*meta {
	var parents []*meta
	for _, name := range a.registry.names { // in their order, so that one request makes one statement
		parent := a.registry.byName[name]
		if res := a.router.resources[parent]; res != nil && m != nil && parent.table != nil && parent.tableWith(m) >= 0 && res.allows("list") {
			parents = append(parents, parent)
		}
	}
	return parents
}

// rowParents says of which DocTypes' documents a list of rows of a child table is. The parameter parent names the DocType:
// who may read its documents may list their rows. Administrator may leave it out.
func rowParents(user *User, m *meta, parents []*meta, named string) ([]*meta, error) {
	if named != "" {
		parents = slices.DeleteFunc(parents, func(p *meta) bool { return p.Name != named && p.slug != named })
	}
	if len(parents) == 0 || named == "" && user.Name != administratorName {
		return nil, Errorf(PermissionError, "Rows of %s are listed with the parameter parent: the DocType that they are part of", bold(m.Name))
	}
	if acc := accessTo(user, parents[0]); acc.onlySelects() {
		return nil, acc.denied(mayRead, "")
	}
	return parents, nil
}

// serveRows answers with a list of rows of a child table.
func (a *App) serveRows(w http.ResponseWriter, r *http.Request, m *meta, parents []*meta) error {
	parents, err := rowParents(UserFrom(r.Context()), m, parents, r.URL.Query().Get("parent"))
	if err != nil {
		return err
	}
	db, err := a.DB(r.Context())
	if err != nil {
		return err
	}
	return a.serveList(w, r, db, m, parents)
}

// readListArgs reads the parameters of a list. What cannot be used is refused: a client that gets other rows than it asked
// for does not notice.
func (a *App) readListArgs(query url.Values) (listArgs, error) {
	args := listArgs{orderBy: query.Get("order_by"), groupBy: query.Get("group_by"), limit: 20, asDict: true}
	if err := a.checkParameters(query, listParameters); err != nil {
		return args, err
	}
	for i, to := range []*json.RawMessage{&args.fields, &args.filters, &args.orFilters} {
		if text := query.Get([]string{"fields", "filters", "or_filters"}[i]); text != "" {
			*to = json.RawMessage(text)
		}
	}
	var err error
	for _, name := range []string{"limit", "limit_page_length"} { // the second wins
		if args.limit, err = count(query, name, args.limit); err != nil {
			return args, err
		}
	}
	if args.start, err = count(query, "limit_start", 0); err != nil {
		return args, err
	}
	switch strings.ToLower(query.Get("as_dict")) {
	case "", "true", "1":
	case "false", "0":
		args.asDict = false
	default:
		return args, unusable("as_dict", query.Get("as_dict"), "true or false")
	}
	return args, args.readPages(query)
}

func unusable(name, text, want string) error {
	return Errorf(DataError, "The parameter %s is %s, it must be %s", bold(name), quoteShort(text), want)
}

// count reads a number of rows.
func count(query url.Values, name string, absent int) (int, error) {
	text := strings.TrimSpace(query.Get(name))
	if text == "" || text == "null" || text == "None" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, unusable(name, text, "a number of rows")
	}
	return n, nil
}

// checkParameters refuses a parameter that is a known one misspelt: Frappe ignores it, so that a misspelt filter lists
// everything. With Config.StrictQuery it refuses all that are not known.
func (a *App) checkParameters(query url.Values, known []string) error {
	var unknown []string
	for name := range query {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		for _, k := range known {
			if distance(strings.ToLower(name), k) <= min(2, len(name)/3) {
				return Errorf(ValidationError, "There is no parameter %s, did you mean %s?", bold(name), bold(k))
			}
		}
		if a.config.StrictQuery {
			return Errorf(ValidationError, "There is no parameter %s", bold(name))
		}
	}
	return nil
}

// distance is how many letters have to be added, dropped or changed to make b of a.
func distance(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal + boolInt(a[i] != b[j])
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// list makes the query of a list. It is nil where nothing that was asked for may be read: then there are no rows.
func (db *DB) list(ctx context.Context, m *meta, args listArgs) (*queryBuilder, error) {
	if m.table == nil {
		return nil, Errorf(ValidationError, "%s is a single document, there is no list of it", bold(m.Name))
	}
	b := db.newQuery(ctx, m)
	if len(args.parents) > 0 {
		b.confineRows(args.parents)
	}
	if err := b.access.checkList(); err != nil {
		return nil, err
	}
	if err := b.addListFields(args.fields); err != nil || len(b.output) == 0 {
		return nil, err
	}
	where := slices.Concat(b.access.conditions(0), b.parent, args.where)
	for _, f := range []struct {
		raw json.RawMessage
		op  store.Op
	}{{args.filters, store.OpAnd}, {args.orFilters, store.OpOr}} {
		if f.raw == nil {
			continue
		}
		c, err := b.parseFilters(f.raw, f.op)
		if err != nil {
			return nil, err
		}
		if c.Op != store.OpTrue {
			where = append(where, c)
		}
	}
	b.query.Where = simplified(store.Cond{Op: store.OpAnd, Conds: where})
	if strings.Count(args.groupBy, ",") >= maxFields || strings.Count(args.orderBy, ",") >= maxFields {
		return nil, Errorf(ValidationError, "There are more than %d fields to sort or group by", maxFields)
	}
	if err := b.groupBy(args.groupBy); err != nil {
		return nil, err
	}
	if err := b.orderBy(args.orderBy); err != nil {
		return nil, err
	}
	if err := b.setLimit(args); err != nil {
		return nil, err
	}
	if args.pages.after == nil && args.pages.children == nil { // which ask for further columns
		b.reuseStatement(args)
	}
	return b, b.setPages(args)
}

// reuseStatement finds the statement of a query that differs in its values only.
func (b *queryBuilder) reuseStatement(args listArgs) {
	size := len(args.fields) + len(args.orderBy) + len(args.groupBy)
	if len(b.sources) > 0 || size > maxKeptText {
		return
	}
	key := listKey{rights: b.rights(), text: string(args.fields) + "\x00" + args.orderBy + "\x00" + args.groupBy}
	shape, ok := b.query.Where.AppendShape(make([]byte, 0, 256))
	if key.shape = string(shape); !ok || len(shape) > maxKeptText {
		return
	}
	if b.query.Statement = b.meta.statements.get(key); b.query.Statement == nil {
		b.query.Statement = new(store.Statement)
		b.meta.statements.put(key, b.query.Statement)
	}
}

// listFields are the fields of a list as a client named them, looked up. They depend on their text and on the rights of the
// user in the DocType alone where they join no other table, and are kept: clients ask for the same ones again and again.
type listFields struct {
	output  []column
	columns []store.Expr
	dropped bool
}

// listKey is what a list of fields, or the statement of a list, depends on: its DocType aside.
type listKey struct {
	rights listRights
	text   string // of the client
	shape  string // of the conditions
}

type listRights struct {
	all         bool
	always, own right
	levels      uint64
}

func (b *queryBuilder) rights() listRights {
	return listRights{b.access.all, b.access.always, b.access.own, b.access.readLevels}
}

func (b *queryBuilder) addListFields(fields json.RawMessage) error {
	key := listKey{rights: b.rights(), text: string(fields)}
	if known := b.meta.listFields.get(key); known != nil && len(b.sources) == 0 {
		b.output, b.query.Columns, b.dropped = known.output, known.columns, known.dropped
		return nil
	}
	joins := len(b.sources)
	if fields != nil {
		if err := b.addFields(fields); err != nil {
			return err
		}
	}
	if len(b.output) == 0 && !b.dropped {
		if err := b.addField("name"); err != nil {
			return err
		}
	}
	if joins == 0 && len(b.sources) == 0 && len(fields) <= maxKeptText {
		b.meta.listFields.put(key, &listFields{slices.Clip(b.output), slices.Clip(b.query.Columns), b.dropped})
	}
	return nil
}

// setLimit puts the page into the query. Without a limit there is no start either, as in Frappe, and one row more than
// allowed is asked for, to tell that there are more.
func (b *queryBuilder) setLimit(args listArgs) error {
	most := b.db.app.config.MaxRows
	if args.limit > most {
		return tooManyRows(most)
	}
	if b.query.Limit, b.query.Offset = args.limit, args.start; args.limit == 0 {
		b.query.Limit, b.query.Offset = most+1, 0
	}
	return nil
}

func tooManyRows(most int) error {
	return Errorf(ValidationError, "This would be more than %d rows: ask for pages with limit_start and limit_page_length", most)
}

// appendRow writes one row, as an object or as a list of its values.
func appendRow(out []byte, columns []column, row [][]byte, asDict bool) []byte {
	open, shut := byte('['), byte(']')
	if asDict {
		open, shut = '{', '}'
	}
	out = append(out, open)
	for i := range columns {
		if i > 0 {
			out = append(out, ',')
		}
		if asDict {
			out = append(out, columns[i].key...)
		}
		out = appendColumn(out, columns[i].typ, row[i])
	}
	return append(out, shut)
}
