package mariadb

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
)

// newFrappe makes a database with tables that Frappe made, and rows.
func newFrappe(t testing.TB) (url string, db *sql.DB) {
	t.Helper()
	statements, err := os.ReadFile("testdata/frappe.sql")
	if err != nil {
		t.Fatal(err)
	}
	url = newDatabase(t)
	db = connect(t, url)
	execute(t, db, string(statements))
	return url, db
}

// adoptedTypes are the DocTypes of these tables.
const adoptedTypes = `[
	{"doctype": "DocType", "name": "Party", "autoname": "naming_series:", "fields": [{"fieldname": "naming_series", "fieldtype": "Select", "options": "PARTY-"},
		{"fieldname": "code", "fieldtype": "Data", "unique": 1}, {"fieldname": "tax_id", "fieldtype": "Data"}, {"fieldname": "active", "fieldtype": "Check", "search_index": 1},
		{"fieldname": "visits", "fieldtype": "Int"}, {"fieldname": "steps", "fieldtype": "Long Int"}, {"fieldname": "credit", "fieldtype": "Currency"}, {"fieldname": "stars", "fieldtype": "Rating"},
		{"fieldname": "discount", "fieldtype": "Percent"}, {"fieldname": "extra", "fieldtype": "JSON"}, {"fieldname": "note", "fieldtype": "Text"}, {"fieldname": "seen", "fieldtype": "Datetime"},
		{"fieldname": "opens", "fieldtype": "Time"}, {"fieldname": "since", "fieldtype": "Date"}, {"fieldname": "nick", "fieldtype": "Data"}, {"fieldname": "fresh", "fieldtype": "Int", "default": "3"},
		{"fieldname": "lines", "fieldtype": "Table", "options": "Party Line"}]},
	{"doctype": "DocType", "name": "Party Line", "istable": 1, "fields": [{"fieldname": "what", "fieldtype": "Data"}]},
	{"doctype": "DocType", "name": "Ticket", "autoname": "autoincrement", "fields": [{"fieldname": "subject", "fieldtype": "Data"}]},
	{"doctype": "DocType", "name": "Party Settings", "issingle": 1, "fields": [{"fieldname": "greeting", "fieldtype": "Data"}, {"fieldname": "most", "fieldtype": "Int"}]}]`

func parseTypes(t testing.TB, text string) (types []*frappems.DocType) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &types); err != nil {
		t.Fatal(err)
	}
	return types
}

