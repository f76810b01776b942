package main

import "strings"

// replacement changes a file: old stands in it exactly once.
type replacement struct{ file, old, new string }

// mutant is a version of the sources in which one statement reaches all tenants.
type mutant struct {
	name  string
	edits []replacement
	// once says that the store in memory is enough: those on SQL have the same code around their statement.
	once bool
}

// reach lets a statement of the stores reach the rows of all tenants. It is a part of every mutant, and changes nothing by itself.
func reach() []replacement {
	return []replacement{
		{"store/store.go", "type Query struct {", "type Query struct {\n\tAnyTenant bool"},
		{"store/store.go", "type Mutation struct {", "type Mutation struct {\n\tAnyTenant bool"},
		{"store/sqlstore_query.go", "b.ofTenant(s.aliases[0])", `if q.AnyTenant { b.add("1 = 1") } else { b.ofTenant(s.aliases[0]) }`},
		{"store/sqlstore_query.go", "b.ofTenant(table)", `if m.AnyTenant { b.add("1 = 1") } else { b.ofTenant(table) }`},
		{"store/memory_query.go", "r.scan(from, from.bindings(&q.Where))",
			`func() []*memoryRow { if q.AnyTenant { return slices.Collect(from.rows.within("")) }; return r.scan(from, from.bindings(&q.Where)) }()`},
		{"store/memory.go", "run.scan(t, t.bindings(&m.Where))",
			`func() []*memoryRow { if m.AnyTenant { return slices.Collect(t.rows.within("")) }; return run.scan(t, t.bindings(&m.Where)) }()`},
	}
}

// mutants drop the tenant where documents are listed, read, checked, counted, named and written.
func mutants() []mutant {
	list := []mutant{
		{name: "list", edits: []replacement{{"resource.go", "return b, b.setPages(args)", "b.query.AnyTenant = !b.isAggregate()\n\treturn b, b.setPages(args)"}}},
		{name: "count", edits: []replacement{{"resource.go", "return b, b.setPages(args)", "b.query.AnyTenant = b.isAggregate()\n\treturn b, b.setPages(args)"}}},
		{name: "get", edits: []replacement{{"layout.go", "Columns: m.layout.columns[0],", "AnyTenant: true, Columns: m.layout.columns[0],"},
			{"layout.go", "Columns: m.layout.joined,", "AnyTenant: true, Columns: m.layout.joined,"}}},
		{name: "child", edits: []replacement{{"layout.go", "Columns: m.layout.columns[i+1],", "AnyTenant: true, Columns: m.layout.columns[i+1],"}}},
		{name: "load for a change", edits: []replacement{{"docstore.go", "Columns: m.allColumns(),", "AnyTenant: true, Columns: m.allColumns(),"}}},
		{name: "link check", edits: []replacement{{"link.go", "Columns: []store.Expr{{Func: store.FuncLiteral, Text: &number},",
			"AnyTenant: true, Columns: []store.Expr{{Func: store.FuncLiteral, Text: &number},"}}},
		{name: "links to what is deleted", edits: []replacement{{"link.go", `Columns: []store.Expr{m.expr("name"), {Func: store.FuncLiteral, Text: &m.Name}},`,
			`AnyTenant: true, Columns: []store.Expr{m.expr("name"), {Func: store.FuncLiteral, Text: &m.Name}},`}}},
		{name: "series", edits: []replacement{ // of a store with one writer, and of one with many
			{"naming.go", "store.Counter{Tenant: n.db.tenant,", `store.Counter{Tenant: "everybody",`},
			{"naming.go", "&n.db.taken.Taken, n.db.tenant,", `&n.db.taken.Taken, "everybody",`}}},
		{name: "update", edits: []replacement{{"docstore.go", "store.Mutation{Kind: store.UpdateRows,", "store.Mutation{AnyTenant: true, Kind: store.UpdateRows,"}}},
		{name: "delete", edits: []replacement{{"docstore.go", "store.Mutation{Kind: store.DeleteRows, Tenant: db.tenant, Table: d.meta.table,",
			"store.Mutation{AnyTenant: true, Kind: store.DeleteRows, Tenant: db.tenant, Table: d.meta.table,"}}},
		{name: "unique", edits: []replacement{
			{"store/sqlstore_migrate.go", `d.columns(i.Columns) + ")"`,
				`strings.TrimPrefix(d.columns(i.Columns), map[bool]string{true: d.quoted(tenantName) + ", "}[i.Unique]) + ")"`},
			{"store/memory.go", "for range index.rows.within(prefix) {",
				`for other := range index.rows.within("") {
					if value := func(r *memoryRow) string { return string(t.prefix(append([]cell{{}}, r.cells[1:]...), index.columns)) }; value(other) != value(row) {
						continue
					}`},
		}},
		{name: "join", edits: []replacement{
			{"store/sqlstore_query.go", "b.ofTenant(inner.aliases[0])", `b.add("1 = 1")`},
			{"store/memory_query.go", "l.run.filter(l.run.scan(l.table, fixed),", `l.run.filter(slices.Collect(l.table.rows.within("")),`},
		}},
		reaching("rename", "rename.go", "store.Mutation{Kind: store.UpdateRows, Tenant: db.tenant, Table: d.meta.table,"),
	}
	for _, m := range []mutant{
		reaching("rename of links", "rename.go", "store.Mutation{Kind: store.UpdateRows, Tenant: db.tenant, Table: by.table,"),
		reaching("rename of links in Singles", "rename.go", "{{Kind: store.UpdateRows, Tenant: db.tenant, Table: singleTable,"),
		reaching("rename of rows", "rename.go", "store.Mutation{Kind: store.UpdateRows, Tenant: db.tenant, Table: t.child.table,"),
		reaching("values", "tenant.go", "store.Query{Tenant: db.tenant, From: m.table, Where: where, Limit: 1}"),
		reaching("rows of a list", "pages.go", "store.Query{Tenant: l.db.tenant, From: t.child.table,"),
		reaching("tree", "query.go", "store.Query{Tenant: b.db.tenant, From: tree.table, Columns: []store.Expr{name},"),
		reaching("Single", "docstore.go", "store.Query{Tenant: db.tenant, From: singleTable,"),
		reaching("value of a Single", "client.go", "store.Query{Tenant: c.db.tenant, From: singleTable,"),
		reaching("change of a Single", "docstore.go", "store.Mutation{Kind: store.DeleteRows, Tenant: db.tenant, Table: singleTable,"),
		reaching("rows that are left out", "docstore.go", "store.Mutation{Kind: store.DeleteRows, Tenant: db.tenant, Table: child.table,"),
		reaching("answers by their keys", "idempotency.go", "store.Query{Tenant: db.tenant, From: idempotencyTable,"),
	} {
		m.once = true
		list = append(list, m)
	}
	return list
}

// reaching makes a mutant of one statement.
func reaching(name, file, statement string) mutant {
	return mutant{name: name, edits: []replacement{{file, statement, strings.Replace(statement, "Tenant: ", "AnyTenant: true, Tenant: ", 1)}}}
}
