package store

import (
	"slices"
	"strings"
	"testing"
)

// sqlTestDialect has no function of its own where there is a choice.
var sqlTestDialect = &Dialect{Quote: '`', MaxValues: 100, Locks: [4]string{ShareLock: " LOCK IN SHARE MODE"},
	Type: func(c *Column) string { return strings.ToUpper(c.Type.String()) },
	Upsert: func(column string) string {
		return "ON DUPLICATE KEY UPDATE " + column + " = " + column + " + VALUES(" + column + ")"
	}}

// sqlTestStatements writes statements of every kind in which a value stands wherever one can.
func sqlTestStatements(value, tenant string) []sqlBuilder {
	name, total := &Column{Name: "name", Type: TypeVarchar, Length: 140}, &Column{Name: "to`tal", Type: TypeInt}
	table := &Table{Name: "tab`Order", Columns: []*Column{name, total}, Key: []*Column{name}}
	one, two := Expr{Column: name}, Expr{Source: 1, Column: name}
	where := Cond{Op: OpAnd, Conds: []Cond{{Op: OpOr, Conds: []Cond{{Op: OpEqual, Expr: one, Values: []string{value}}, {Op: OpLike, Expr: one, Values: []string{value}},
		{Op: OpBetween, Expr: one, Values: []string{value, value}}, {Op: OpNotIn, Expr: one, Values: []string{value, value}}}},
		{Op: OpNotExists, Sub: &Sub{Table: table, Column: name, Outer: one, Where: Cond{Op: OpGreater, Expr: one, Values: []string{value}}}}}}
	joined := &Query{Tenant: tenant, From: table, Joins: []Join{{Table: table, Column: name, Outer: one, Where: where}, {Table: table, Column: total, Outer: two}},
		Columns: []Expr{one, {Func: FuncLiteral, Text: &value}, {Func: FuncSum, Column: total}}, GroupBy: []Expr{two}, Where: where,
		OrderBy: []Order{{Expr: two, Desc: true}}, Limit: 20, Offset: 40}
	part := &Query{Tenant: tenant, From: table, Columns: []Expr{{Func: FuncLiteral, Text: &value}}, Where: where, Lock: ShareLock}
	union := *part
	union.Union = []*Query{part}
	var statements []sqlBuilder
	for _, q := range []*Query{joined, &union} {
		b := sqlBuilder{d: sqlTestDialect, tenant: q.Tenant}
		b.query(q)
		statements = append(statements, b)
	}
	for _, m := range []Mutation{{Kind: InsertRows, Columns: []*Column{name}, Rows: [][]any{{value}, {nil}}}, {Kind: UpdateRows, Columns: []*Column{name}, Rows: [][]any{{value}}, Where: where},
		{Kind: DeleteRows, Where: where}} {
		m.Tenant, m.Table = tenant, table
		b := sqlBuilder{d: sqlTestDialect, tenant: tenant}
		b.mutation(&m)
		statements = append(statements, b)
	}
	b := sqlBuilder{d: sqlTestDialect, tenant: tenant}
	b.counter(Counter{Tenant: tenant, Table: table, Name: value}, name, total, 3)
	return append(statements, b)
}

// FuzzStatementShape checks that no value changes a statement's text: each is bound, and the tenant with every table.
func FuzzStatementShape(f *testing.F) {
	for _, value := range []string{"", "x", "' OR 1=1 --", "`", `\`, "?", "\x00", "a;b", "%_"} {
		f.Add(value, "globex")
	}
	want := sqlTestStatements("x", "acme")
	f.Fuzz(func(t *testing.T, value, tenant string) {
		for i, got := range sqlTestStatements(value, tenant) {
			if got.err != nil {
				continue // a value that the column refuses; the statement is not run
			}
			if string(got.text) != string(want[i].text) {
				t.Errorf("with the value %q:\n%s\nwant\n%s", value, got.text, want[i].text)
			}
			tables := strings.Count(string(got.text), "`tab``Order` AS ") + strings.Count(string(got.text), "UPDATE ") + strings.Count(string(got.text), "DELETE ")
			if predicates := strings.Count(string(got.text), "`tenant_id` = ?"); !strings.HasPrefix(string(got.text), "INSERT") && predicates != tables {
				t.Errorf("%d tables, %d predicates on the tenant: %s", tables, predicates, got.text)
			}
			placeholders, tenants := strings.Count(string(got.text), "?"), 0
			for _, v := range got.args {
				if v == tenant {
					tenants++
				}
			}
			if placeholders != len(got.args) || tenants < tables {
				t.Errorf("%d placeholders, %d values, %d of them the tenant: %s", placeholders, len(got.args), tenants, got.text)
			}
		}
	})
}

func TestStatements(t *testing.T) {
	var got []string
	for _, b := range sqlTestStatements("x", "acme") {
		if b.err != nil {
			t.Error(b.err)
		}
		got = append(got, string(b.text))
	}
	condition := func(alias, sub string) string {
		name := alias + ".`name`"
		return "(((" + name + " = ? OR " + name + " LIKE ?) OR (" + name + " BETWEEN ? AND ? OR " + name + " NOT IN (?, ?))) AND NOT EXISTS (SELECT 1 FROM " +
			"`tab``Order` AS " + sub + " WHERE " + sub + ".`tenant_id` = ? AND " + sub + ".`name` = " + name + " AND " + sub + ".`name` > ?))"
	}
	want := []string{
		"SELECT t0.`name`, ?, SUM(t0.`to``tal`) FROM `tab``Order` AS t0 LEFT JOIN `tab``Order` AS t1 ON t1.`tenant_id` = ? AND t1.`name` = t0.`name` AND " +
			condition("t1", "t3") + " LEFT JOIN `tab``Order` AS t2 ON t2.`tenant_id` = ? AND t2.`to``tal` = t1.`name` AND CAST(t2.`to``tal` AS CHAR) = t1.`name` WHERE " +
			"t0.`tenant_id` = ? AND " + condition("t0", "t4") + " GROUP BY t1.`name` ORDER BY t1.`name` DESC LIMIT ? OFFSET ?",
		"(SELECT 0, t0.`name`, NULL, ? FROM `tab``Order` AS t0 WHERE t0.`tenant_id` = ? AND " + condition("t0", "t1") + " LOCK IN SHARE MODE) UNION ALL " +
			"(SELECT 1, NULL, t2.`name`, ? FROM `tab``Order` AS t2 WHERE t2.`tenant_id` = ? AND " + condition("t2", "t3") + " LOCK IN SHARE MODE) ORDER BY 1, 2, 3",
		"INSERT INTO `tab``Order` (`tenant_id`, `name`) VALUES (?, ?), (?, ?)",
		"UPDATE `tab``Order` SET `name` = ? WHERE `tab``Order`.`tenant_id` = ? AND " + condition("`tab``Order`", "t0"),
		"DELETE FROM `tab``Order` WHERE `tab``Order`.`tenant_id` = ? AND " + condition("`tab``Order`", "t0"),
		"INSERT INTO `tab``Order` (`tenant_id`, `name`, `to``tal`) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE `to``tal` = `to``tal` + VALUES(`to``tal`) RETURNING `to``tal`",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