// serve makes a service of DocTypes whose users key:secret and other:secret are Administrators of acme and globex.
func serve(t testing.TB, kept frappems.Store, types []*frappems.DocType) *frappems.App {
	t.Helper()
	tokens, err := frappems.NewTokens(strings.NewReader(`[{"user": "Administrator", "api_key": "key", "api_secret": "secret", "tenant": "acme"},
		{"user": "Administrator", "api_key": "other", "api_secret": "secret", "tenant": "globex"}]`))
	if err != nil {
		t.Fatal(err)
	}
	app, err := frappems.New(frappems.Config{Types: types, Store: kept, Auth: tokens, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range types {
		if !d.IsTable {
			app.Resource(d.Name)
		}
	}
	return app
}

// ask sends a request as Administrator of acme, and returns status and answer.
func ask(app *frappems.App, method, path, body string) (int, string) {
	return askAs(app, "key", method, path, body)
}

func askAs(app *frappems.App, key, method, path, body string) (int, string) {
	request := httptest.NewRequest(method, "/api/resource/"+path, strings.NewReader(body))
	request.Header.Set("Authorization", "token "+key+":secret")
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	app.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

func wantAnswer(t *testing.T, app *frappems.App, method, path, body string, status int, parts ...string) {
	t.Helper()
	got, answer := ask(app, method, path, body)
	for _, part := range parts {
		if !strings.Contains(answer, part) {
			t.Errorf("%s %s %s: got %s, want %s in it", method, path, body, answer, part)
		}
	}
	if got != status {
		t.Errorf("%s %s %s: got %d %s, want %d", method, path, body, got, answer, status)
	}
}

// TestAdopt makes tables that Frappe made into a tenant's, and works with them over HTTP.
func TestAdopt(t *testing.T) {
	url, db := newFrappe(t)
	app := serve(t, open(t, url), parseTypes(t, adoptedTypes))
	if err := app.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "tabParty") || !strings.Contains(err.Error(), "--adopt") {
		t.Fatalf("Start: got %v, want that it has to be adopted", err)
	}
	before := texts(t, db, "SELECT table_name, table_rows IS NULL FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1")
	plan, err := app.Adopt(t.Context(), "acme", false)
	if err != nil {
		t.Fatal(err)
	}
	if after := texts(t, db, "SELECT table_name, table_rows IS NULL FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"); !slices.Equal(after, before) {
		t.Errorf("the plan alone has made %q of %q", after, before)
	}
	if done, err := app.Adopt(t.Context(), "acme", true); err != nil || !slices.Equal(done, plan) {
		t.Fatalf("done was %q, %v, the plan was %q", done, err, plan)
	}
	wantAdopted(t, app)
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	testAdoptedDocuments(t, app)
	got := texts(t, db, "SELECT index_name, non_unique, GROUP_CONCAT(column_name ORDER BY seq_in_index) FROM information_schema.statistics "+
		"WHERE table_schema = DATABASE() AND table_name = 'tabParty' GROUP BY 1, 2 ORDER BY 1")
	want := []string{"active_modified 1 tenant_id,active,modified", "code 0 tenant_id,code", "modified 1 tenant_id,modified", "note_index 1 note", "PRIMARY 0 tenant_id,name",
		"unique_tax 0 tenant_id,tax_id,custom_tag"}
	if !slices.Equal(got, want) {
		t.Errorf("got the indexes %q, want %q", got, want)
	}
	got = texts(t, db, "SELECT DISTINCT table_name, engine, row_format, table_collation FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN ('tabParty', 'tabTicket') ORDER BY 1")
	if want := []string{"tabParty InnoDB Dynamic utf8mb4_unicode_ci", "tabTicket InnoDB Dynamic utf8mb4_unicode_ci"}; !slices.Equal(got, want) {
		t.Errorf("got the tables %q, want %q", got, want)
	}
	got = texts(t, db, "SELECT DISTINCT collation_name, column_default FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name IN ('tabParty', 'tabTicket') AND collation_name IS NOT NULL "+
		"AND (column_name = 'tenant_id' OR column_name IN ('extra', 'nick', 'subject')) ORDER BY 1")
	if want := []string{"ascii_bin NULL", "utf8mb4_unicode_ci NULL"}; !slices.Equal(got, want) {
		t.Errorf("got the collations %q, want %q", got, want)
	}
}

// wantAdopted wants nothing to do, and no second tenant.
func wantAdopted(t *testing.T, app *frappems.App) {
	t.Helper()
	for _, migrate := range []func(context.Context, bool) (store.Plan, error){
		app.Migrate, func(ctx context.Context, apply bool) (store.Plan, error) { return app.Adopt(ctx, "acme", apply) }} {
		if plan, err := migrate(t.Context(), false); err != nil || len(plan) > 0 {
			t.Errorf("the plan afterwards is %q, %v", plan, err)
		}
	}
	if plan, err := app.Adopt(t.Context(), "globex", false); err == nil || !strings.Contains(err.Error(), "acme") {
		t.Errorf("a second tenant: got %q, %v", plan, err)
	}
}

func testAdoptedDocuments(t *testing.T, app *frappems.App) {
	t.Helper()
	wantAnswer(t, app, "GET", "Party/PARTY-00001", "", 200, `"creation":"2024-02-03 04:05:06.789012"`, `"code":"C1"`, `"active":1`, `"visits":7`, `"steps":8`, `"credit":12.5`, `"stars":0.6`,
		`"discount":0.0`, `"note":"note"`, `"seen":"2024-01-02 03:04:05"`, `"opens":"9:05:00"`, `"since":"2024-01-01"`, `"nick":"Zoë"`, `"fresh":3`, `"what":"first"`, `"what":"second"`)
	wantAnswer(t, app, "GET", `Party?fields=["name"]&filters=[["nick","=","ZOE"],["extra","like","%25A%25"]]`, "", 200, `PARTY-00001`)
	wantAnswer(t, app, "GET", `Party?fields=["name","discount"]&filters=[["discount","=",0]]`, "", 200, `[{"name":"PARTY-00001","discount":0.0}]`)
	wantAnswer(t, app, "POST", "Party", `{"code": "c1"}`, 417, "UniqueValidationError")
	wantAnswer(t, app, "POST", "Party", `{"code": "C3", "lines": [{"what": "third"}]}`, 200, `"name":"PARTY-00003"`)
	wantAnswer(t, app, "PUT", "Party/PARTY-00002", `{"visits": 3, "note": "changed"}`, 200, `"visits":3`)
	wantAnswer(t, app, "POST", "Ticket", `{"subject": "new"}`, 200, `"name":42`)
	wantAnswer(t, app, "GET", "Ticket/41", "", 200, `"docstatus":0`, `"subject":"old"`)
	wantAnswer(t, app, "GET", "Party%20Settings/Party%20Settings", "", 200, `"greeting":"Hello"`, `"most":5`)
	if status, answer := askAs(app, "other", "GET", "Party", ""); status != 200 || answer != `{"data":[]}` {
		t.Errorf("another tenant sees %d %s", status, answer)
	}
	if status, answer := askAs(app, "other", "POST", "Party", `{"code": "C1"}`); status != 200 || !strings.Contains(answer, `"name":"PARTY-00001"`) {
		t.Errorf("another tenant's first document: %d %s", status, answer)
	}
}

// TestAdoptedDefaults: Frappe's columns have the defaults of fields, which is no reason to give a field a value that has none.
func TestAdoptedDefaults(t *testing.T) {
	url, db := newFrappe(t)
	execute(t, db, "ALTER TABLE tabParty ALTER COLUMN tax_id SET DEFAULT 'Nothing'")
	app := serve(t, open(t, url), parseTypes(t, adoptedTypes))
	if _, err := app.Adopt(t.Context(), "acme", true); err != nil {
		t.Fatal(err)
	}
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, app, "POST", "Party", `{"code": "C9"}`, 200, `"name":"PARTY-00003"`)
	wantAnswer(t, app, "GET", `Party?fields=["name","tax_id"]&filters={"code":"C9"}`, "", 200, `{"name":"PARTY-00003","tax_id":null}`)
}

// TestAdoptResumes breaks an adoption off before each of its statements: repeated, it ends as if nothing had happened, and not
// for another tenant.
func TestAdoptResumes(t *testing.T) {
	types := parseTypes(t, adoptedTypes)
	for n, total := 0, 1; n <= total; n++ {
		url, db := newFrappe(t)
		app := serve(t, open(t, url), types)
		plan, err := app.Adopt(t.Context(), "acme", false)
		if err != nil {
			t.Fatal(err)
		}
		total = len(plan)
		execute(t, db, plan[:n]...)
		if strings.Contains(strings.Join(plan[:n], ";"), "ALTER") {
			if again, err := app.Adopt(t.Context(), "globex", true); err == nil {
				t.Fatalf("after %d statements: another tenant's plan is %q", n, again)
			}
		}
		if _, err := app.Adopt(t.Context(), "acme", true); err != nil {
			t.Fatalf("after %d statements: %v", n, err)
		}
		wantAdopted(t, app)
		if err := app.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		testAdoptedDocuments(t, app)
	}
}

// TestAdoptRefuses: what cannot be adopted is said by table and column, before anything is changed.
func TestAdoptRefuses(t *testing.T) {
	for _, c := range []struct{ name, change, want string }{
		{"type", "ALTER TABLE tabParty MODIFY visits varchar(140)", "column visits"},
		{"float", "ALTER TABLE tabParty MODIFY credit double", "column credit"},
		{"key", "ALTER TABLE tabParty DROP PRIMARY KEY, ADD PRIMARY KEY (name, idx)", "primary key in the database is (name, idx)"},
		{"tenant", "ALTER TABLE tabParty ADD COLUMN tenant_id varchar(140)", "primary key in the database is (name)"},
		{"part", "ALTER TABLE tabParty ADD UNIQUE INDEX part (note(30))", "note(30)"},
		{"values", "ALTER TABLE tabParty DROP INDEX code; UPDATE tabParty SET code = 'X'", "(code)"},
		{"not null", "ALTER TABLE tabParty ADD COLUMN needed int NOT NULL", "column needed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, db := newFrappe(t)
			execute(t, db, c.change)
			app := serve(t, open(t, url), parseTypes(t, adoptedTypes))
			if plan, err := app.Adopt(t.Context(), "acme", true); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "tabParty") {
				t.Errorf("got %q, %v, want an error with %s", plan, err, c.want)
			}
			if got := texts(t, db, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"); got[0] != "5" {
				t.Errorf("a refused adoption has left %s tables, want 5", got)
			}
		})
	}
	app := serve(t, open(t, newDatabase(t)), parseTypes(t, adoptedTypes))
	for _, tenant := range []string{"", "SYSTEM", "a'b"} {
		if plan, err := app.Adopt(t.Context(), tenant, true); err == nil {
			t.Errorf("the tenant %q: got the plan %q", tenant, plan)
		}
	}
	if plan, err := serve(t, frappems.NewMemoryStore(), parseTypes(t, adoptedTypes)).Adopt(t.Context(), "acme", true); err == nil {
		t.Errorf("a store in memory adopts: %q", plan)
	}
}
