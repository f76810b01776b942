package frappemstest

import (
	"strings"

	"github.com/frappems/frappems/store"
)

var tenantCases = []storeCase{
	{"SameNames", "Each tenant has its own rows, names, unique values and counters.", (*storeTest).testSameNames},
	{"Writes", "An update or delete never touches another tenant's rows.", (*storeTest).testTenantWrites},
	{"Sources", "Joins, NotExists, unions and aggregates never see another tenant's rows.", (*storeTest).testTenantSources},
	{"Bytes", "Tenants are compared byte by byte.", (*storeTest).testTenantBytes},
	{"Required", "A statement without a tenant that can be one is an error.", (*storeTest).testTenantRequired},
	{"Column", "A table's column tenant_id is that of the tenant, and can be read and compared.", (*storeTest).testTenantColumn},
}

// fillTenants gives acme and globex the same names with different values.
func fillTenants(t *storeTest) {
	t.Helper()
	t.migrate()
	for _, tenant := range []string{"acme", "globex"} {
		t.write(insertion(tenant, t.orders, "name customer code total", row{"SO-1", tenant, "c1", "1"}, row{"SO-2", "Both", "c2", "2"}),
			insertion(tenant, t.items, "name parent item", row{"i1", "SO-1", tenant}, row{"i2", "SO-" + tenant, "x"}))
	}
	t.write(insertion("globex", t.orders, "name customer total", row{"SO-3", "Both", "100"}))
}

// as is the query of another tenant.
func as(tenant string, q *store.Query) *store.Query {
	other := *q
	other.Tenant = tenant
	return &other
}

func (t *storeTest) testSameNames() {
	fillTenants(t)
	q := list(t.orders, "name customer")
	t.want(q, "SO-1 acme", "SO-2 Both")
	t.want(as("globex", q), "SO-1 globex", "SO-2 Both", "SO-3 Both")
	t.want(as("initech", q))
	for _, where := range []store.Cond{equals(of(t.orders, "name"), "SO-3"), equals(of(t.orders, "customer"), "globex"), is(of(t.orders, "name"), store.OpIn, "SO-3"),
		is(of(t.orders, "total"), store.OpGreater, "50"), equals(of(t.orders, "code"), "c3")} {
		t.want(listWhere(t.orders, where))
		t.want(listWhere(t.orders, or(where, and(where))))
	}
	for tenant, want := range map[string]int64{"acme": 1, "globex": 3} {
		tx := t.begin()
		if tenant == "globex" {
			if _, err := tx.Next(t.Context(), store.Counter{Tenant: tenant, Table: t.counters, Name: "n"}, 2); err != nil {
				t.problem("%v", err)
			}
		}
		if first, err := tx.Next(t.Context(), store.Counter{Tenant: tenant, Table: t.counters, Name: "n"}, 1); err != nil || first != want {
			t.problem("%s counts to %d, %v; want %d", tenant, first, err, want)
		}
		if err := tx.Commit(); err != nil {
			t.problem("%v", err)
		}
	}
}

func (t *storeTest) testTenantWrites() {
	fillTenants(t)
	globex := t.rows(as("globex", list(t.orders, "name customer code total")))
	for _, c := range []struct {
		want int64
		m    store.Mutation
	}{
		{2, update("acme", t.orders, "customer", row{"x"}, or(is(of(t.orders, "name"), store.OpLike, "%"), and()))},
		{0, update("acme", t.orders, "customer", row{"x"}, equals(of(t.orders, "name"), "SO-3"))},
		{1, deletion("acme", t.orders, or(equals(of(t.orders, "name"), "SO-3"), equals(of(t.orders, "name"), "SO-1")))},
	} {
		if n := t.write(c.m); n != c.want {
			t.problem("%d rows were counted as %d", c.want, n)
		}
	}
	t.write(deletion("acme", t.orders, and()))
	t.want(list(t.orders, "name"))
	t.want(as("globex", list(t.orders, "name customer code total")), globex...)
}

