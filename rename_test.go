package frappems_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/frappems/frappems"
)

// linkTypes link to a Client in every way there is, and to another DocType whose documents have the same names.
const linkTypes = `[
{"name": "Client", "autoname": "field:title", "allow_rename": 1, "fields": [{"fieldname": "title", "fieldtype": "Data", "length": 20},
	{"fieldname": "pin", "fieldtype": "Password"}, {"fieldname": "parent_client", "fieldtype": "Link", "options": "Client"},
	{"fieldname": "lines", "fieldtype": "Table", "options": "Line"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}, {"role": "Clerk", "read": 1, "write": 1, "create": 1},
	{"role": "Maker", "if_owner": 1, "read": 1, "write": 1, "create": 1, "delete": 1}]},
{"name": "Twin", "autoname": "field:title", "fields": [{"fieldname": "title", "fieldtype": "Data"}], "permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1}]},
{"name": "Line", "istable": 1, "fields": [{"fieldname": "client", "fieldtype": "Link", "options": "Client"}, {"fieldname": "twin", "fieldtype": "Link", "options": "Twin"},
	{"fieldname": "kind", "fieldtype": "Data"}, {"fieldname": "thing", "fieldtype": "Dynamic Link", "options": "kind"}]},
{"name": "Note", "autoname": "prompt", "is_submittable": 1, "fields": [{"fieldname": "client", "fieldtype": "Link", "options": "Client"}, {"fieldname": "twin", "fieldtype": "Link", "options": "Twin"},
	{"fieldname": "kind", "fieldtype": "Data"}, {"fieldname": "thing", "fieldtype": "Dynamic Link", "options": "kind"}, {"fieldname": "text", "fieldtype": "Data"},
	{"fieldname": "lines", "fieldtype": "Table", "options": "Line"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "submit": 1}]},
{"name": "Settings", "issingle": 1, "fields": [{"fieldname": "client", "fieldtype": "Link", "options": "Client"}, {"fieldname": "twin", "fieldtype": "Link", "options": "Twin"},
	{"fieldname": "kind", "fieldtype": "Data"}, {"fieldname": "thing", "fieldtype": "Dynamic Link", "options": "kind"}, {"fieldname": "other", "fieldtype": "Data"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1}]},
{"name": "Fixed", "autoname": "prompt", "fields": [{"fieldname": "text", "fieldtype": "Data"}], "permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1}]},
{"name": "Counted", "autoname": "autoincrement", "allow_rename": 1, "fields": [{"fieldname": "text", "fieldtype": "Data"}], "permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1}]}]`

