package mariadb

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/frappems/frappems/store"
	"github.com/go-sql-driver/mysql"
)

var dialect = store.Dialect{
	Quote:        '`',
	MaxValues:    65535,
	Escapes:      true,
	TextForms:    true,
	Exact:        " COLLATE utf8mb4_nopad_bin",
	Locks:        [4]string{"", " LOCK IN SHARE MODE", " FOR UPDATE", " FOR UPDATE SKIP LOCKED"},
	Type:         columnType,
	Kind:         kind,
	TableOptions: " ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
	Widen:        "MODIFY COLUMN",
	Columns:      columnsQuery,
	Indexes:      indexesQuery,
	DDL:          &ddl,
	Bind:         bind,
	Operands: [store.TypeTime + 1]string{ // as texts they would be compared as floating point numbers
		store.TypeDecimal: "CAST(? AS DECIMAL(65,9))", store.TypeRating: "CAST(? AS DECIMAL(65,9))",
	},
	Upsert: func(column string) string {
		return "ON DUPLICATE KEY UPDATE " + column + " = " + column + " + VALUES(" + column + ")"
	},
	Like:  like,
	Error: storeError,
}

// like keeps indexes out of it: the range that MariaDB reads for a prefix ends before characters beyond the basic plane.
func like(column string, _ *store.Column) string { return "CONCAT(" + column + ", '') LIKE ?" }

var typeNames = [...]string{
	store.TypeVarchar: "varchar", store.TypeASCII: "ascii varchar", store.TypeText: "text", store.TypeLongText: "longtext", store.TypeJSON: "longtext",
	store.TypeInt: "int", store.TypeBigInt: "bigint", store.TypeCheck: "tinyint", store.TypeDecimal: "decimal(21,9)", store.TypeRating: "decimal(3,2)",
	store.TypeDate: "date", store.TypeDatetime: "datetime(6)", store.TypeTime: "time(6)",
}

func columnType(c *store.Column) string {
	switch c.Type {
	case store.TypeVarchar:
		return fmt.Sprintf("varchar(%d)", c.Length)
	case store.TypeASCII:
		return fmt.Sprintf("varchar(%d) CHARACTER SET ascii COLLATE ascii_bin", c.Length)
	}
	return typeNames[c.Type]
}

// bind makes integers numbers: MariaDB would compare them with a text as floating point numbers.
func bind(c *store.Column, text string) (any, error) {
	switch c.Type {
	case store.TypeInt, store.TypeBigInt, store.TypeCheck:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
	}
	return nil, nil
}

func storeError(err error) store.StoreError {
	var problem *mysql.MySQLError
	var network net.Error
	switch {
	case errors.As(err, &problem):
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrInvalidConn), errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return store.ErrUnavailable
	default:
		return ""
	}
	switch problem.Number {
	case 1062:
		return store.ErrDuplicateKey
	case 1205, 1213, 1020:
		return store.ErrDeadlock
	case 1264, 1406, 1366, 1292, 1048, 1364:
		return store.ErrValueOutOfRange
	case 1040, 1203, 1053, 1927, 2006, 2013, 1290, 1969:
		return store.ErrUnavailable
	}
	return ""
}
