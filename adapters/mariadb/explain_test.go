package mariadb

import (
	"database/sql"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const plannedTypes = `[
	{"doctype": "DocType", "name": "Customer", "autoname": "prompt", "fields": [{"fieldname": "code", "fieldtype": "Data", "unique": 1}]},
	{"doctype": "DocType", "name": "Order", "autoname": "ORD-.########", "fields": [
		{"fieldname": "customer", "fieldtype": "Link", "options": "Customer", "in_standard_filter": 1},
		{"fieldname": "status", "fieldtype": "Select", "options": "\nOpen\nClosed", "search_index": 1},
		{"fieldname": "total", "fieldtype": "Currency"}, {"fieldname": "items", "fieldtype": "Table", "options": "Order Row"}]},
	{"doctype": "DocType", "name": "Order Row", "istable": 1, "fields": [{"fieldname": "item", "fieldtype": "Link", "options": "Customer", "in_list_view": 1}, {"fieldname": "qty", "fieldtype": "Int"}]},
	{"doctype": "DocType", "name": "Event", "autoname": "prompt", "sort_field": "starts", "sort_order": "ASC", "fields": [{"fieldname": "starts", "fieldtype": "Datetime"}]}]`

// plan is what EXPLAIN says of a table of a statement.
type plan struct{ table, access, key, extra string }

// explained returns the plans of a statement's tables.
func explained(t *testing.T, db *sql.DB, statement string) (plans []plan) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN "+statement)
	if err != nil {
		t.Fatalf("EXPLAIN %s: %v", statement, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, kind, table, access, possible, key, length, ref, count, extra sql.NullString
		if err := rows.Scan(&id, &kind, &table, &access, &possible, &key, &length, &ref, &count, &extra); err != nil {
			t.Fatal(err)
		}
		plans = append(plans, plan{table.String, access.String, key.String, extra.String})
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plans
}

// TestExplain has the server explain the very statements that requests lead to: each table is reached through an index, the one that
// is named where several would do, and nothing is sorted.
func TestExplain(t *testing.T) {
	database := newDatabase(t)
	app := serve(t, open(t, database), parseTypes(t, plannedTypes))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := connect(t, database)
	fillPlanned(t, db)
	for _, c := range []struct {
		name, method, path, body string
		keys                     []string // that have to be among those used
	}{
		{"list", "GET", "Order", "", []string{"modified"}},
		{"fields", "GET", `Order?fields=["*"]&limit_start=60&limit=40`, "", []string{"modified"}},
		{"oldest first", "GET", "Order?order_by=modified asc", "", []string{"modified"}},
		{"by name", "GET", "Order?order_by=name asc", "", []string{"PRIMARY"}},
		{"sort field", "GET", "Event", "", []string{"starts"}},
		{"link", "GET", `Order?filters=[["customer","=","C-00007"]]`, "", []string{"customer_modified"}},
		{"link and more", "GET", `Order?fields=["name","total"]&filters=[["customer","=","C-00007"],["total",">",10]]`, "", []string{"customer_modified"}},
		{"search index", "GET", `Order?filters={"status":"Open"}`, "", []string{"status_modified"}},
		{"first page", "GET", "Order?after=", "", []string{"modified"}},
		{"page", "GET", "Order?after=ORD-00004000", "", []string{"modified"}},
		{"page of a link", "GET", `Order?after=ORD-00004007&filters={"customer":"C-00007"}`, "", []string{"customer_modified"}},
		{"rows of a list", "GET", `Order?expand_children=items&fields=["name"]`, "", []string{"modified", "parent_idx"}},
		{"linked field", "GET", `Order?fields=["name","customer.code"]`, "", []string{"modified", "PRIMARY"}},
		{"document", "GET", "Order/ORD-00004000", "", []string{"PRIMARY", "parent_idx"}},
		{"insert", "POST", "Order", `{"customer": "C-00001", "items": [{"item": "C-00002", "qty": 1}]}`, []string{"PRIMARY"}},
		{"update", "PUT", "Order/ORD-00004000", `{"total": 7, "items": [{"item": "C-00002"}]}`, []string{"PRIMARY", "parent_idx"}},
		{"linked", "DELETE", "Customer/C-00107", "", []string{"customer_modified", "item"}},
		{"delete", "DELETE", "Order/ORD-00004000", "", []string{"PRIMARY", "parent_idx"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			statements := logged(t, db, func() {
				if status, answer := ask(app, c.method, escaped(c.path), c.body); status >= 400 && c.name != "linked" {
					t.Errorf("got %d %s", status, answer)
				}
			})
			var used []string
			for _, s := range statements {
				for _, p := range explained(t, db, s) {
					used = append(used, strings.Split(p.key, ",")...)
					switch {
					case c.name == "linked" && strings.Contains(s, " ORDER BY ") && strings.Contains(s, " LIMIT 1 "):
						// Which link is told, where the statement before has found that there is one.
					case strings.HasPrefix(p.table, "<"), p.table == "": // a union's rows, or a table of which one row was read before
					case p.key == "" || p.access == "ALL" || p.access == "index", strings.Contains(p.extra, "filesort"), strings.Contains(p.extra, "temporary"):
						t.Errorf("%s\n\t%+v", s, p)
					}
				}
			}
			for _, key := range c.keys {
				if !slices.Contains(used, key) {
					t.Errorf("the index %s is not used, but %q, by\n%s", key, used, strings.Join(statements, "\n"))
				}
			}
		})
	}
}

// fillPlanned makes 200 customers, 20,000 orders of two rows and 2,000 events for acme, and a tenth of them for globex.
func fillPlanned(t *testing.T, db *sql.DB) {
	t.Helper()
	const common = "'Administrator', '2026-01-01' + INTERVAL seq MINUTE, '2026-01-01' + INTERVAL seq MINUTE, 'Administrator', 0"
	for tenant, size := range map[string]int{"acme": 10, "globex": 1} {
		fill := func(table, columns, values string, rows int) {
			execute(t, db, fmt.Sprintf("INSERT INTO `tab%s` (tenant_id, owner, creation, modified, modified_by, docstatus, %s) SELECT '%s', %s, %s FROM seq_1_to_%d",
				table, columns, tenant, common, values, rows))
		}
		fill("Customer", "name, code", "CONCAT('C-', LPAD(seq, 5, '0')), seq", 20*size)
		fill("Order", "name, customer, status, total", fmt.Sprintf("CONCAT('ORD-', LPAD(seq, 8, '0')), CONCAT('C-', LPAD(1 + seq %% %d, 5, '0')), IF(seq %% 9, 'Closed', 'Open'), seq %% 100", 10*size), 2000*size)
		fill("Order Row", "name, parent, parenttype, parentfield, idx, item, qty",
			fmt.Sprintf("CONCAT('r', seq), CONCAT('ORD-', LPAD(seq DIV 2, 8, '0')), 'Order', 'items', 1 + seq %% 2, CONCAT('C-', LPAD(1 + %[1]d + seq %% %[1]d, 5, '0')), 1", 10*size), 4000*size)
		fill("Event", "name, starts", "CONCAT('E', seq), '2026-01-01' + INTERVAL seq * 7 % 1000 HOUR", 200*size)
	}
	execute(t, db, "ANALYZE TABLE tabCustomer, tabOrder, `tabOrder Row`, tabEvent")
}

// logged returns the statements of f that touch tables of DocTypes, as the server got them; inserts and the text of values apart.
func logged(t *testing.T, db *sql.DB, f func()) []string {
	t.Helper()
	execute(t, db, "TRUNCATE mysql.general_log", "SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = 1")
	f()
	execute(t, db, "SET GLOBAL general_log = 0")
	return texts(t, db, "SELECT argument FROM mysql.general_log WHERE command_type IN ('Query', 'Execute') AND argument LIKE '%`tab%' AND argument NOT LIKE 'INSERT%' ORDER BY event_time")
}

func escaped(path string) string {
	path, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		panic(err)
	}
	return path + "?" + values.Encode()
}