// linked is a service in which two tenants have the clients Ada and Bob, and links to Ada everywhere.
func linked(t *testing.T, register func(app *frappems.App)) (*shop, *frappems.DB) {
	t.Helper()
	s := newHooked(t, linkTypes, []string{"Client", "Twin", "Note", "Settings", "Fixed", "Counted"}, func(app *frappems.App) {
		app.Handle("POST /rename", frappems.JSON(func(ctx context.Context, in struct {
			DocType string `json:"doctype"`
			Old     string `json:"old"`
			New     string `json:"new"`
			Merge   bool   `json:"merge"`
		}) (map[string]string, error) {
			db, err := app.DB(ctx)
			if err != nil {
				return nil, err
			}
			name, err := db.Rename(ctx, in.DocType, in.Old, in.New, in.Merge)
			return map[string]string{"name": name}, err
		}))
		register(app)
	})
	for _, as := range []string{"manager@acme", "manager@globex"} {
		for _, name := range []string{"Ada", "Bob"} {
			s.create(as, "Client", fmt.Sprintf(`{"title": %q, "pin": "1234", "lines": [{"kind": "of %s"}]}`, name, name))
			s.create(as, "Twin", fmt.Sprintf(`{"title": %q}`, name))
		}
		s.send(as, "PUT", docPath("Client", "Bob"), `{"parent_client": "Ada"}`).want(t, 200, "")
		const links = `"client": "Ada", "twin": "Ada", "kind": "Client", "thing": "Ada"`
		s.create(as, "Note", `{"name": "N1", "docstatus": 1, `+links+`, "text": "Ada", "lines": [{`+links+`}, {"kind": "Twin", "thing": "Ada", "client": "Bob"}]}`)
		s.create(as, "Note", `{"name": "N2", "kind": "Twin", "thing": "Ada"}`)
		s.send(as, "PUT", docPath("Settings", "Settings"), `{`+links+`, "other": "Ada"}`).want(t, 200, "")
	}
	db, err := s.app.AsTenant(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}

// links are the fields of the documents that link, with "client twin kind thing" of each in one line.
func (s *shop) links(as string) string {
	var out []string
	add := func(what string, d map[string]any) {
		out = append(out, fmt.Sprint(what, " ", d["client"], " ", d["twin"], " ", d["kind"], " ", d["thing"]))
	}
	for _, name := range []string{"N1", "N2"} {
		d := s.get(as, "Note", name).data(s.t)
		add(name, d)
		for _, row := range d["lines"].([]any) {
			add(name+" row", row.(map[string]any))
		}
	}
	d := s.get(as, "Settings", "Settings").data(s.t)
	add("Settings", d)
	return strings.Join(append(out, fmt.Sprint(d["other"], " ", s.get(as, "Note", "N1").data(s.t)["text"])), "\n")
}

const linksBefore = `N1 Ada Ada Client Ada
N1 row Ada Ada Client Ada
N1 row Bob <nil> Twin Ada
N2 <nil> <nil> Twin Ada
Settings Ada Ada Client Ada
Ada Ada`

// TestRename: the document, its rows, its password and every link go along; other tenants and other DocTypes do not.
func TestRename(t *testing.T) {
	for _, test := range []struct {
		name, new, want string
		merge           bool
		gone            int // status of the old name
	}{
		{"rename", " Cy Ltd ", "Cy Ltd", false, 404},
		{"another spelling", "ADA", "ADA", false, 200},
		{"merge", "bob", "Bob", true, 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, db := linked(t, func(*frappems.App) {})
			if got := s.links("manager@acme"); got != linksBefore {
				t.Fatalf("the links are\n%s", got)
			}
			was := s.get("manager@acme", "Client", "Ada").data(t)
			foreign := s.get("manager@globex", "Client", "Ada").body + s.get("manager@globex", "Client", "Bob").body
			noted := s.get("manager@acme", "Note", "N1").data(t)["modified"]
			name, err := db.Rename(t.Context(), "Client", "ada", test.new, test.merge)
			if err != nil || name != test.want {
				t.Fatalf("got %q %v", name, err)
			}
			want := strings.NewReplacer("N1 Ada", "N1 "+name, "row Ada", "row "+name, "Settings Ada", "Settings "+name, "Client Ada", "Client "+name).Replace(linksBefore)
			if got := s.links("manager@acme"); got != want {
				t.Errorf("the links are\n%s\nwant\n%s", got, want)
			}
			if got := s.links("manager@globex"); got != linksBefore {
				t.Errorf("the other tenant's links are\n%s", got)
			}
			if got := s.get("manager@globex", "Client", "Ada").body + s.get("manager@globex", "Client", "Bob").body; got != foreign {
				t.Errorf("the other tenant's documents are %s", got)
			}
			if got := s.get("manager@acme", "Note", "N1").data(t)["modified"]; got != noted {
				t.Errorf("a document that links is of %v, was of %v", got, noted)
			}
			s.get("manager@acme", "Client", "Ada").want(t, test.gone, map[int]string{404: "DoesNotExistError"}[test.gone])
			got := s.get("manager@acme", "Client", name).data(t)
			rows := got["lines"].([]any)
			row := rows[0].(map[string]any)
			if got["title"] != name || got["pin"] != "****" || len(rows) != 1 || row["parent"] != name {
				t.Errorf("got %v", got)
			}
			if !test.merge && (got["creation"] != was["creation"] || got["modified"] != was["modified"] || row["kind"] != "of Ada") {
				t.Errorf("got %v, was %v", got, was)
			}
			if bob := s.get("manager@acme", "Client", "Bob").data(t); !test.merge && bob["parent_client"] != name {
				t.Errorf("a link of the DocType itself is %v", bob["parent_client"])
			}
			if _, err := frappems.StoredPassword(t.Context(), db, "Client", "Ada", "pin"); err == nil {
				t.Error("the password of the old name is there")
			}
			if pin, err := frappems.StoredPassword(t.Context(), db, "Client", name, "pin"); pin != "1234" || err != nil {
				t.Errorf("the password is %q (%v)", pin, err)
			}
		})
	}
}

