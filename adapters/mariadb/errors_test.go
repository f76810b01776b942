package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/frappems/frappems/store"
	"github.com/go-sql-driver/mysql"
)

// numberOf returns the number of the server's error, or 0.
func numberOf(err error) uint16 {
	var problem *mysql.MySQLError
	if errors.As(err, &problem) {
		return problem.Number
	}
	return 0
}

// TestErrors has the server give the errors of the table.
func TestErrors(t *testing.T) {
	url := newDatabase(t)
	db := connect(t, url+"?statement-timeout=500ms")
	execute(t, db, "CREATE TABLE a (id int PRIMARY KEY, u varchar(3) UNIQUE, n int NOT NULL DEFAULT 1, must int NOT NULL, d decimal(3,1), day date, js longtext CHECK (json_valid(js)))",
		"INSERT INTO a (id, u, must) VALUES (1, 'x', 1)", "CREATE TABLE full_table (a varchar(1000)) ENGINE=MEMORY MAX_ROWS=1",
		"SET innodb_strict_mode = 0; CREATE TABLE wide (a int PRIMARY KEY, "+columnsOf(15, "varchar(1000)", "c%d")+") ROW_FORMAT=REDUNDANT CHARACTER SET latin1")
	for _, c := range []struct {
		statement string
		number    uint16
		want      store.StoreError
	}{
		{"INSERT INTO a (id, must) VALUES (1, 1)", 1062, store.ErrDuplicateKey},
		{"INSERT INTO a (id, u, must) VALUES (2, 'X', 1)", 1062, store.ErrDuplicateKey},
		{"UPDATE a SET n = NULL", 1048, store.ErrValueOutOfRange},
		{"INSERT INTO a (id) VALUES (3)", 1364, store.ErrValueOutOfRange},
		{"UPDATE a SET n = 2147483648", 1264, store.ErrValueOutOfRange},
		{"UPDATE a SET d = 100", 1264, store.ErrValueOutOfRange},
		{"UPDATE a SET u = 'long'", 1406, store.ErrValueOutOfRange},
		{"UPDATE a SET n = 'many'", 1366, store.ErrValueOutOfRange},
		{"UPDATE a SET n = '1x'", 1265, store.ErrValueOutOfRange},
		{"UPDATE a SET u = '\xff'", 1366, store.ErrValueOutOfRange},
		{"UPDATE a SET day = '2026-02-30'", 1292, store.ErrValueOutOfRange},
		{"UPDATE a SET js = '{'", 4025, store.ErrValueOutOfRange},
		{"SELECT 9223372036854775807 + id FROM a", 1690, store.ErrValueOutOfRange},
		{"INSERT INTO wide VALUES (1, " + columnsOf(15, "REPEAT('x', 1000)", "") + ")", 1118, store.ErrValueOutOfRange},
		{"INSERT INTO a (id, must, js) VALUES (4, 1, '" + strings.Repeat("1", 17<<20) + "')", 0, store.ErrValueOutOfRange},
		{"INSERT INTO full_table SELECT REPEAT('x', 1000) FROM seq_1_to_100000", 1114, store.ErrUnavailable},
		{"SELECT COUNT(*) FROM seq_1_to_1000000000 WHERE seq % 7 = SLEEP(0)", 1969, store.ErrUnavailable},
		{"SELEC", 1064, ""},
		{"SELECT * FROM missing", 1146, ""},
		{"SELECT missing FROM a", 1054, ""},
	} {
		_, err := db.ExecContext(t.Context(), c.statement)
		if got := storeError(err); err == nil || got != c.want || numberOf(err) != c.number {
			t.Errorf("%.80s: got %q of %v, want %q of %d", c.statement, got, err, c.want, c.number)
		}
	}
	if got := texts(t, db, "SELECT id, u, n, must FROM a"); len(got) != 1 || got[0] != "1 x 1 1" {
		t.Errorf("the table has %q", got)
	}
}

