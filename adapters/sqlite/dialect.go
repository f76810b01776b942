package sqlite

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/frappems/frappems/store"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const codeNotADatabase = sqlite3.SQLITE_NOTADB

// dialect is SQLite's, without what depends on the collation.
var dialect = store.Dialect{
	MaxValues:     32766,
	Exact:         " COLLATE BINARY",
	GlobalIndexes: true,
	Kind:          kind,
	Columns: `SELECT m.name, c.name, c.type, c."notnull", c.dflt_value IS NOT NULL FROM sqlite_schema AS m, pragma_table_info(m.name) AS c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY m.name, c.cid`,
	Indexes: `SELECT m.name, CASE i.origin WHEN 'pk' THEN '' ELSE i.name END, i."unique", c.name
		FROM sqlite_schema AS m, pragma_index_list(m.name) AS i, pragma_index_info(i.name) AS c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND i.partial = 0 ORDER BY m.name, i.seq, c.seqno`,
	Migrated: []string{"ANALYZE", "DELETE FROM sqlite_stat1", statistics, "ANALYZE sqlite_schema"},

	Bind:      bind,
	Like:      like,
	Aggregate: aggregate,
	Upsert: func(column string) string {
		return "ON CONFLICT DO UPDATE SET " + column + " = " + column + " + excluded." + column
	},
	Error: storeError,
}

// statistics tells SQLite that a tenant has many rows and each value of an index few. Without statistics it holds the tenant
// alone for as good as a value, and reads all of a tenant's rows to find those of a value in the order of their names.
const statistics = `INSERT INTO sqlite_stat1 (tbl, idx, stat) SELECT m.name, i.name, '1000000 100000' ||
	substr(' 20 20 20 20 20 20 20 20', 1, 3 * ((SELECT COUNT(*) FROM pragma_index_info(i.name)) - 2)) || CASE i."unique" WHEN 1 THEN ' 1' ELSE ' 20' END
	FROM sqlite_schema AS m, pragma_index_list(m.name) AS i WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'`

// typeNames are chosen so that SQLite gives the columns the affinity TEXT, INTEGER or REAL, and that the driver does not take
// dates for times.
var typeNames = [...]string{
	store.TypeVarchar: "VARCHAR", store.TypeASCII: "CHAR", store.TypeText: "TEXT", store.TypeLongText: "LONGTEXT",
	store.TypeJSON: "JSONTEXT", store.TypeInt: "INT", store.TypeBigInt: "BIGINT", store.TypeCheck: "CHECKINT",
	store.TypeDecimal: "REAL", store.TypeRating: "RATINGREAL", store.TypeDate: "DATETEXT", store.TypeDatetime: "DATETIMETEXT",
	store.TypeTime: "TIMETEXT",
}

// columnType is the Type of the dialect.
func (d *collated) columnType(c *store.Column) string {
	name := typeNames[c.Type]
	switch c.Type {
	case store.TypeASCII:
		return fmt.Sprintf("%s(%d)", name, c.Length)
	case store.TypeVarchar:
		name = fmt.Sprintf("%s(%d)", name, c.Length)
	}
	if isText(c) {
		name += " COLLATE " + d.collation()
	}
	return name
}

func isText(c *store.Column) bool {
	return c.Type == store.TypeVarchar || c.Type == store.TypeText || c.Type == store.TypeLongText || c.Type == store.TypeJSON
}

// kind is the Kind of the dialect.
func kind(name string) (store.ColumnType, int, bool) {
	name, length, _ := strings.Cut(strings.TrimSuffix(strings.ToUpper(name), ")"), "(")
	n, _ := strconv.Atoi(length)
	for t, known := range typeNames {
		if known == name {
			return store.ColumnType(t), n, true
		}
	}
	return 0, 0, false
}

// bind makes numbers SQLite's, which compares by type first.
func bind(c *store.Column, text string) (any, error) {
	switch c.Type {
	case store.TypeInt, store.TypeBigInt, store.TypeCheck:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		return strconv.ParseFloat(text, 64)
	case store.TypeDecimal, store.TypeRating:
		return strconv.ParseFloat(text, 64)
	}
	return text, nil
}

// storeError is the Error of the dialect.
func storeError(err error) store.StoreError {
	var problem *sqlite.Error
	if !errors.As(err, &problem) {
		return ""
	}
	switch problem.Code() {
	case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return store.ErrDuplicateKey
	case sqlite3.SQLITE_CONSTRAINT_NOTNULL, sqlite3.SQLITE_CONSTRAINT_CHECK, sqlite3.SQLITE_CONSTRAINT_DATATYPE:
		return store.ErrValueOutOfRange
	}
	switch problem.Code() & 0xFF {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return store.ErrDeadlock
	case sqlite3.SQLITE_TOOBIG:
		return store.ErrValueOutOfRange
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_PROTOCOL:
		return store.ErrUnavailable
	}
	return ""
}
