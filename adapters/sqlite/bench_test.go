package sqlite

import (
	"fmt"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
)

// benchTable is about as wide as a sales order.
func benchTable() *store.Table {
	t := &store.Table{Name: "tabOrder"}
	for i := range 20 {
		t.Columns = append(t.Columns, &store.Column{Name: fmt.Sprint("c", i), Type: store.TypeVarchar, Length: 140})
	}
	t.Columns[1].Type, t.Columns[2].Type = store.TypeDatetime, store.TypeDecimal
	t.Key = t.Columns[:1]
	t.Indexes = []store.Index{{Name: "c1", Columns: t.Columns[1:2]}, {Name: "c3", Columns: t.Columns[3:4]}}
	return t
}

func benchRow(t *store.Table, i int) store.Mutation {
	row := []any{fmt.Sprintf("SO-%07d", i), fmt.Sprintf("2026-01-01 00:00:00.%06d", i*7919%1000000), fmt.Sprint(i, ".5"), fmt.Sprint("Customer ", i/5)}
	for range t.Columns[len(row):] {
		row = append(row, "some text in a field")
	}
	return store.Mutation{Tenant: "acme", Table: t, Columns: t.Columns, Rows: [][]any{row}}
}

// BenchmarkStores measures both stores on 20,000 rows: a get by name, a list of 20, the rows of an index, and a transaction
// that inserts one row.
func BenchmarkStores(b *testing.B) {
	for _, kind := range []string{"memory", "sqlite"} {
		kept := frappems.NewMemoryStore()
		if kind == "sqlite" {
			var err error
			if kept, err = Open(b.TempDir() + "/bench.db"); err != nil {
				b.Fatal(err)
			}
		}
		defer kept.Close()
		table := benchTable()
		if _, err := kept.Migrate(b.Context(), &store.Schema{Tables: []*store.Table{table}}, true); err != nil {
			b.Fatal(err)
		}
		rows := 20000
		benchInsert(b, kept, rows, func(i int) store.Mutation { return benchRow(table, i) })
		get := &store.Query{Tenant: "acme", From: table}
		for _, c := range table.Columns {
			get.Columns = append(get.Columns, store.Expr{Column: c})
		}
		list, children := *get, *get
		get.Where = store.Cond{Op: store.OpEqual, Expr: get.Columns[0], Values: []string{"so-0012345"}}
		list.Columns, list.Limit = list.Columns[:5], 20
		list.OrderBy = []store.Order{{Expr: get.Columns[1], Desc: true}, {Expr: get.Columns[0]}}
		children.Where = store.Cond{Op: store.OpEqual, Expr: get.Columns[3], Values: []string{"Customer 77"}}
		for name, q := range map[string]*store.Query{"get": get, "list": &list, "children": &children} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				for b.Loop() {
					benchQuery(b, kept, q)
				}
			})
		}
		b.Run(kind+"/insert", func(b *testing.B) {
			for b.Loop() {
				rows++
				benchInsert(b, kept, 1, func(int) store.Mutation { return benchRow(table, rows) })
			}
		})
	}
}

// benchInsert inserts rows in one transaction.
func benchInsert(b *testing.B, kept frappems.Store, n int, row func(int) store.Mutation) {
	tx, err := kept.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	for i := range n {
		if _, err := tx.Write(b.Context(), row(i)); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

func benchQuery(b *testing.B, kept frappems.Store, q *store.Query) {
	rows, err := kept.Query(b.Context(), q)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	values := make([][]byte, len(q.Columns))
	n := 0
	for rows.Next() {
		if err := rows.Scan(values); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if n == 0 || rows.Err() != nil {
		b.Fatalf("%d rows, %v", n, rows.Err())
	}
}