// columnsOf repeats a text, with a name before it.
func columnsOf(n int, text, name string) string {
	var list []string
	for i := range n {
		if name != "" {
			list = append(list, fmt.Sprintf(name, i)+" "+text)
		} else {
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

// TestErrorLock waits for a lock for longer than one may.
func TestErrorLock(t *testing.T) {
	url := newDatabase(t) + "?statement-timeout=2s"
	db := connect(t, url)
	execute(t, db, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)")
	holder, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Rollback()
	if _, err := holder.Exec("UPDATE a SET id = 2"); err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), "UPDATE a SET id = 3")
	if got := storeError(err); got != store.ErrDeadlock || numberOf(err) != 1205 {
		t.Errorf("a row: got %q of %v", got, err)
	}
	_, err = db.ExecContext(t.Context(), "ALTER TABLE a ADD COLUMN b int")
	if got := storeError(err); got != store.ErrDeadlock || numberOf(err) != 1205 {
		t.Errorf("a table: got %q of %v", got, err)
	}
}

// TestErrorKilled kills a statement, and then a connection, while it runs.
func TestErrorKilled(t *testing.T) {
	url := newDatabase(t)
	admin := connect(t, url)
	for _, how := range []string{"KILL QUERY", "KILL"} {
		conn, err := connect(t, url).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var id int64
		if err := conn.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := conn.ExecContext(context.Background(), "SELECT COUNT(*) FROM seq_1_to_10000000000 WHERE seq % 7 = SLEEP(0)")
			ended <- err
		}()
		for running := 0; running == 0; {
			if err := admin.QueryRow("SELECT COUNT(*) + SLEEP(0.01) FROM information_schema.processlist WHERE id = ? AND command = 'Query'", id).Scan(&running); err != nil {
				t.Fatal(err)
			}
		}
		execute(t, admin, fmt.Sprint(how, " ", id))
		if err := <-ended; storeError(err) != store.ErrUnavailable {
			t.Errorf("%s: got %q of %v", how, storeError(err), err)
		}
		conn.Close()
	}
}

// TestErrorRefused is a user who may have one connection, on a server that then becomes read-only.
func TestErrorRefused(t *testing.T) {
	url := newDatabase(t)
	admin := connect(t, url)
	execute(t, admin, "CREATE OR REPLACE USER one@'%' WITH MAX_USER_CONNECTIONS 1", "GRANT ALL ON *.* TO one@'%'", "REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM one@'%'",
		"CREATE TABLE a (id int PRIMARY KEY)")
	t.Cleanup(func() { admin.Exec("DROP USER one@'%'") })
	own := connect(t, strings.Replace(url, "root@", "one@", 1))
	conn, err := own.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := own.ExecContext(t.Context(), "INSERT INTO a VALUES (1)"); storeError(err) != store.ErrUnavailable || numberOf(err) != 1226 {
		t.Errorf("a second connection: got %v", err)
	}
	execute(t, admin, "SET GLOBAL read_only = 1")
	defer admin.Exec("SET GLOBAL read_only = 0")
	if _, err := conn.ExecContext(t.Context(), "INSERT INTO a VALUES (1)"); storeError(err) != store.ErrUnavailable || numberOf(err) != 1290 {
		t.Errorf("read-only: got %v", err)
	}
}

// TestErrorNumbers: what no test can have the server say is in the table all the same, and faults are not.
func TestErrorNumbers(t *testing.T) {
	for want, numbers := range map[store.StoreError][]uint16{
		store.ErrDeadlock:    {1020, 1205, 1213},
		store.ErrUnavailable: {1021, 1040, 1047, 1053, 1203, 1317, 1836, 1927},
		"":                   {1044, 1054, 1064, 1142, 1146, 1267, 1451, 1452, 3024},
	} {
		for _, number := range numbers {
			if got := storeError(fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: number})); got != want {
				t.Errorf("%d: got %q, want %q", number, got, want)
			}
		}
	}
	if got := storeError(sql.ErrNoRows); got != "" {
		t.Errorf("no rows: got %q", got)
	}
}

// TestDuplicateTellsNothing: that a key is there already is said by the field, without the database's words and values.
func TestDuplicateTellsNothing(t *testing.T) {
	app := serve(t, openTemp(t), parseTypes(t, newerTypes))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	body := `{"code": "sesame", "needed": "n"}`
	wantAnswer(t, app, "POST", "Sale", body, 200)
	status, answer := ask(app, "POST", "Sale", body)
	if status != 417 || !strings.Contains(answer, "UniqueValidationError") || !strings.Contains(answer, "code must be unique") {
		t.Errorf("got %d %s", status, answer)
	}
	for _, text := range []string{"sesame", "acme", "Duplicate entry", "tab", "1062", "SALE-"} {
		if strings.Contains(answer, text) {
			t.Errorf("%q is in %s", text, answer)
		}
	}
	if status, answer := askAs(app, "other", "POST", "Sale", body); status != 200 {
		t.Errorf("another tenant's: got %d %s", status, answer)
	}
}

