package mariadb

import (
	"errors"
	"strings"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
	"github.com/frappems/frappems/internal/mariadbtest"
	"github.com/frappems/frappems/store"
)

// startServer starts a server of the test's own, with a database test.
func startServer(t *testing.T, options ...string) (own *mariadbtest.Server, url string) {
	t.Helper()
	own, err := mariadbtest.Start(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Close() })
	execute(t, connect(t, own.URL("mysql")), "CREATE DATABASE test")
	return own, own.URL("test")
}

// wantRefused wants Start to fail with an error that has some texts in it, and no table made.
func wantRefused(t *testing.T, url string, want ...string) {
	t.Helper()
	kept := open(t, url)
	err := newApp(t, kept, []*frappems.DocType{{Name: "Note"}}).Start(t.Context())
	for _, text := range want {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want an error with %q", err, text)
		}
	}
}

// TestServerRefused starts servers that are set up so that data would suffer. Migrate says what to change.
func TestServerRefused(t *testing.T) {
	own, url := startServer(t)
	for _, c := range []struct {
		name    string
		options []string
		want    []string
	}{
		{"old", []string{"--version=10.5.29-MariaDB-log"}, []string{"10.5.29-MariaDB", "10.6 or newer"}},
		{"replica-prefix", []string{"--version=5.5.5-10.4.1-MariaDB"}, []string{"10.4.1", "10.6 or newer"}},
		{"mysql", []string{"--version=8.0.43"}, []string{"8.0.43", "not MariaDB"}},
		{"no innodb", []string{"--skip-innodb", "--default-storage-engine=MyISAM"}, []string{"InnoDB is off", "skip-innodb"}},
		{"recovery", []string{"--innodb-force-recovery=1"}, []string{"innodb_force_recovery = 1", "innodb_force_recovery = 0"}},
		{"innodb read-only", []string{"--innodb-read-only"}, []string{"innodb_read_only = ON", "without innodb_read_only"}},
		{"read-only", []string{"--read-only"}, []string{"read_only = ON", "primary"}},
		{"lower case", []string{"--lower-case-table-names=1"}, []string{"lower_case_table_names = 1", "with 0"}},
		{"packet", []string{"--max-allowed-packet=1M"}, []string{"max_allowed_packet = 1048576", "16M"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := own.Stop(); err != nil {
				t.Fatal(err)
			}
			if err := own.Restart(c.options...); err != nil {
				t.Fatal(err)
			}
			wantRefused(t, url, c.want...)
		})
	}
	if err := errors.Join(own.Stop(), own.Restart()); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, connect(t, url), "SHOW TABLES"); len(got) > 0 {
		t.Errorf("refused services have made the tables %q", got)
	}
	wantRefused(t, own.URL("missing"), "missing", "CREATE DATABASE")
	execute(t, connect(t, own.URL("mysql")), "CREATE USER limited@'%' IDENTIFIED BY 'hunter2'")
	wantRefused(t, strings.Replace(own.URL("missing"), "root@", "limited:hunter2@", 1), "missing", "CREATE DATABASE", "GRANT")
	wantRefused(t, strings.Replace(url, "root@", "nobody:hunter2@", 1), "nobody", "Access denied", "user and password")
	if err := own.Stop(); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, url, "connecting to "+own.Addr())
}

func TestServerPageSize(t *testing.T) {
	_, url := startServer(t, "--innodb-page-size=8k")
	wantRefused(t, url, "innodb_page_size = 8192", "16k")
}

func TestVersion(t *testing.T) {
	for version, good := range map[string]bool{
		"10.11.19-MariaDB-0+deb12u1": true, "10.6.1-MariaDB": true, "5.5.5-10.6.1-MariaDB-log": true, "11.8.2-MariaDB-ubu2404": true, "12.0.1-MariaDB": true,
		"10.5.29-MariaDB": false, "5.5.68-MariaDB": false, "8.0.43": false, "8.4.0-commercial": false, "9.1.0-TiDB": false, "": false, "MariaDB": false,
	} {
		if err := checkVersion(version); (err == nil) != good {
			t.Errorf("%q: got %v", version, err)
		}
	}
}

// hostile are settings of a server that every connection has to make its own.
var hostile = []string{"--sql-mode=NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT,NO_ZERO_DATE,IGNORE_SPACE", "--character-set-server=gbk",
	"--skip-character-set-client-handshake", "--default-time-zone=+09:00", "--autocommit=0", "--completion-type=CHAIN", "--transaction-isolation=SERIALIZABLE",
	"--transaction-read-only=1", "--innodb-strict-mode=0", "--sql-safe-updates=1", "--div-precision-increment=0",
	"--innodb-default-row-format=compact", "--max-statement-time=0.001", "--wait-timeout=1"}

// TestHostileServer runs a store's whole contract on a server whose own settings are the worst.
func TestHostileServer(t *testing.T) {
	own, url := startServer(t)
	if err := errors.Join(own.Stop(), own.Restart(hostile...)); err != nil {
		t.Fatal(err)
	}
	admin := connect(t, own.URL("mysql"))
	execute(t, admin, "SET GLOBAL sql_select_limit = 1, GLOBAL unique_checks = 0")
	got := texts(t, connect(t, url), "SELECT @@time_zone, @@autocommit, @@completion_type, @@unique_checks, @@sql_safe_updates, @@sql_select_limit, @@div_precision_increment, @@max_statement_time, "+
		"@@innodb_lock_wait_timeout, @@lock_wait_timeout, @@wait_timeout, @@tx_isolation, @@tx_read_only, @@eq_range_index_dive_limit, @@optimizer_use_condition_selectivity")
	if want := "+00:00 1 NO_CHAIN 1 0 18446744073709551615 4 20 10 10 300 READ-COMMITTED 0 1 1"; got[0] != want {
		t.Errorf("got the settings %s, want %s", got[0], want)
	}
	frappemstest.TestStore(t, func(t *testing.T) frappems.Store {
		execute(t, admin, "DROP DATABASE test", "CREATE DATABASE test")
		return open(t, url)
	})
	execute(t, admin, "DROP DATABASE test", "CREATE DATABASE test")
	types := frappesDocTypes(t, 20)
	migrateAll(t, open(t, url), types)
	if plan, err := newApp(t, open(t, url), types).Migrate(t.Context(), false); err != nil || len(plan) > 0 {
		t.Errorf("the second plan is %q, %v", plan, err)
	}
}

func migrateAll(t *testing.T, kept store.Store, types []*frappems.DocType) {
	t.Helper()
	if _, err := newApp(t, kept, types).Migrate(t.Context(), true); err != nil {
		t.Fatal(err)
	}
}

// TestOtherCollation: texts of a table that compare otherwise are refused, by table and column.
func TestOtherCollation(t *testing.T) {
	url := newDatabase(t)
	types := parseTypes(t, newerTypes)
	migrateAll(t, open(t, url), types)
	for _, c := range []struct{ change, want string }{
		{"ALTER TABLE tabSale MODIFY title varchar(140) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "title"},
		{"ALTER TABLE tabSale MODIFY title varchar(140) CHARACTER SET latin1", "title"},
		{"ALTER TABLE tabSale MODIFY tenant_id varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL", "tenant_id"},
	} {
		execute(t, connect(t, url), c.change)
		plan, err := newApp(t, open(t, url), types).Migrate(t.Context(), true)
		if err == nil || !strings.Contains(err.Error(), "tabSale") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v", c.change, plan, err)
		}
		execute(t, connect(t, url), "ALTER TABLE tabSale MODIFY title varchar(140) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
	}
}
