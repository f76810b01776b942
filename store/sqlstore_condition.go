package store

import (
	"errors"
	"fmt"
	"strings"
)

// condition writes a condition in such a way that it can stand between AND and OR.
func (b *sqlBuilder) condition(c *Cond, s *sqlScope) {
	switch c.Op {
	case OpTrue:
		b.add("1 = 1")
	case OpAnd:
		b.joined(c.Conds, s, " AND ", "1 = 1")
	case OpOr:
		b.joined(c.Conds, s, " OR ", "1 = 0")
	case OpNotExists:
		if c.Sub == nil {
			b.err = errors.New("frappems: NOT EXISTS without a table")
			return
		}
		inner := b.scope(c.Sub.Table)
		b.add("NOT EXISTS (SELECT 1 FROM ", b.d.quoted(c.Sub.Table.Name), " AS ", inner.aliases[0], " WHERE ")
		b.belonging(inner, c.Sub.Column, c.Sub.Outer, s, &c.Sub.Where)
		b.add(")")
	default:
		values, err := c.operands()
		if err != nil {
			b.err = err
			return
		}
		b.comparison(c, s, values)
	}
}

// joined writes conditions as a balanced tree: databases limit how deep an expression may be.
func (b *sqlBuilder) joined(conds []Cond, s *sqlScope, between, none string) {
	switch len(conds) {
	case 0:
		b.add(none)
	case 1:
		b.condition(&conds[0], s)
	default:
		half := len(conds) / 2
		b.add("(")
		b.joined(conds[:half], s, between, none)
		b.add(between)
		b.joined(conds[half:], s, between, none)
		b.add(")")
	}
}

var sqlOperators = [...]string{
	OpEqual: " = ", OpNotEqual: " <> ", OpLess: " < ", OpLessEqual: " <= ", OpGreater: " > ", OpGreaterEqual: " >= ", OpIn: " IN (", OpNotIn: " NOT IN (",
}

// comparison writes the comparison of a column with values.
func (b *sqlBuilder) comparison(c *Cond, s *sqlScope, values []string) {
	column := c.Expr.Column
	if c.Op == OpLike || c.Op == OpNotLike {
		b.like(c, b.named(s, c.Expr), values[0])
		return
	}
	if len(values) == 0 && (c.Op == OpIn || c.Op == OpNotIn) {
		b.add(map[Op]string{OpIn: "1 = 0", OpNotIn: "1 = 1"}[c.Op])
		return
	}
	b.expr(&sqlScope{aliases: s.aliases}, c.Expr)
	switch c.Op {
	case OpIsNull:
		b.add(" IS NULL")
	case OpIsNotNull:
		b.add(" IS NOT NULL")
	case OpIn, OpNotIn:
		b.add(sqlOperators[c.Op])
		for i, v := range values {
			b.comma(i)
			b.operand(column, v)
		}
		b.add(")")
	case OpBetween:
		b.add(" BETWEEN ")
		b.operand(column, values[0])
		b.add(" AND ")
		b.operand(column, values[1])
	default:
		if int(c.Op) >= len(sqlOperators) || sqlOperators[c.Op] == "" {
			b.err = fmt.Errorf("frappems: a condition with the unknown operator %d", c.Op)
			return
		}
		b.add(sqlOperators[c.Op])
		b.operand(column, values[0])
	}
}

func (b *sqlBuilder) like(c *Cond, name, pattern string) {
	test := name + " LIKE ?"
	if b.d.Like != nil {
		test = b.d.Like(name, c.Expr.Column)
	}
	if c.Op == OpNotLike {
		test = "NOT (" + test + ")"
	}
	if b.d.Escapes {
		pattern = strings.ReplaceAll(pattern, `\`, `\\`)
	}
	b.add(test)
	b.args = append(b.args, pattern)
}
