package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/frappems/frappems/store"
)

// table is the rows of a table as they are before a measurement. Values are texts.
type table struct {
	name    string
	columns []string
	rows    [][]any
}

// standard are the columns that every table has.
var standard = []string{"name", "owner", "creation", "modified", "modified_by", "docstatus", "idx"}

func (t *table) add(name string, n, idx int, values ...any) {
	at := fmt.Sprintf("2024-01-%02d %02d:%02d:%02d.%06d", 1+n/86400%28, n/3600%24, n/60%60, n%60, n%1000000)
	row := []any{name, "manager@example.com", at, at, "manager@example.com", "0", fmt.Sprint(idx)}
	t.rows = append(t.rows, append(row, values...))
}

// dataset makes so many orders of 5 rows each, by 2,000 customers with 500 items.
func dataset(orders int) []*table {
	make := func(name string, columns ...string) *table {
		return &table{name: "tab" + name, columns: slices.Concat(standard, columns)}
	}
	territories, items := make("Territory", "territory_name", "region"), make("Item", "item_code", "item_name", "standard_rate")
	customers := make("Customer", "customer_name", "customer_type", "territory", "credit_limit", "disabled", "joined_on")
	sales := make("Sales Order", "naming_series", "customer", "customer_name", "territory", "transaction_date", "delivery_date", "status", "grand_total", "total_qty")
	rows := make("Sales Order Item", "parent", "parentfield", "parenttype", "item_code", "item_name", "qty", "rate", "amount")
	for i := range 20 {
		territories.add(fmt.Sprint("T", i), i, 0, fmt.Sprint("T", i), "North")
	}
	for i := range 500 {
		code := fmt.Sprint("I", i)
		items.add(code, i, 0, code, fmt.Sprint("Item ", i), fmt.Sprint(i, ".25"))
	}
	for i := range 2000 {
		name := fmt.Sprint("Cust ", i)
		customers.add(name, i, 0, name, []string{"Company", "Individual"}[i%2], fmt.Sprint("T", i%20), fmt.Sprint(i*10), "0", "2024-01-01")
	}
	for i := range orders {
		name, customer := fmt.Sprintf("SO-B-%05d", i), fmt.Sprint("Cust ", i%2000)
		sales.add(name, i, 0, "SO-.YYYY.-.#####", customer, customer, fmt.Sprint("T", i%20), fmt.Sprintf("2024-%02d-%02d", 1+i%12, 1+i%28),
			"2024-12-31", []string{"Draft", "To Deliver", "Completed"}[i%3], fmt.Sprint(float64(i)*1.5), fmt.Sprint(i%50))
		for j := range 5 {
			item := (i + j) % 500
			rows.add(fmt.Sprintf("%05dr%d", i, j), i, j+1, name, "items", "Sales Order", fmt.Sprint("I", item), fmt.Sprint("Item ", item),
				fmt.Sprint(j+1), fmt.Sprint(j+1, ".5"), fmt.Sprint(float64(j+1)*1.5))
		}
	}
	return []*table{territories, items, customers, sales, rows}
}

// kinds are the types of columns that are not text.
var kinds = map[string]store.ColumnType{
	"creation": store.TypeDatetime, "modified": store.TypeDatetime, "docstatus": store.TypeInt, "idx": store.TypeInt,
	"disabled": store.TypeCheck, "joined_on": store.TypeDate, "transaction_date": store.TypeDate, "delivery_date": store.TypeDate,
	"standard_rate": store.TypeDecimal, "credit_limit": store.TypeDecimal, "grand_total": store.TypeDecimal, "total_qty": store.TypeDecimal,
	"qty": store.TypeDecimal, "rate": store.TypeDecimal, "amount": store.TypeDecimal,
}

// batch is how many rows one statement inserts.
const batch = 500

// seedTables fills tables that have no tenant.
func seedTables(ctx context.Context, db *sql.DB, tables []*table) error {
	for _, t := range tables {
		for rows := range slices.Chunk(t.rows, batch) {
			mark := "(?" + strings.Repeat(",?", len(t.columns)-1) + ")"
			query := "INSERT INTO `" + t.name + "` (" + strings.Join(t.columns, ",") + ") VALUES " + mark + strings.Repeat(","+mark, len(rows)-1)
			if _, err := db.ExecContext(ctx, query, slices.Concat(rows...)...); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	return nil
}

// seedStore fills a service's tables for tenants.
func seedStore(ctx context.Context, s store.Store, tables []*table, tenants ...string) error {
	tx, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, t := range tables {
		to := &store.Table{Name: t.name}
		for _, name := range t.columns {
			kind, known := kinds[name]
			if !known {
				kind = store.TypeText
			}
			to.Columns = append(to.Columns, &store.Column{Name: name, Type: kind})
		}
		for _, tenant := range tenants {
			for rows := range slices.Chunk(t.rows, batch) {
				if _, err := tx.Write(ctx, store.Mutation{Kind: store.InsertRows, Tenant: tenant, Table: to, Columns: to.Columns, Rows: rows}); err != nil {
					return fmt.Errorf("%s: %w", t.name, err)
				}
			}
		}
	}
	return tx.Commit()
}