// TestHangingServer stops a server's process: requests end with 503 and Retry-After, more of them than there are connections, and
// when the process goes on so does the service.
func TestHangingServer(t *testing.T) {
	own, url := startServer(t)
	app := serve(t, open(t, url+"?statement-timeout=200ms&connect-timeout=200ms&connections=8"), parseTypes(t, newerTypes))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, app, "POST", "Sale", `{"needed": "n"}`, 200)
	if err := own.Hang(); err != nil {
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	for i := range 24 {
		clients.Go(func() {
			request := httptest.NewRequest("GET", "/api/resource/Sale", nil)
			if i%3 == 0 {
				request = httptest.NewRequest("POST", "/api/resource/Sale", strings.NewReader(`{"needed": "n"}`))
				request.Header.Set("Content-Type", "application/json")
			}
			request.Header.Set("Authorization", "token key:secret")
			answer := httptest.NewRecorder()
			app.ServeHTTP(answer, request)
			if answer.Code != 503 || answer.Header().Get("Retry-After") == "" || strings.Contains(answer.Body.String(), "127.0.0.1") {
				t.Errorf("%s: got %d %s", request.Method, answer.Code, answer.Body)
			}
		})
	}
	clients.Wait()
	request := httptest.NewRequest("GET", "/readyz", nil)
	ready := httptest.NewRecorder()
	if app.ServeHTTP(ready, request); ready.Code != 503 {
		t.Errorf("/readyz: got %d", ready.Code)
	}
	if err := own.Resume(); err != nil {
		t.Fatal(err)
	}
	// The statements that the server got before it stopped end now, and with them their locks.
	for status := 0; status != 200; {
		if status, _ = ask(app, "POST", "Sale", `{"needed": "n"}`); status != 200 && status != 503 {
			t.Fatalf("after the hang: got %d", status)
		}
	}
	wantAnswer(t, app, "GET", "Sale?limit=1", "", 200)
}

// TestLargeValues: what is more than the server takes in one statement is bound apart, and what is more than it takes at all refused.
func TestLargeValues(t *testing.T) {
	kept := openTemp(t)
	defer kept.Close()
	name := column("name", store.TypeVarchar, 140)
	notes := table("tabNote", name, column("text", store.TypeLongText, 0), column("at", store.TypeDatetime, 0), column("n", store.TypeInt, 0), column("d", store.TypeDecimal, 0),
		column("time", store.TypeTime, 0))
	migrate(t, kept, true, notes)
	insert := func(name, text string) error {
		tx, err := kept.Begin(t.Context())
		if err != nil {
			return err
		}
		defer tx.Rollback()
		row := []any{name, text, "2026-11-28 01:02:03.000000", "7", "1.5", "09:05:00.000000"}
		if _, err := tx.Write(t.Context(), store.Mutation{Kind: store.InsertRows, Tenant: "acme", Table: notes, Columns: notes.Columns, Rows: [][]any{row}}); err != nil {
			return err
		}
		return tx.Commit()
	}
	quotes := strings.Repeat(`'\`, 5<<20)
	if err := insert("big", quotes); err != nil {
		t.Fatal(err)
	}
	if err := insert("too big", strings.Repeat("x", 40<<20)); !errors.Is(err, store.ErrValueOutOfRange) {
		t.Errorf("40 MiB: got %v", err)
	}
	var columns []store.Expr
	for _, c := range notes.Columns {
		columns = append(columns, store.Expr{Column: c})
	}
	rows, err := kept.Query(t.Context(), &store.Query{Tenant: "acme", From: notes, Columns: columns,
		Where: store.Cond{Op: store.OpEqual, Expr: columns[1], Values: []string{quotes}}})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	values := make([][]byte, len(columns))
	if !rows.Next() || rows.Scan(values) != nil {
		t.Fatalf("the row is not found: %v", rows.Err())
	}
	if string(values[1]) != quotes {
		t.Errorf("%d bytes came back as %d others", len(quotes), len(values[1]))
	}
	got := fmt.Sprintf("%s %s %s %s %s", values[0], values[2], values[3], values[4], values[5])
	if want := "big 2026-11-28 01:02:03.000000 7 1.500000000 09:05:00.000000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