func TestRenameRefused(t *testing.T) {
	s, _ := linked(t, func(*frappems.App) {})
	s.create("manager@acme", "Fixed", `{"name": "F"}`)
	s.create("maker@acme", "Client", `{"title": "Mine"}`)
	s.create("manager@acme", "Counted", `{}`)
	for _, test := range []struct {
		as, body string
		status   int
		want     string
		part     string
	}{
		{"manager@acme", `{"doctype": "Client", "old": "Ada", "new": "Bob"}`, 417, "ValidationError", "Another Client with name"},
		{"manager@acme", `{"doctype": "Client", "old": "Ada", "new": "bob "}`, 417, "ValidationError", "Another Client with name"},
		{"manager@acme", `{"doctype": "Client", "old": "Ada", "new": "Ada"}`, 417, "ValidationError", "the same"},
		{"manager@acme", `{"doctype": "Client", "old": "Ada", "new": "Ada", "merge": true}`, 417, "ValidationError", "the same"},
		{"manager@acme", `{"doctype": "Client", "old": "Ada", "new": "Cy", "merge": true}`, 417, "ValidationError", "select a new target"},
		{"manager@acme", `{"doctype": "Client", "old": "Ada", "new": "ADA", "merge": true}`, 417, "ValidationError", "select a new target"},
		{"manager@acme", `{"doctype": "Client", "old": "Cy", "new": "Dy"}`, 404, "DoesNotExistError", "Cy not found"},
		{"manager@acme", `{"doctype": "Nothing", "old": "Cy", "new": "Dy"}`, 404, "DoesNotExistError", "not found"},
		{"manager@acme", `{"doctype": "Client", "old": "Ada", "new": ""}`, 417, "ValidationError", "No Name"},
		{"manager@acme", `{"doctype": "Client", "old": "Ada", "new": "<b>"}`, 409, "NameError", "special characters"},
		{"manager@acme", `{"doctype": "Client", "old": "Ada", "new": "Client"}`, 409, "NameError", "cannot be"},
		{"manager@acme", `{"doctype": "Client", "old": "Ada", "new": "123456789012345678901"}`, 417, "CharacterLengthExceededError", "20"},
		{"manager@acme", `{"doctype": "Fixed", "old": "F", "new": "G"}`, 417, "ValidationError", "not allowed to be renamed"},
		{"manager@acme", `{"doctype": "Counted", "old": "1", "new": "2"}`, 417, "ValidationError", "not allowed to be renamed"},
		{"manager@acme", `{"doctype": "Settings", "old": "Settings", "new": "G"}`, 417, "ValidationError", "not allowed to be renamed"},
		{"manager@acme", `{"doctype": "Line", "old": "x", "new": "G"}`, 403, "PermissionError", "doctype access"},
		{"viewer@acme", `{"doctype": "Client", "old": "Ada", "new": "Cy"}`, 403, "PermissionError", "doctype access"},
		{"viewer@acme", `{"doctype": "Client", "old": "Nobody", "new": "Cy"}`, 403, "PermissionError", "doctype access"},
		{"clerk@acme", `{"doctype": "Client", "old": "Ada", "new": "Bob", "merge": true}`, 403, "PermissionError", "delete"},
		{"maker@acme", `{"doctype": "Client", "old": "Ada", "new": "Cy"}`, 403, "PermissionError", "write"},
		{"maker@acme", `{"doctype": "Client", "old": "Mine", "new": "Ada", "merge": true}`, 403, "PermissionError", "write"},
	} {
		before := s.links("manager@acme") + s.get("manager@acme", "Client", "Ada").body + s.get("manager@acme", "Client", "Bob").body
		got := s.send(test.as, "POST", "/rename", test.body)
		if got.status != test.status || got.Type != test.want || !strings.Contains(got.Messages, test.part) {
			t.Errorf("%s as %s: got %d %s, want %d %s", test.body, test.as, got.status, got.body, test.status, test.want)
		}
		if after := s.links("manager@acme") + s.get("manager@acme", "Client", "Ada").body + s.get("manager@acme", "Client", "Bob").body; after != before {
			t.Errorf("%s as %s: documents have changed: %s", test.body, test.as, after)
		}
	}
	s.send("clerk@acme", "POST", "/rename", `{"doctype": "Client", "old": "Ada", "new": "Cy"}`).want(t, 200, "")
}

