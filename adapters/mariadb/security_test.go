package mariadb

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
)

// The tests here are named after the rows of the list of attack vectors that are about a database.

// payloads end a literal early where quoting and the server's idea of characters and escapes do not fit.
var payloads = []string{`'`, `''`, `\'`, `\\'`, `"`, `\"`, "`", `\`, `\\`, `\\\`, `' OR '1'='1`, `\' OR 1=1 -- `, `x' UNION SELECT 1 -- `, `'; DROP TABLE tabNote; -- `, `?`, `'?'`, `/*`, `*/`, `--`, `#`,
	"縗' OR 1=1 -- ", "誠\\' OR 1=1 -- ", "¿'", "¿\\' OR 1=1 -- ", "\u00bf\u0027 OR 1=1 #", "\x00'", "\x1a'", "\n'", "\u2019 OR 1=1", "＇ OR 1=1", "%' OR 1=1 -- ", `_\`, `%\`, "😀\\'"}

// TestSecurity23Interpolation: values stay values on a server whose own settings change what a backslash and the second byte of a
// character are. They come back as they were sent, find themselves alone, and another tenant has its row still.
func TestSecurity23Interpolation(t *testing.T) {
	own, database := startServer(t)
	if err := errors.Join(own.Stop(), own.Restart(hostile...)); err != nil {
		t.Fatal(err)
	}
	admin := connect(t, own.URL("mysql"))
	if got := texts(t, admin, "SELECT @@GLOBAL.sql_mode LIKE '%NO_BACKSLASH_ESCAPES%', @@GLOBAL.character_set_server, @@SESSION.sql_mode, @@character_set_client, "+
		"@@character_set_connection, @@character_set_results, @@collation_connection"); len(got) != 1 || got[0] !=
		"1 gbk STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION utf8mb4 utf8mb4 utf8mb4 utf8mb4_unicode_ci" {
		t.Errorf("got the settings %q", got)
	}
	app := serve(t, open(t, database), []*frappems.DocType{{Name: "Note", Autoname: "prompt", Fields: []frappems.Field{{Fieldname: "title", Fieldtype: "Data"}, {Fieldname: "text", Fieldtype: "Text"}}}})
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, answer := askAs(app, "other", "POST", "Note", `{"name": "theirs", "title": "secret of globex"}`); status != 200 {
		t.Fatalf("got %d %s", status, answer)
	}
	for i, payload := range payloads {
		text, _ := json.Marshal(payload)
		wantAnswer(t, app, "POST", "Note", fmt.Sprintf(`{"name": "n%d", "title": %s, "text": %s}`, i, text, text), 200)
		for _, filters := range []string{`[["text","=",%s]]`, `[["text","in",[%s,%[1]s]]]`, `[["text","like",%s],["name","=","n` + fmt.Sprint(i) + `"]]`} {
			path := `Note?limit=0&fields=["name","text"]&filters=` + url.QueryEscape(fmt.Sprintf(filters, text))
			status, answer := ask(app, "GET", path, "")
			var got struct{ Data []struct{ Name, Text string } }
			if err := json.Unmarshal([]byte(answer), &got); err != nil || status != 200 || len(got.Data) == 0 {
				t.Errorf("%s %q: got %d %s", filters, payload, status, answer)
			}
			for _, row := range got.Data {
				if row.Name == "theirs" || store.CompareText(row.Text, payload) != 0 && store.CompareText(row.Text, strings.TrimSpace(payload)) != 0 && !strings.Contains(filters, "like") {
					t.Errorf("%s %q: got the row %q", filters, payload, row)
				}
				if row.Name == fmt.Sprint("n", i) && row.Text != payload {
					t.Errorf("%q came back as %q", payload, row.Text)
				}
			}
		}
	}
	if got := texts(t, admin, "SELECT COUNT(*), SUM(tenant_id = 'globex') FROM test.tabNote"); got[0] != fmt.Sprint(len(payloads)+1, " 1") {
		t.Errorf("the table has %q", got)
	}
	for _, path := range []string{"title=%bf%27%20OR%201=1%20--%20", `filters=[["title","=","%bf%5c%27%20OR%201=1%20--%20"]]`, "filters=%7b%22title%22:%22%bf'%22%7d"} {
		if status, answer := ask(app, "GET", "Note?"+path, ""); strings.Contains(answer, "theirs") || status >= 500 {
			t.Errorf("%s: got %d %s", path, status, answer)
		}
	}
}

// TestSecurity23BrokenCharacters: bytes that are no UTF-8 are refused or are what they are, and never the half of a quote.
func TestSecurity23BrokenCharacters(t *testing.T) {
	kept := openTemp(t)
	defer kept.Close()
	name := column("name", store.TypeVarchar, 140)
	notes := table("tabNote", name, column("text", store.TypeText, 0))
	migrate(t, kept, true, notes)
	for _, text := range []string{"\xbf'", "\xbf\\'", "\xe5'", "\x81' OR 1=1 -- ", "a\xff\\", "\xf0\x9f\x98'"} {
		tx, err := kept.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Write(t.Context(), store.Mutation{Kind: store.InsertRows, Tenant: "acme", Table: notes, Columns: notes.Columns, Rows: [][]any{{"n", text}}})
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(err, store.ErrValueOutOfRange) {
			t.Errorf("%q: got %v, want %v", text, err, store.ErrValueOutOfRange)
		}
	}
}

// TestSecurity05NoFile serves as a user with the rights that the README grants: they are enough, and reading or writing
// files of the server is not among them.
func TestSecurity05NoFile(t *testing.T) {
	database := newDatabase(t)
	name := database[strings.LastIndex(database, "/")+1:]
	admin := connect(t, database)
	execute(t, admin, "CREATE OR REPLACE USER frappems@'%' IDENTIFIED BY 'p@ss/word'")
	t.Cleanup(func() { admin.Exec("DROP USER frappems@'%'") })
	for _, grant := range readmeGrants(t) {
		execute(t, admin, strings.ReplaceAll(grant, "notes.*", name+".*"))
	}
	database = strings.Replace(database, "root@", "frappems:"+url.QueryEscape("p@ss/word")+"@", 1)
	app := serve(t, open(t, database), parseTypes(t, newerTypes))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, app, "POST", "Sale", `{"title": "t", "needed": "n", "lines": [{"what": "w"}]}`, 200, `"name":"SALE-00001"`)
	wantAnswer(t, app, "PUT", "Sale/SALE-00001", `{"title": "u"}`, 200, `"title":"u"`)
	wantAnswer(t, app, "DELETE", "Sale/SALE-00001", "", 202)
	own := connect(t, database)
	if got := texts(t, own, "SELECT LOAD_FILE('/etc/hostname')"); got[0] != "NULL" {
		t.Errorf("LOAD_FILE gives %q", got)
	}
	for _, statement := range []string{"SELECT 1 INTO OUTFILE '/tmp/frappems-outfile'", "SELECT 1 INTO DUMPFILE '/tmp/frappems-outfile'", "LOAD DATA INFILE '/etc/hostname' INTO TABLE tabSale",
		"LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE tabSale", "SELECT * FROM mysql.user", "DROP TABLE tabSale", "SET GLOBAL read_only = 1"} {
		if _, err := own.ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s: the user may", statement)
		}
	}
}

// readmeGrants are the GRANT statements of README.md.
func readmeGrants(t *testing.T) (grants []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "GRANT ") {
			grants = append(grants, strings.ReplaceAll(line, "notes@", "frappems@"))
		}
	}
	if len(grants) == 0 {
		t.Fatal("README.md has no GRANT")
	}
	return grants
}
