package mariadb

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

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
	Like:       like,
	Error:      storeError,
	Prepared:   64,
	Unprepared: unprepared,
}

// unprepared finds what the server says of a statement that it cannot prepare, or not again after a change of its tables.
func unprepared(err error) bool {
	var problem *mysql.MySQLError
	return errors.As(err, &problem) && slices.Contains([]uint16{1243, 1295, 1390, 1461, 1615}, problem.Number)
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

// storeErrors are the numbers of MariaDB's errors that say something of the data or the server. What is not here is a fault.
var storeErrors = map[uint16]store.StoreError{
	1022: store.ErrDuplicateKey,
	1062: store.ErrDuplicateKey,

	1020: store.ErrDeadlock, // of a snapshot: the row has changed since
	1205: store.ErrDeadlock, // waited too long for a lock; it is the statement that is rolled back, and core does the rest
	1213: store.ErrDeadlock, // in a cluster also a conflict with what another node has committed

	1048: store.ErrValueOutOfRange, // NULL
	1118: store.ErrValueOutOfRange, // the row is too long
	1153: store.ErrValueOutOfRange, // max_allowed_packet, as are 1301 and, in the driver, ErrPktTooLarge
	1264: store.ErrValueOutOfRange,
	1265: store.ErrValueOutOfRange,
	1292: store.ErrValueOutOfRange,
	1301: store.ErrValueOutOfRange,
	1364: store.ErrValueOutOfRange, // no value and no default
	1366: store.ErrValueOutOfRange,
	1406: store.ErrValueOutOfRange, // too long
	1690: store.ErrValueOutOfRange, // the result of a calculation
	4025: store.ErrValueOutOfRange, // CHECK

	1021: store.ErrUnavailable, // the disk is full
	1037: store.ErrUnavailable, // out of memory, as are 1038 and 1041
	1038: store.ErrUnavailable,
	1040: store.ErrUnavailable, // too many connections
	1041: store.ErrUnavailable,
	1047: store.ErrUnavailable, // the node is not in its cluster
	1053: store.ErrUnavailable, // the server shuts down
	1114: store.ErrUnavailable, // the table is full: the disk
	1135: store.ErrUnavailable, // no thread for the connection
	1184: store.ErrUnavailable, // the connection was ended, as 1152, 1927
	1152: store.ErrUnavailable,
	1203: store.ErrUnavailable, // too many connections of this user, as 1226
	1226: store.ErrUnavailable,
	1290: store.ErrUnavailable, // read_only, as 1836
	1317: store.ErrUnavailable, // KILL QUERY
	1637: store.ErrUnavailable, // too many transactions
	1836: store.ErrUnavailable,
	1927: store.ErrUnavailable,
	1969: store.ErrUnavailable, // max_statement_time
}

// otherError is the number of errors that have none of their own.
const otherError = 1105

func storeError(err error) store.StoreError {
	var problem *mysql.MySQLError
	var connecting *connectError
	var network net.Error
	switch {
	case errors.As(err, &connecting):
		return store.ErrUnavailable
	case errors.As(err, &problem):
		if problem.Number == otherError && strings.Contains(problem.Message, "max_allowed_packet") {
			return store.ErrValueOutOfRange // one that is bound apart from its statement
		}
		return storeErrors[problem.Number]
	case errors.Is(err, mysql.ErrPktTooLarge):
		return store.ErrValueOutOfRange
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrInvalidConn), errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return store.ErrUnavailable
	}
	return ""
}
