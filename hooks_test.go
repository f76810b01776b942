package frappems_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
)

// lifeTypes are an order that can be submitted, what it links to, and a Single.
const lifeTypes = `[
{"name": "Client", "autoname": "field:title", "allow_rename": 1, "fields": [{"fieldname": "title", "fieldtype": "Data"},
	{"fieldname": "kind", "fieldtype": "Select", "options": "\nGood\nBad"}, {"fieldname": "pin", "fieldtype": "Password"},
	{"fieldname": "note", "fieldtype": "Data", "unique": 1}, {"fieldname": "lines", "fieldtype": "Table", "options": "Line"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}, {"role": "Clerk", "read": 1}]},
{"name": "Line", "istable": 1, "fields": [{"fieldname": "client", "fieldtype": "Link", "options": "Client"},
	{"fieldname": "qty", "fieldtype": "Int", "default": "1"}, {"fieldname": "unit", "fieldtype": "Select", "options": "pcs\nkg"}]},
{"name": "Sale", "autoname": "S-.###", "is_submittable": 1, "fields": [{"fieldname": "client", "fieldtype": "Link", "options": "Client"},
	{"fieldname": "amended_from", "fieldtype": "Link", "options": "Sale"}, {"fieldname": "total", "fieldtype": "Currency"},
	{"fieldname": "memo", "fieldtype": "Data", "allow_on_submit": 1}, {"fieldname": "lines", "fieldtype": "Table", "options": "Line"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1, "submit": 1, "cancel": 1, "amend": 1}]},
{"name": "Ask", "autoname": "prompt", "fields": [{"fieldname": "memo", "fieldtype": "Data"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}]},
{"name": "Count", "autoname": "autoincrement", "fields": [{"fieldname": "memo", "fieldtype": "Data"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}]},
{"name": "Options", "issingle": 1, "fields": [{"fieldname": "best", "fieldtype": "Link", "options": "Client"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1}]}]`

var lifeResources = []string{"Client", "Sale", "Ask", "Count", "Options"}

var everyEvent = []frappems.Event{"before_insert", "before_naming", "autoname", "before_validate", "validate", "before_save", "before_update",
	"after_insert", "after_update", "on_update", "before_submit", "on_submit", "before_cancel", "on_cancel", "before_update_after_submit",
	"on_update_after_submit", "before_delete", "on_trash", "after_delete", "on_change", "before_rename", "after_rename"}

type hook = func(ctx context.Context, db *frappems.DB, d *frappems.Doc) error