func (t *storeTest) testTenantSources() {
	fillTenants(t)
	q := list(t.orders, "name")
	q.Columns = append(q.Columns, from(1, t.items, "item"), from(2, t.orders, "name"))
	q.Joins = []store.Join{{Table: t.items, Column: column(t.items, "parent"), Outer: of(t.orders, "name"), Where: or(equals(of(t.items, "item"), "globex"), and())},
		{Table: t.orders, Column: column(t.orders, "customer"), Outer: of(t.orders, "customer")}}
	t.want(q, "SO-1 acme SO-1", "SO-2 ∅ SO-2")
	t.want(as("globex", q), "SO-1 globex SO-1", "SO-2 ∅ SO-2", "SO-2 ∅ SO-3", "SO-3 ∅ SO-2", "SO-3 ∅ SO-3")
	other := store.Cond{Op: store.OpNotExists, Sub: &store.Sub{Table: t.orders, Column: column(t.orders, "name"), Outer: literal("SO-3")}}
	q = list(t.orders, "name")
	q.Where = other
	t.want(q, "SO-1", "SO-2")
	t.want(as("globex", q))
	item := store.Cond{Op: store.OpNotExists, Sub: &store.Sub{Table: t.items, Column: column(t.items, "item"), Outer: of(t.orders, "customer"),
		Where: or(and(), equals(of(t.items, "name"), "i1"))}}
	t.write(update("acme", t.orders, "customer", row{"globex"}, equals(of(t.orders, "name"), "SO-1")))
	t.want(listWhere(t.orders, item), "SO-1", "SO-2")
	q = list(t.orders, "name")
	q.Union = []*store.Query{list(t.items, "name"), list(t.items, "item")}
	t.want(q, "SO-1", "SO-2", "i1", "i2", "acme", "x")
	q = list(t.orders, "")
	q.Columns = []store.Expr{countRows, call(store.FuncSum, of(t.orders, "total")), call(store.FuncMax, of(t.orders, "name"))}
	t.want(q, "2 3.000000000 SO-2")
	q.GroupBy = []store.Expr{of(t.orders, "code")}
	t.want(as("globex", q), "1 100.000000000 SO-3", "1 1.000000000 SO-1", "1 2.000000000 SO-2")
}

func (t *storeTest) testTenantBytes() {
	t.migrate()
	tenants := []string{"acme", "ACME", "Acme", "acme.", "acme-", "acme_", "a", "A.b_c-9", strings.Repeat("x", 64)}
	for _, tenant := range tenants {
		t.write(insertion(tenant, t.orders, "name customer code", row{"SO-1", tenant, "c"}))
	}
	for _, tenant := range tenants {
		t.want(as(tenant, list(t.orders, "name customer")), "SO-1 "+tenant)
	}
}

func (t *storeTest) testTenantRequired() {
	fillTenants(t)
	tx := t.begin()
	defer tx.Rollback()
	ctx := t.Context()
	for _, tenant := range []string{"", "SYSTEM", " ", "acme ", "acme\x00", "a b", "a'b", "acmé", "*", "%", strings.Repeat("x", 65)} {
		union := list(t.orders, "name")
		union.Union = []*store.Query{as(tenant, list(t.items, "name"))}
		for i, q := range []*store.Query{as(tenant, list(t.orders, "name")), as(tenant, &store.Query{Columns: []store.Expr{literal("x")}}), union} {
			if _, err := read(ctx, t.store, q); err == nil {
				t.problem("query %d of the tenant %q was accepted", i, tenant)
			}
			if _, err := read(ctx, tx, q); err == nil {
				t.problem("query %d of the tenant %q was accepted in a transaction", i, tenant)
			}
		}
		for i, m := range []store.Mutation{insertion(tenant, t.orders, "name", row{"x"}), insertion(tenant, t.orders, "name"),
			update(tenant, t.orders, "customer", row{"x"}, and()), deletion(tenant, t.orders, and())} {
			if _, err := tx.Write(ctx, m); err == nil {
				t.problem("mutation %d of the tenant %q was accepted", i, tenant)
			}
		}
		if _, err := tx.Next(ctx, store.Counter{Tenant: tenant, Table: t.counters, Name: "x"}, 1); err == nil {
			t.problem("a counter of the tenant %q was accepted", tenant)
		}
	}
	t.wantIn(tx, list(t.orders, "name"), "SO-1", "SO-2")
}

func (t *storeTest) testTenantColumn() {
	shown := keyed("tabShown", varchar("name"), &store.Column{Name: "tenant_id", Type: store.TypeVarchar, Length: 140})
	t.apply(shown)
	if plan := t.apply(shown); len(plan) > 0 {
		t.problem("a second Migrate has the plan %q", plan)
	}
	for _, tenant := range []string{"acme", "globex"} {
		t.write(insertion(tenant, shown, "name", row{"x"}))
	}
	t.want(list(shown, "name tenant_id"), "x acme")
	t.want(listWhere(shown, equals(of(shown, "tenant_id"), "acme")), "x")
	t.want(listWhere(shown, equals(of(shown, "tenant_id"), "globex")))
	t.want(listWhere(shown, is(of(shown, "tenant_id"), store.OpNotEqual, "acme")))
	if _, err := t.try(insertion("acme", shown, "name tenant_id", row{"y", "globex"})); err == nil {
		t.problem("an insert that writes the tenant was accepted")
	}
	if _, err := t.try(update("acme", shown, "tenant_id", row{"globex"}, and())); err == nil {
		t.problem("an update that writes the tenant was accepted")
	}
}
