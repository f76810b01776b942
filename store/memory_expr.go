package store

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/frappems/frappems/internal/plain"
)

// over prepares an expression over the tuples of tables.
func (e Expr) over(tables []*memoryTable) (memoryValue, error) {
	switch {
	case e.Func == FuncLiteral && e.Text == nil:
		return func([]memoryTuple) cell { return cell{null: true} }, nil
	case e.Func == FuncLiteral:
		return func([]memoryTuple) cell { return cell{s: *e.Text} }, nil
	case e.Func == FuncCountRows:
		return func(tuples []memoryTuple) cell { return cell{s: strconv.Itoa(len(tuples))} }, nil
	case (e.Func == FuncSum || e.Func == FuncAvg) && !e.summable():
		return nil, errNotSummable
	case e.Source < 0 || e.Source >= len(tables):
		return nil, errors.New("frappems: an expression on a table that the statement has not")
	}
	place, err := tables[e.Source].place(e.Column)
	if err != nil {
		return nil, err
	}
	get := func(t memoryTuple) cell {
		if row := t[e.Source]; row != nil {
			return row.cells[place]
		}
		return cell{null: true}
	}
	if e.Func == FuncValue {
		return func(tuples []memoryTuple) cell {
			if len(tuples) == 0 {
				return cell{null: true}
			}
			return get(tuples[0])
		}, nil
	}
	return aggregate(e.Func, e.Column, get), nil
}

// aggregate prepares a function over the values of a column that are not NULL.
func aggregate(f Func, c *Column, get func(memoryTuple) cell) memoryValue {
	each := func(tuples []memoryTuple, visit func(string)) {
		for _, t := range tuples {
			if v := get(t); !v.null {
				visit(v.s)
			}
		}
	}
	switch f {
	case FuncCount, FuncCountDistinct:
		return func(tuples []memoryTuple) cell {
			n, seen := 0, map[string]bool{}
			each(tuples, func(s string) {
				n++
				if f == FuncCountDistinct {
					seen[string(c.appendKey(nil, cell{s: s}))] = true
					n = len(seen)
				}
			})
			return cell{s: strconv.Itoa(n)}
		}
	case FuncSum, FuncAvg:
		return func(tuples []memoryTuple) cell {
			sum := plain.Sum{Places: c.Type.places()}
			each(tuples, sum.Add)
			switch {
			case sum.Count == 0:
				return cell{null: true}
			case f == FuncAvg:
				return cell{s: sum.Average()}
			}
			return cell{s: sum.Total()}
		}
	}
	return func(tuples []memoryTuple) cell { // the first of the lowest or highest ones
		best := cell{null: true}
		each(tuples, func(s string) {
			if best.null || f == FuncMin && c.compare(s, best.s) < 0 || f == FuncMax && c.compare(s, best.s) > 0 {
				best = cell{s: s}
			}
		})
		return best
	}
}

// condition prepares a condition over the tuples of tables.
func (r *memoryRun) condition(c *Cond, tables []*memoryTable) (memoryTest, error) {
	switch c.Op {
	case OpTrue:
		return func(memoryTuple) bool { return true }, nil
	case OpAnd, OpOr:
		return r.conditions(c, tables)
	case OpNotExists:
		if c.Sub == nil {
			return nil, errors.New("frappems: NOT EXISTS without a table")
		}
		lookup, err := r.lookup(c.Sub.Table, c.Sub.Column, c.Sub.Outer, &c.Sub.Where, tables)
		if err != nil {
			return nil, err
		}
		return func(t memoryTuple) bool {
			found, err := lookup.find(t)
			return err == nil && len(found) == 0
		}, nil
	}
	if c.Expr.Func != FuncValue {
		return nil, errors.New("frappems: a condition on an aggregate or constant")
	}
	value, err := c.Expr.over(tables)
	if err != nil {
		return nil, err
	}
	test, err := comparison(c)
	if err != nil {
		return nil, err
	}
	return func(t memoryTuple) bool { return test(value([]memoryTuple{t})) }, nil
}

// conditions prepares And and Or.
func (r *memoryRun) conditions(c *Cond, tables []*memoryTable) (memoryTest, error) {
	tests := make([]memoryTest, len(c.Conds))
	for i := range c.Conds {
		var err error
		if tests[i], err = r.condition(&c.Conds[i], tables); err != nil {
			return nil, err
		}
	}
	decisive := c.Op == OpOr // the answer of one test that settles the whole
	return func(t memoryTuple) bool {
		for _, test := range tests {
			if test(t) == decisive {
				return decisive
			}
		}
		return !decisive
	}, nil
}

// accepts says of an order what makes a comparison true.
var accepts = map[Op]func(order int) bool{
	OpEqual:        func(order int) bool { return order == 0 },
	OpNotEqual:     func(order int) bool { return order != 0 },
	OpLess:         func(order int) bool { return order < 0 },
	OpLessEqual:    func(order int) bool { return order <= 0 },
	OpGreater:      func(order int) bool { return order > 0 },
	OpGreaterEqual: func(order int) bool { return order >= 0 },
}

// comparison prepares the comparison of a column's value with constants. NULL compares as not true.
func comparison(c *Cond) (func(cell) bool, error) {
	column := c.Expr.Column
	values, err := c.operands()
	if err != nil {
		return nil, err
	}
	switch c.Op {
	case OpIsNull:
		return func(v cell) bool { return v.null }, nil
	case OpIsNotNull:
		return func(v cell) bool { return !v.null }, nil
	case OpLike, OpNotLike:
		return func(v cell) bool { return !v.null && column.like(v.s, values[0]) == (c.Op == OpLike) }, nil
	case OpNotIn:
		if len(values) == 0 {
			return func(cell) bool { return true }, nil
		}
		fallthrough
	case OpIn:
		return within(column, values, c.Op == OpIn), nil
	case OpBetween:
		return func(v cell) bool {
			return !v.null && column.compare(v.s, values[0]) >= 0 && column.compare(v.s, values[1]) <= 0
		}, nil
	}
	accept, ok := accepts[c.Op]
	if !ok {
		return nil, fmt.Errorf("frappems: a condition with the unknown operator %d", c.Op)
	}
	return func(v cell) bool { return !v.null && accept(column.compare(v.s, values[0])) }, nil
}

// Holds says whether a value in its column's text form fulfils a condition on the column; one that compares nothing is not fulfilled.
func (c *Cond) Holds(value string) bool {
	test, err := comparison(c)
	return err == nil && test(cell{s: value})
}

// within prepares IN and NOT IN.
func within(column *Column, values []string, in bool) func(cell) bool {
	set := map[string]bool{}
	for _, v := range column.storable(values) {
		set[string(column.appendKey(nil, v))] = true
	}
	var key []byte
	return func(v cell) bool {
		if v.null {
			return false
		}
		key = column.appendKey(key[:0], v)
		return set[string(key)] == in
	}
}