// life is a service with hooks, and its DB of the tenant acme.
func life(t *testing.T, register func(app *frappems.App), change ...func(*frappems.Config)) (*shop, *frappems.DB) {
	t.Helper()
	s := newHooked(t, lifeTypes, lifeResources, register, change...)
	db, err := s.app.AsTenant(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}

// on registers one hook.
func on(doctype string, event frappems.Event, f hook) func(app *frappems.App) {
	return func(app *frappems.App) { app.On(doctype, event, f) }
}

// TestEvents: the events of each operation, in order. After the event stands where the document is: † not in the store yet,
// ‡ no longer; "line" is an event of a row.
func TestEvents(t *testing.T) {
	var seen []string
	s, db := life(t, func(app *frappems.App) {
		for _, e := range everyEvent {
			app.On("*", e, func(ctx context.Context, db *frappems.DB, d *frappems.Doc) error {
				mark := ""
				if there, err := db.Exists(ctx, d.DocType(), d.Name()); err != nil {
					return err
				} else if !there && e == "after_delete" {
					mark = "‡"
				} else if !there {
					mark = "†"
				}
				if d.DocType() == "Line" {
					mark += "line"
				}
				if !db.InTx() {
					mark += " outside the transaction"
				}
				seen = append(seen, string(e)+mark)
				return nil
			})
		}
	})
	insert := func(doctype string, fields map[string]any) func() error {
		return func() error { _, err := db.Insert(t.Context(), doctype, fields); return err }
	}
	lines := []any{map[string]any{"qty": 1}, map[string]any{"qty": 2}}
	const naming = "before_insert† before_naming† autoname† "
	const rows = "before_naming†line autoname†line before_naming†line autoname†line "
	const saved = "before_validate validate before_save before_update after_update on_update on_change"
	const inserted = "before_validate† validate† before_save† after_insert on_update on_change"
	for _, test := range []struct {
		name string
		do   func() error
		want string
	}{
		{"insert", insert("Sale", map[string]any{"lines": lines}), naming + rows + inserted},
		{"save", s.put("Sale", "S-001", `{"memo": "x"}`), saved},
		{"save with a new row", s.put("Sale", "S-001", `{"lines": [{"qty": 5}]}`), "before_naming†line autoname†line " + saved},
		{"set_value", func() error {
			_, err := db.SetValue(t.Context(), "Sale", "S-001", map[string]any{"memo": "z"})
			return err
		}, saved},
		{"submit", func() error { _, err := db.Submit(t.Context(), "Sale", "S-001"); return err },
			"before_validate validate before_submit after_update on_update on_submit on_change"},
		{"save after submit", s.put("Sale", "S-001", `{"memo": "y"}`), "before_update_after_submit on_update_after_submit on_change"},
		{"cancel", func() error { _, err := db.Cancel(t.Context(), "Sale", "S-001"); return err }, "before_cancel on_cancel on_change"},
		{"insert, amended", insert("Sale", map[string]any{"amended_from": "S-001", "lines": lines}),
			"before_insert† before_naming† " + rows + inserted},
		{"insert, submitted", insert("Sale", map[string]any{"docstatus": 1}),
			naming + "before_validate† validate† before_submit† after_insert on_update on_submit on_change"},
		{"insert, prompted", insert("Ask", map[string]any{"name": "A"}), "before_insert† before_naming† " + inserted},
		{"insert, counted", insert("Count", map[string]any{}), "before_insert† before_naming† " + inserted},
		{"insert a client", insert("Client", map[string]any{"title": "Ada"}), naming + inserted},
		{"rename", func() error { _, err := db.Rename(t.Context(), "Client", "Ada", "Bob", false); return err }, "before_rename after_rename"},
		{"another client", insert("Client", map[string]any{"title": "Eve"}), naming + inserted},
		{"merge", func() error { _, err := db.Rename(t.Context(), "Client", "Bob", "Eve", true); return err },
			"before_rename after_rename before_delete on_trash on_change after_delete‡"},
		{"delete", func() error { return db.Delete(t.Context(), "Client", "Eve") }, "before_delete on_trash on_change after_delete‡"},
		{"save a Single", s.put("Options", "Options", `{"best": null}`), saved},
		{"insert a Single", insert("Options", map[string]any{}), "before_insert before_naming " + strings.ReplaceAll(inserted, "†", "")},
		{"get, list, count, exists", func() error {
			_, err := db.Get(t.Context(), "Sale", "S-001")
			_, err2 := db.List(t.Context(), "Sale", frappems.ListOptions{})
			_, err3 := db.Count(t.Context(), "Sale", nil)
			return errors.Join(err, err2, err3)
		}, ""},
		{"a failed save", func() error {
			if err := s.put("Sale", "S-001", `{"memo": "late"}`)(); err == nil {
				return errors.New("a cancelled document was changed")
			}
			return nil
		}, ""},
	} {
		seen = nil
		if err := test.do(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		// An insert's own events know no name; the store is asked for "" then, which nobody has.
		if got := strings.Join(seen, " "); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

// put is a request that changes a document.
func (s *shop) put(doctype, name, body string) func() error {
	return func() error {
		if got := s.send("manager@acme", "PUT", docPath(doctype, name), body); got.status != 200 {
			return fmt.Errorf("%d %s", got.status, got.body)
		}
		return nil
	}
}

func TestOnOrder(t *testing.T) {
	var seen []string
	note := func(what string) hook {
		return func(context.Context, *frappems.DB, *frappems.Doc) error { seen = append(seen, what); return nil }
	}
	_, db := life(t, func(app *frappems.App) {
		app.On("*", frappems.Validate, note("all 1"))
		app.On("Ask", frappems.Validate, note("Ask 1"))
		app.On("Count", frappems.Validate, note("Count"))
		app.On("*", frappems.Validate, note("all 2"))
		app.On("ask", frappems.Validate, note("Ask 2"))
	})
	if _, err := db.Insert(t.Context(), "Ask", map[string]any{"name": "A"}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(seen); got != "[Ask 1 Ask 2 all 1 all 2]" {
		t.Errorf("got %s", got)
	}
}

func TestOnMistakes(t *testing.T) {
	nothing := func(context.Context, *frappems.DB, *frappems.Doc) error { return nil }
	s, _ := life(t, func(app *frappems.App) {
		for _, test := range []struct {
			doctype, want string
			event         frappems.Event
			hook          hook
		}{
			{"Nothing", `no DocType "Nothing"`, frappems.Validate, nothing},
			{"", `no DocType ""`, frappems.Validate, nothing},
			{"Sale", `no event "after_save"`, "after_save", nothing},
			{"*", `no event ""`, "", nothing},
			{"Sale", "the hook is nil", frappems.Validate, nil},
			{"Line", "child table", frappems.Validate, nothing},
		} {
			wantPanic(t, test.want, func() { app.On(test.doctype, test.event, test.hook) })
		}
		app.On("Line", frappems.Autoname, nothing)
	})
	wantPanic(t, "after Start", func() { s.app.On("Sale", frappems.Validate, nothing) })
}

// wantPanic wants a panic that says something and names this file.
func wantPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if text := fmt.Sprint(recover()); !strings.Contains(text, want) || !strings.Contains(text, "hooks_test.go:") {
			t.Errorf("got panic %q, want one with %q and the line", text, want)
		}
	}()
	f()
}

// TestHookFails: what a client is told of it, and that the next request works.
func TestHookFails(t *testing.T) {
	var fail func() error
	s, _ := life(t, on("Ask", frappems.OnUpdate, func(context.Context, *frappems.DB, *frappems.Doc) error { return fail() }))
	for _, test := range []struct {
		name   string
		fail   func() error
		status int
		want   string
	}{
		{"invalid", func() error { return frappems.Invalid("no <b>bad</b> memos") }, 417, `no \\\\u003cb\\\\u003ebad`},
		{"with a code", func() error { return frappems.Errorf(frappems.PermissionError, "not today") }, 403, "not today"},
		{"wrapped", func() error { return fmt.Errorf("while checking: %w", frappems.Invalid("too long")) }, 417, "too long"},
		{"any other", func() error { return errors.New("secret detail") }, 500, "An internal error occurred (request id the-id)"},
		{"panic", func() error { panic("secret detail") }, 500, "An internal error occurred (request id the-id)"},
		{"none", func() error { return nil }, 200, `"name":"A"`},
	} {
		fail = test.fail
		r := httptest.NewRequest("POST", "/api/resource/Ask", strings.NewReader(`{"name": "A"}`))
		r.Header.Set("Authorization", "token manager@acme:s")
		r.Header.Set("X-Request-Id", "the-id")
		w := httptest.NewRecorder()
		s.app.ServeHTTP(w, r)
		if body := w.Body.String(); w.Code != test.status || !strings.Contains(body, test.want) || strings.Contains(body, "secret detail") {
			t.Errorf("%s: got %d %s", test.name, w.Code, body)
		}
	}
}

// TestHookChanges: what hooks change before the store is written is checked and kept, but for what has been decided already.
func TestHookChanges(t *testing.T) {
	set := func(field string, value any) hook {
		return func(_ context.Context, _ *frappems.DB, d *frappems.Doc) error { return d.Set(field, value) }
	}
	for _, test := range []struct {
		name, doctype string
		event         frappems.Event
		hook          hook
		body          string
		status        int
		want          string // of what is stored, or of the error
	}{
		{"before_insert", "Client", "before_insert", set("title", "Cy"), `{"title": "Ada"}`, 200, `"name":"Cy"`},
		{"before_validate", "Client", "before_validate", set("kind", "Good"), `{"title": "Ada"}`, 200, `"kind":"Good"`},
		{"before_save", "Client", "before_save", set("kind", "Bad"), `{"title": "Ada", "kind": "Good"}`, 200, `"kind":"Bad"`},
		{"checked", "Client", "before_save", set("kind", "Ugly"), `{"title": "Ada"}`, 417, "It should be one of"},
		{"made harmless", "Client", "before_save", set("note", "<script>x</script>"), `{"title": "Ada"}`, 200, `"note":"\u0026lt;script`},
		{"no name", "Client", "before_save", set("name", "Eve"), `{"title": "Ada"}`, 200, `"name":"Ada"`},
		{"no docstatus", "Sale", "before_save", set("docstatus", 1), `{}`, 200, `"docstatus":0`},
		{"autoname", "Client", "autoname", set("name", "X 1"), `{"title": "Ada"}`, 200, `"name":"X 1"`},
		{"autoname, refused", "Client", "autoname", set("name", "<b>"), `{"title": "Ada"}`, 409, "special characters"},
		{"autoname of rows", "Line", "autoname", set("name", "row-1"), `{"title": "Ada", "lines": [{}]}`, 200, `"name":"row-1"`},
		{"before_naming", "Client", "before_naming", set("title", "Di"), `{"title": "Ada"}`, 200, `"name":"Di"`},
		{"rows", "Client", "before_save", set("lines", []any{map[string]any{"unit": "kg"}}), `{"title": "Ada"}`, 200, `"qty":1,"unit":"kg"`},
		{"rows, checked", "Client", "validate", set("lines", []any{map[string]any{"unit": "m"}}), `{"title": "Ada"}`, 417, "Row #1"},
		{"after_insert", "Client", "after_insert", set("kind", "Bad"), `{"title": "Ada", "kind": "Good"}`, 200, `"kind":"Good"`},
		{"on_update", "Client", "on_update", set("kind", "Bad"), `{"title": "Ada", "kind": "Good"}`, 200, `"kind":"Good"`},
		{"no such field", "Client", "validate", set("color", "red"), `{"title": "Ada"}`, 417, "has no field"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, db := life(t, on(test.doctype, test.event, test.hook))
			doctype := test.doctype
			if doctype == "Line" {
				doctype = "Client"
			}
			got := s.send("manager@acme", "POST", docPath(doctype), test.body)
			if got.status == 200 {
				names, err := db.List(t.Context(), doctype, frappems.ListOptions{})
				if err != nil || len(names) != 1 {
					t.Fatalf("got %v %v", names, err)
				}
				got = s.get("manager@acme", doctype, fmt.Sprint(names[0]["name"]))
			}
			if got.status != test.status || !strings.Contains(got.body, test.want) {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
}

// TestHookRows: rows that a hook adds in a save are new ones, and the others stay.
func TestHookRows(t *testing.T) {
	s, _ := life(t, on("Client", frappems.BeforeUpdate, func(_ context.Context, _ *frappems.DB, d *frappems.Doc) error {
		var rows []any
		for _, row := range d.Get("lines").([]*frappems.Doc) {
			if err := row.Set("qty", 7); err != nil { // replaced below, so it does not count
				return err
			}
			rows = append(rows, map[string]any{"name": row.Name(), "qty": 8})
		}
		return d.Set("lines", append(rows, map[string]any{"unit": "kg"}))
	}))
	s.create("manager@acme", "Client", `{"title": "Ada", "lines": [{"qty": 2}]}`)
	was := s.get("manager@acme", "Client", "Ada").data(t)["lines"].([]any)[0].(map[string]any)
	s.send("manager@acme", "PUT", docPath("Client", "Ada"), `{"note": "x"}`).want(t, 200, "")
	rows := s.get("manager@acme", "Client", "Ada").data(t)["lines"].([]any)
	first, second := rows[0].(map[string]any), rows[1].(map[string]any)
	if len(rows) != 2 || first["name"] != was["name"] || first["creation"] != was["creation"] || first["qty"] != 8.0 ||
		second["unit"] != "kg" || second["qty"] != 1.0 || second["idx"] != 2.0 || second["owner"] != "manager@acme" || second["parent"] != "Ada" {
		t.Errorf("got %v, was %v", rows, was)
	}
}

// TestHookSees: Before, HasValueChanged and IsNew.
func TestHookSees(t *testing.T) {
	var seen []string
	look := func(event frappems.Event) hook {
		return func(_ context.Context, _ *frappems.DB, d *frappems.Doc) error {
			before := "none"
			if d.Before() != nil {
				before = fmt.Sprint(d.Before().Get("note"))
			}
			seen = append(seen, fmt.Sprintf("%s new=%t before=%s note=%t title=%t lines=%t nothing=%t", event, d.IsNew(), before,
				d.HasValueChanged("note"), d.HasValueChanged("title"), d.HasValueChanged("lines"), d.HasValueChanged("nothing")))
			return nil
		}
	}
	s, db := life(t, func(app *frappems.App) {
		for _, e := range []frappems.Event{"validate", "after_insert", "on_update"} {
			app.On("Client", e, look(e))
		}
	})
	s.create("manager@acme", "Client", `{"title": "Ada", "note": "1", "lines": [{}]}`)
	s.send("manager@acme", "PUT", docPath("Client", "Ada"), `{"note": "2"}`).want(t, 200, "")
	d, err := db.Get(t.Context(), "Client", "Ada")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Set("lines", []any{}), db.Save(t.Context(), d)); err != nil {
		t.Fatal(err)
	}
	const all = " note=true title=true lines=true nothing=true"
	for i, want := range []string{"validate new=true before=none" + all, "after_insert new=false before=none" + all, "on_update new=false before=none" + all,
		"validate new=false before=1 note=true title=false lines=false nothing=false", "on_update new=false before=1 note=true title=false lines=false nothing=false",
		"validate new=false before=2 note=false title=false lines=true nothing=false", "on_update new=false before=2 note=false title=false lines=true nothing=false"} {
		if i >= len(seen) || seen[i] != want {
			t.Errorf("got %q, want %s", seen, want)
			break
		}
	}
}

// TestHookWritesOthers: hooks change other documents in the same transaction, and what they pass over cannot leave a half.
func TestHookWritesOthers(t *testing.T) {
	ask := func(ctx context.Context, db *frappems.DB, name string) error {
		_, err := db.Insert(ctx, "Ask", map[string]any{"name": name})
		return err
	}
	for _, test := range []struct {
		name, memo string
		hook       hook
		code       frappems.Code // "": it succeeds
		asks       int
	}{
		{"insert", "", func(ctx context.Context, db *frappems.DB, _ *frappems.Doc) error { return ask(ctx, db, "B") }, "", 2},
		{"a duplicate, passed over", "", func(ctx context.Context, db *frappems.DB, _ *frappems.Doc) error {
			if err := ask(ctx, db, "A"); !errors.Is(err, frappems.DuplicateEntryError) {
				return fmt.Errorf("got %v", err)
			}
			return ask(ctx, db, "B")
		}, "", 2},
		{"half of an insert, passed over", "", func(ctx context.Context, db *frappems.DB, _ *frappems.Doc) error {
			ask(ctx, db, "bad")
			return nil
		}, frappems.ValidationError, 1},
		{"without end", "", func(ctx context.Context, db *frappems.DB, d *frappems.Doc) error {
			again, err := db.Get(ctx, d.DocType(), d.Name())
			if err != nil {
				return err
			}
			return db.Save(ctx, again)
		}, "too deep", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, db := life(t, func(app *frappems.App) {
				app.On("Client", frappems.OnUpdate, test.hook)
				app.On("Ask", frappems.AfterInsert, func(_ context.Context, _ *frappems.DB, d *frappems.Doc) error {
					if d.Name() == "bad" {
						return frappems.Invalid("this is bad")
					}
					return nil
				})
			})
			if err := ask(t.Context(), db, "A"); err != nil {
				t.Fatal(err)
			}
			_, err := db.Insert(t.Context(), "Client", map[string]any{"title": "Ada"})
			if test.code == "too deep" {
				if err == nil || !strings.Contains(err.Error(), "too deep") {
					t.Errorf("got %v", err)
				}
			} else if (err == nil) != (test.code == "") || err != nil && !errors.Is(err, test.code) {
				t.Errorf("got %v, want %q", err, test.code)
			}
			asks, err2 := db.Count(t.Context(), "Ask", nil)
			clients, err3 := db.Count(t.Context(), "Client", nil)
			if err2 != nil || err3 != nil || asks != test.asks || (clients == 1) != (test.code == "") {
				t.Errorf("%d asks and %d clients are there (%v, %v)", asks, clients, err2, err3)
			}
		})
	}
}

// clumsyStore has its first commits fail with a deadlock.
type clumsyStore struct {
	frappems.Store
	fails int
}

type clumsyTx struct {
	store.Tx
	s *clumsyStore
}

func (s *clumsyStore) Begin(ctx context.Context) (store.Tx, error) {
	tx, err := s.Store.Begin(ctx)
	return &clumsyTx{tx, s}, err
}

func (t *clumsyTx) Commit() error {
	if t.s.fails--; t.s.fails >= 0 {
		return errors.Join(store.ErrDeadlock, t.Rollback())
	}
	return t.Tx.Commit()
}

// TestAfterCommit: what runs after the commit runs once, in order, and not after a rollback.
func TestAfterCommit(t *testing.T) {
	clumsy := &clumsyStore{}
	var ran []string
	var refuse error
	s, db := life(t, on("Ask", frappems.BeforeSave, func(ctx context.Context, db *frappems.DB, d *frappems.Doc) error {
		for _, n := range []string{"1", "2"} {
			db.AfterCommit(ctx, func(context.Context) {
				ran = append(ran, d.Name()+n)
				if n == "1" {
					panic("in vain")
				}
			})
		}
		return refuse
	}), func(c *frappems.Config) {
		clumsy.Store = c.Store
		c.Store = clumsy
	})
	check := func(what, want string) {
		t.Helper()
		if got := strings.Join(ran, " "); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
		ran = nil
	}
	s.send("manager@acme", "POST", docPath("Ask"), `{"name": "A"}`).want(t, 200, "")
	check("a commit", "A1 A2")
	refuse = frappems.Invalid("no")
	s.send("manager@acme", "POST", docPath("Ask"), `{"name": "B"}`).want(t, 417, "ValidationError")
	check("a rollback", "")
	refuse, clumsy.fails = nil, 2
	s.send("manager@acme", "POST", docPath("Ask"), `{"name": "C"}`).want(t, 200, "")
	check("a commit at the third time", "C1 C2")
	clumsy.fails = 9
	s.sendAs("manager@acme", "PUT", docPath("Nothing", "A"), `{}`, nil).want(t, 404, "DoesNotExistError")
	if _, err := db.Insert(t.Context(), "Ask", map[string]any{"name": "D"}); !errors.Is(err, store.ErrDeadlock) {
		t.Errorf("got %v", err)
	}
	check("no commit", "")
	clumsy.fails = 0
	err := db.Tx(t.Context(), func(tx *frappems.DB) error {
		if !tx.InTx() || !db.InTx() {
			t.Error("no transaction is open")
		}
		tx.AfterCommit(t.Context(), func(ctx context.Context) {
			if db.InTx() {
				t.Error("the transaction is still open")
			}
			if _, err := db.Insert(ctx, "Ask", map[string]any{"name": "F"}); err != nil { // which has functions of its own
				t.Error(err)
			}
			ran = append(ran, "own")
		})
		_, err := tx.Insert(t.Context(), "Ask", map[string]any{"name": "E"})
		return err
	})
	if err != nil {
		t.Error(err)
	}
	check("a transaction with an insert", "F1 F2 own E1 E2")
	db.AfterCommit(t.Context(), func(context.Context) { ran = append(ran, "now") })
	check("outside", "now")
}

// TestAfterCommitContext: it outlives the client's patience, and knows the request.
func TestAfterCommitContext(t *testing.T) {
	var s *shop
	ctx, hangUp := context.WithCancel(t.Context())
	ran := false
	s, _ = life(t, on("Ask", frappems.OnUpdate, func(ctx context.Context, db *frappems.DB, d *frappems.Doc) error {
		db.AfterCommit(ctx, func(ctx context.Context) {
			ran = true
			hangUp()
			db, err := s.app.DB(ctx)
			if err != nil {
				t.Error(err)
			} else if there, err := db.Exists(ctx, "Ask", d.Name()); !there || err != nil {
				t.Errorf("got %t %v", there, err)
			}
			if _, ends := ctx.Deadline(); ctx.Err() != nil || !ends {
				t.Errorf("the context has ended (%v), or never ends", ctx.Err())
			}
		})
		return nil
	}))
	r := httptest.NewRequestWithContext(ctx, "POST", "/api/resource/Ask", strings.NewReader(`{"name": "A"}`))
	r.Header.Set("Authorization", "token manager@acme:s")
	s.app.ServeHTTP(httptest.NewRecorder(), r)
	if !ran {
		t.Error("it did not run")
	}
}

// TestSaveAgain: a document that could not be saved is as it was given, and a transaction that is repeated begins with that.
func TestSaveAgain(t *testing.T) {
	clumsy := &clumsyStore{}
	_, db := life(t, on("Client", frappems.BeforeUpdate, func(_ context.Context, _ *frappems.DB, d *frappems.Doc) error {
		lines := d.Get("lines").([]*frappems.Doc)
		note, _ := d.Get("note").(string)
		return errors.Join(d.Set("note", note+"!"), lines[0].Set("qty", lines[0].Get("qty").(int64)*10))
	}), func(c *frappems.Config) {
		clumsy.Store = c.Store
		c.Store = clumsy
	})
	d, err := db.Insert(t.Context(), "Client", map[string]any{"title": "Ada", "lines": []any{map[string]any{"qty": 2}}})
	if err != nil {
		t.Fatal(err)
	}
	row := d.Get("lines").([]*frappems.Doc)[0]
	modified := d.Get("modified")
	if err := errors.Join(d.Set("note", "a"), d.Set("kind", "Ugly"), d.Set("pin", "1234")); err != nil {
		t.Fatal(err)
	}
	if err := db.Save(t.Context(), d); !errors.Is(err, frappems.ValidationError) {
		t.Errorf("got %v", err)
	}
	if d.Get("note") != "a" || d.Get("modified") != modified || row.Get("qty") != int64(2) {
		t.Errorf("it is not as it was given: %v %v %v", d.Get("note"), d.Get("modified"), row.Get("qty"))
	}
	clumsy.fails = 2
	if err := errors.Join(d.Set("kind", "Good"), db.Save(t.Context(), d)); err != nil {
		t.Fatal(err)
	}
	if d.Get("note") != "a!" || row.Get("qty") != int64(20) || d.Get("pin") != "****" {
		t.Errorf("got %v, %v and %v", d.Get("note"), row.Get("qty"), d.Get("pin"))
	}
	stored, err := db.Get(t.Context(), "Client", "Ada")
	if err != nil || stored.Get("note") != "a!" || stored.Get("modified") != d.Get("modified") {
		t.Errorf("got %v %v %v", stored.Get("note"), stored.Get("modified"), err)
	}
	if kept := stored.Get("lines").([]*frappems.Doc)[0]; kept.Name() != row.Name() || kept.Get("creation") != d.Get("creation") || kept.Get("modified") != d.Get("modified") {
		t.Errorf("the row is of %v, changed at %v; the document of %v, changed at %v", kept.Get("creation"), kept.Get("modified"), d.Get("creation"), d.Get("modified"))
	}
}

func TestSetValue(t *testing.T) {
	s, db := life(t, func(*frappems.App) {})
	s.create("manager@acme", "Client", `{"title": "Ada", "lines": [{"qty": 2}, {"qty": 3}]}`)
	s.create("manager@globex", "Client", `{"title": "Glx", "lines": [{"qty": 2}]}`)
	row := func(as, name string) string {
		rows := s.get(as, "Client", name).data(t)["lines"].([]any)
		return rows[len(rows)-1].(map[string]any)["name"].(string)
	}
	for _, test := range []struct {
		doctype, name string
		fields        map[string]any
		want          frappems.Code
	}{
		{"Client", "Ada", map[string]any{"note": "x", "kind": "Good"}, ""},
		{"Client", "Ada", map[string]any{"kind": "Ugly"}, frappems.ValidationError},
		{"Client", "Ada", map[string]any{"name": "Eve"}, frappems.ValidationError},
		{"Client", "Ada", map[string]any{"docstatus": 1}, frappems.ValidationError},
		{"Client", "Ada", map[string]any{"owner": "me"}, frappems.ValidationError},
		{"Client", "Ada", map[string]any{"doctype": "Sale"}, frappems.ValidationError},
		{"Client", "Ada", map[string]any{"note": func() {}}, frappems.ValidationError},
		{"Client", "Eve", map[string]any{"note": "x"}, frappems.DoesNotExistError},
		{"Nothing", "Eve", map[string]any{"note": "x"}, frappems.DoesNotExistError},
		{"Line", row("manager@acme", "Ada"), map[string]any{"qty": 9}, ""},
		{"Line", row("manager@acme", "Ada"), map[string]any{"parent": "Eve"}, frappems.ValidationError},
		{"Line", row("manager@acme", "Ada"), map[string]any{"client": "Nobody"}, frappems.LinkValidationError},
		{"Line", row("manager@globex", "Glx"), map[string]any{"qty": 9}, frappems.DoesNotExistError},
		{"Line", "nothing", map[string]any{"qty": 9}, frappems.DoesNotExistError},
		{"Options", "Options", map[string]any{"best": "Ada"}, ""},
	} {
		d, err := db.SetValue(t.Context(), test.doctype, test.name, test.fields)
		if (err == nil) != (test.want == "") || err != nil && !errors.Is(err, test.want) {
			t.Errorf("%s %s %v: got %v %v, want %q", test.doctype, test.name, test.fields, d, err, test.want)
		}
	}
	got := s.get("manager@acme", "Client", "Ada").data(t)
	lines := got["lines"].([]any)
	if got["note"] != "x" || got["kind"] != "Good" || lines[0].(map[string]any)["qty"] != 2.0 || lines[1].(map[string]any)["qty"] != 9.0 {
		t.Errorf("got %v", got)
	}
}

// TestDocstatus: which changes of docstatus there are, who may make them, and what may be changed with them.
func TestDocstatus(t *testing.T) {
	s, db := life(t, on("Sale", frappems.BeforeCancel, func(_ context.Context, _ *frappems.DB, d *frappems.Doc) error { return d.Set("total", 5) }))
	client := s.create("manager@acme", "Client", `{"title": "Ada"}`)
	name := s.create("manager@acme", "Sale", `{"client": "Ada", "lines": [{"qty": 2}]}`)
	path := docPath("Sale", name)
	for _, test := range []struct {
		as, body string
		status   int
		want     string
	}{
		{"manager@acme", `{"docstatus": 2}`, 417, "DocstatusTransitionError"}, {"manager@acme", `{"docstatus": 3}`, 417, "ValidationError"},
		{"clerk@acme", `{"docstatus": 1}`, 403, "PermissionError"}, {"manager@acme", `{"docstatus": 1}`, 200, ""},
		{"manager@acme", `{"docstatus": 0}`, 417, "DocstatusTransitionError"}, {"manager@acme", `{"client": null}`, 417, "UpdateAfterSubmitError"},
		{"manager@acme", `{"memo": "x"}`, 200, ""}, {"manager@acme", `{"lines": []}`, 417, "UpdateAfterSubmitError"},
		{"manager@acme", `{"lines": [{}]}`, 404, "DoesNotExistError"}, {"manager@acme", `{"lines": [{}, {}]}`, 417, "UpdateAfterSubmitError"},
		{"manager@acme", `{"docstatus": 2, "client": null}`, 417, "UpdateAfterSubmitError"}, {"manager@acme", `{"docstatus": 2}`, 200, ""},
		{"manager@acme", `{"memo": "y"}`, 417, "ValidationError"}, {"manager@acme", `{"docstatus": 1}`, 417, "ValidationError"},
	} {
		if got := s.send(test.as, "PUT", path, test.body); got.status != test.status || got.Type != test.want {
			t.Errorf("%s as %s: got %d %s, want %d %s", test.body, test.as, got.status, got.body, test.status, test.want)
		}
	}
	if got := s.get("manager@acme", "Sale", name).data(t); got["docstatus"] != 2.0 || got["total"] != 5.0 || got["client"] != client ||
		got["lines"].([]any)[0].(map[string]any)["docstatus"] != 2.0 {
		t.Errorf("got %v", got)
	}
	draft := s.create("manager@acme", "Sale", `{}`)
	s.send("manager@acme", "POST", docPath("Sale"), `{"amended_from": "`+draft+`"}`).wantMessage(t, 417, "ValidationError", "not cancelled")
	if got := s.create("manager@acme", "Sale", `{"amended_from": "`+name+`"}`); got != name+"-1" {
		t.Errorf("amended to %s", got)
	}
	if _, err := db.Submit(t.Context(), "Sale", "S-999"); !errors.Is(err, frappems.DoesNotExistError) {
		t.Errorf("got %v", err)
	}
}

// TestCancelLinked: a document that a submitted one links to can be cancelled only if on_cancel takes the link away.
func TestCancelLinked(t *testing.T) {
	types := strings.Replace(lifeTypes, `{"fieldname": "memo", "fieldtype": "Data", "allow_on_submit": 1}`,
		`{"fieldname": "memo", "fieldtype": "Link", "options": "Sale", "allow_on_submit": 1}`, 1)
	unlink := ""
	s := newHooked(t, types, lifeResources, on("Sale", frappems.OnCancel, func(ctx context.Context, db *frappems.DB, _ *frappems.Doc) error {
		if unlink == "" {
			return nil
		}
		_, err := db.SetValue(ctx, "Sale", unlink, map[string]any{"memo": nil})
		return err
	}))
	first := s.create("manager@acme", "Sale", `{"docstatus": 1}`)
	second := s.create("manager@acme", "Sale", `{"docstatus": 1, "memo": "`+first+`"}`)
	s.send("manager@acme", "PUT", docPath("Sale", first), `{"docstatus": 2}`).want(t, 417, "LinkExistsError")
	if got := s.get("manager@acme", "Sale", first).data(t)["docstatus"]; got != 1.0 {
		t.Errorf("it is half cancelled: %v", got)
	}
	unlink = second
	s.send("manager@acme", "PUT", docPath("Sale", first), `{"docstatus": 2}`).want(t, 200, "")
}

// TestMatch: ETag, If-Match and If-None-Match.
func TestMatch(t *testing.T) {
	s, _ := life(t, func(*frappems.App) {})
	made := s.send("manager@acme", "POST", docPath("Client"), `{"title": "Ada"}`)
	first := made.header.Get("Etag")
	if got := s.get("manager@acme", "Client", "Ada").header.Get("Etag"); got != first || !strings.HasPrefix(first, `"2026`) {
		t.Errorf("got the tags %s and %s", first, got)
	}
	second := s.send("manager@acme", "PUT", docPath("Client", "Ada"), `{"note": "x"}`).header.Get("Etag")
	if second == first {
		t.Error("a change leaves the tag as it is")
	}
	if got := s.get("manager@acme", "Options", "Options"); got.header.Get("Etag") != `"00000000000000000000"` {
		t.Errorf("a Single that was never saved has the tag %s", got.header.Get("Etag"))
	}
	for _, test := range []struct {
		as, method, header, value string
		status                    int
		want                      string
	}{
		{"manager@acme", "GET", "If-None-Match", second, 304, ""}, {"manager@acme", "GET", "If-None-Match", `"1", W/` + second, 304, ""},
		{"manager@acme", "GET", "If-None-Match", "*", 304, ""}, {"manager@acme", "GET", "If-None-Match", first, 200, ""},
		{"stranger@acme", "GET", "If-None-Match", second, 403, "PermissionError"}, {"manager@globex", "GET", "If-None-Match", second, 404, "DoesNotExistError"},
		{"manager@acme", "PUT", "If-Match", first, 412, "PreconditionFailed"}, {"manager@acme", "DELETE", "If-Match", first, 412, "PreconditionFailed"},
		{"manager@acme", "PUT", "If-Match", `nonsense`, 412, "PreconditionFailed"}, {"clerk@acme", "PUT", "If-Match", first, 403, "PermissionError"},
		{"clerk@acme", "DELETE", "If-Match", first, 403, "PermissionError"}, {"manager@globex", "PUT", "If-Match", second, 404, "DoesNotExistError"},
		{"manager@globex", "DELETE", "If-Match", second, 404, "DoesNotExistError"}, {"manager@acme", "PUT", "If-Match", "*", 200, ""},
		{"manager@acme", "PUT", "If-Match", "${now}, " + first, 200, ""}, {"manager@acme", "DELETE", "If-Match", "${now}", 202, ""},
	} {
		test.value = strings.Replace(test.value, "${now}", s.get("manager@acme", "Client", "Ada").header.Get("Etag"), 1)
		got := s.sendAs(test.as, test.method, docPath("Client", "Ada"), `{}`, map[string]string{test.header: test.value})
		if got.status != test.status || got.Type != test.want || got.status == 304 && (got.body != "" || got.header.Get("Etag") != second) {
			t.Errorf("%s %s: %s as %s: got %d %s, want %d %s", test.method, test.header, test.value, test.as, got.status, got.body, test.status, test.want)
		}
	}
	onTheSecond, _ := life(t, func(*frappems.App) {}, func(c *frappems.Config) { c.Now = func() time.Time { return shopTime } })
	made = onTheSecond.send("manager@acme", "POST", docPath("Client"), `{"title": "Ada"}`)
	if got, want := onTheSecond.get("manager@acme", "Client", "Ada").header.Get("Etag"), `"20260315102030000000"`; got != want || made.header.Get("Etag") != want {
		t.Errorf("got the tags %s and %s, want %s", made.header.Get("Etag"), got, want)
	}
	stale := s.create("manager@acme", "Client", `{"title": "Bob"}`)
	s.send("manager@acme", "PUT", docPath("Client", stale), `{"modified": "2020-01-02 03:04:05"}`).
		wantMessage(t, 417, "TimestampMismatchError", "Client Bob: 2026-03-15 10:20:30")
	if got := s.send("manager@acme", "PUT", docPath("Client", stale), `{"modified": "2020-01-02 03:04:05"}`); !strings.Contains(got.body, "2020-01-02 03:04:05") {
		t.Errorf("the client's time is not named: %s", got.body)
	}
	if !slices.Contains(s.send("manager@acme", "GET", docPath("Client", "Bob"), "").header["Cache-Control"], "no-store") {
		t.Error("documents may be kept by caches")
	}
}

// TestFetchCycle: links that are fetched through each other, and documents that link to themselves, are read once each.
func TestFetchCycle(t *testing.T) {
	const types = `[{"name": "Node", "autoname": "prompt", "fields": [
		{"fieldname": "left", "fieldtype": "Link", "options": "Node", "fetch_from": "right.left"},
		{"fieldname": "right", "fieldtype": "Link", "options": "Node", "fetch_from": "left.right"},
		{"fieldname": "text", "fieldtype": "Data", "fetch_from": "left.text", "fetch_if_empty": 1}],
		"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1}]}]`
	s := newService(t, types, []string{"Node"})
	s.create("manager@acme", "Node", `{"name": "A", "text": "of A"}`, `{"name": "B", "left": "A"}`)
	s.send("manager@acme", "PUT", docPath("Node", "A"), `{"left": "B", "right": "A"}`).want(t, 200, "")
	s.store.Take()
	got := s.send("manager@acme", "PUT", docPath("Node", "A"), `{"left": "A", "right": "B"}`)
	if statements := s.store.Take(); got.status != 200 || len(statements) > 8 {
		t.Errorf("got %d %s, by %d statements", got.status, got.body, len(statements))
	}
	if got := s.get("manager@acme", "Node", "B").data(t); got["text"] != "of A" || got["left"] != "A" {
		t.Errorf("B is %v", got)
	}
}
