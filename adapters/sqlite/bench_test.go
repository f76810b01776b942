package sqlite

import (
	"fmt"
	"testing"

	"github.com/frappems/frappems"
)

// benchTable is about as wide as a sales order.
func benchTable() *frappems.Table {
	t := &frappems.Table{Name: "tabOrder"}
	for i := range 20 {
		t.Columns = append(t.Columns, &frappems.Column{Name: fmt.Sprint("c", i), Type: frappems.TypeVarchar, Length: 140})
	}
	t.Columns[1].Type, t.Columns[2].Type = frappems.TypeDatetime, frappems.TypeDecimal
	t.Key = t.Columns[:1]
	t.Indexes = []frappems.Index{{Name: "c1", Columns: t.Columns[1:2]}, {Name: "c3", Columns: t.Columns[3:4]}}
	return t
}

func benchRow(t *frappems.Table, i int) frappems.Mutation {
	row := []any{fmt.Sprintf("SO-%07d", i), fmt.Sprintf("2026-01-01 00:00:00.%06d", i*7919%1000000), fmt.Sprint(i, ".5"), fmt.Sprint("Customer ", i/5)}
	for range t.Columns[len(row):] {
		row = append(row, "some text in a field")
	}
	return frappems.Mutation{Tenant: "acme", Table: t, Columns: t.Columns, Rows: [][]any{row}}
}

// BenchmarkStores measures both stores on 20,000 rows: a get by name, a list of 20, the rows of an index, and a transaction
// that inserts one row.
func BenchmarkStores(b *testing.B) {
	for _, kind := range []string{"memory", "sqlite"} {
		store := frappems.NewMemoryStore()
		if kind == "sqlite" {
			var err error
			if store, err = Open(b.TempDir() + "/bench.db"); err != nil {
				b.Fatal(err)
			}
		}
		defer store.Close()
		table := benchTable()
		if _, err := store.Migrate(b.Context(), &frappems.Schema{Tables: []*frappems.Table{table}}, true); err != nil {
			b.Fatal(err)
		}
		rows := 20000
		benchInsert(b, store, rows, func(i int) frappems.Mutation { return benchRow(table, i) })
		get := &frappems.Query{Tenant: "acme", From: table}
		for _, c := range table.Columns {
			get.Columns = append(get.Columns, frappems.Expr{Column: c})
		}
		list, children := *get, *get
		get.Where = frappems.Cond{Op: frappems.OpEqual, Expr: get.Columns[0], Values: []string{"so-0012345"}}
		list.Columns, list.Limit = list.Columns[:5], 20
		list.OrderBy = []frappems.Order{{Expr: get.Columns[1], Desc: true}, {Expr: get.Columns[0]}}
		children.Where = frappems.Cond{Op: frappems.OpEqual, Expr: get.Columns[3], Values: []string{"Customer 77"}}
		for name, q := range map[string]*frappems.Query{"get": get, "list": &list, "children": &children} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				for b.Loop() {
					benchQuery(b, store, q)
				}
			})
		}
		b.Run(kind+"/insert", func(b *testing.B) {
			for b.Loop() {
				rows++
				benchInsert(b, store, 1, func(int) frappems.Mutation { return benchRow(table, rows) })
			}
		})
	}
}

// benchInsert inserts rows in one transaction.
func benchInsert(b *testing.B, store frappems.Store, n int, row func(int) frappems.Mutation) {
	tx, err := store.Begin(b.Context())
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

func benchQuery(b *testing.B, store frappems.Store, q *frappems.Query) {
	rows, err := store.Query(b.Context(), q)
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