// TestRenameRestricted: a user whose User Permissions name the documents cannot rename one away from them, or into them.
func TestRenameRestricted(t *testing.T) {
	types := strings.ReplaceAll(strings.ReplaceAll(linkTypes, `"Client"`, `"Customer"`), `"Client, `, `"Customer, `)
	s := newHooked(t, types, []string{"Customer"}, func(app *frappems.App) {
		app.Handle("POST /rename/{old}/{new}", frappems.JSON(func(ctx context.Context, in struct {
			Old string `path:"old"`
			New string `path:"new"`
		}) (map[string]string, error) {
			db, err := app.DB(ctx)
			if err != nil {
				return nil, err
			}
			name, err := db.Rename(ctx, "Customer", in.Old, in.New, false)
			return map[string]string{"name": name}, err
		}))
	})
	s.create("manager@acme", "Customer", `{"title": "Ada"}`, `{"title": "Bob"}`)
	s.send("seller@acme", "POST", "/rename/Ada/Cy", "").want(t, 403, "PermissionError")
	s.send("seller@acme", "POST", "/rename/Bob/Cy", "").want(t, 403, "PermissionError")
	s.send("seller@acme", "POST", "/rename/Ada/ADA", "").want(t, 200, "")
}

// TestRenameHooks: hooks know both names, may change the new one, and fail it.
func TestRenameHooks(t *testing.T) {
	var seen []string
	refuse := ""
	s, db := linked(t, func(app *frappems.App) {
		for _, e := range []frappems.Event{frappems.BeforeRename, frappems.AfterRename, frappems.OnTrash} {
			app.On("Client", e, func(_ context.Context, _ *frappems.DB, d *frappems.Doc) error {
				r := d.Renaming()
				if r == nil {
					seen = append(seen, fmt.Sprint(e, " ", d.Name()))
					return nil
				}
				seen = append(seen, fmt.Sprint(e, " ", d.Name(), " ", *r))
				if e == frappems.BeforeRename {
					r.New = strings.ReplaceAll(r.New, "_", " ")
				}
				if refuse == r.New {
					return frappems.Invalid("never")
				}
				return nil
			})
		}
	})
	if name, err := db.Rename(t.Context(), "Client", "ada", "Ada_Ltd", false); name != "Ada Ltd" || err != nil {
		t.Errorf("got %q %v", name, err)
	}
	if _, err := db.Rename(t.Context(), "Client", "Ada Ltd", "Bob", true); err != nil {
		t.Error(err)
	}
	want := "[before_rename Ada {Ada Ada_Ltd false} after_rename Ada Ltd {Ada Ada Ltd false}" +
		" before_rename Ada Ltd {Ada Ltd Bob true} after_rename Bob {Ada Ltd Bob true} on_trash Ada Ltd]"
	if got := fmt.Sprint(seen); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	refuse = "Zed"
	if _, err := db.Rename(t.Context(), "Client", "Bob", "Zed", false); !errors.Is(err, frappems.ValidationError) {
		t.Errorf("got %v", err)
	}
	s.get("manager@acme", "Client", "Zed").want(t, 404, "DoesNotExistError")
}

// TestRenameUnreadablePassword: a password that was encrypted with another key stays where it is.
func TestRenameUnreadablePassword(t *testing.T) {
	_, db := linked(t, func(*frappems.App) {})
	frappems.ForgetKey(db)
	if _, err := db.Rename(t.Context(), "Client", "Ada", "Cy", false); !errors.Is(err, frappems.ValidationError) || !strings.Contains(err.Error(), "cannot be read any more") {
		t.Errorf("got %v", err)
	}
	if there, err := db.Exists(t.Context(), "Client", "Ada"); !there || err != nil {
		t.Errorf("got %t %v", there, err)
	}
}
