package mariadb

import (
	"regexp"
	"strconv"
	"time"

	"github.com/frappems/frappems/store"
)

// ddl is how tables change while a service uses them. INPLACE takes in what needs less than a rebuild: the server does what is
// cheapest. A change of type is a copy of the table, in which it can be read only; the plan says so.
var ddl = store.DDL{
	Session:  "SET SESSION lock_wait_timeout = 1, max_statement_time = 0, innodb_strict_mode = 1",
	Lock:     "SELECT GET_LOCK(CONCAT('frappems.migrate.', MD5(DATABASE())), 5)",
	Attempts: 120,
	Pause:    time.Second,
	Online:   ", ALGORITHM=INPLACE, LOCK=NONE",
	Copying:  ", ALGORITHM=COPY, LOCK=SHARED",
	WidensOnline: func(from, to *store.Column) bool {
		// A value's length takes one byte in columns of up to 255 bytes, which are 63 characters, and else two; in those of up to
		// 127 bytes it is written in the same way as in long ones.
		return from.Type == to.Type && (to.Type != store.TypeVarchar || from.Length <= 31 || (from.Length > 63) == (to.Length > 63))
	},
	Foreign: foreign,
	Marks:   "SELECT table_name, column_comment FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = 'tenant_id'",
}

// What the database has. The type of a text names its collation where that is not the one that frappems gives it.
const (
	columnsQuery = `SELECT table_name, column_name, CASE collation_name WHEN 'ascii_bin' THEN CONCAT('ascii ', column_type)
		WHEN 'utf8mb4_unicode_ci' THEN column_type ELSE CONCAT_WS(' ', column_type, collation_name) END,
		is_nullable = 'NO', column_default IS NOT NULL AND column_default <> 'NULL'
		FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position`
	indexesQuery = `SELECT table_name, IF(index_name = 'PRIMARY', '', index_name), non_unique = 0,
		CONCAT(column_name, IFNULL(CONCAT('(', sub_part, ')'), ''))
		FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_type = 'BTREE' ORDER BY table_name, index_name, seq_in_index`
)

var (
	typePattern  = regexp.MustCompile(`^((?:ascii )?[a-z]+)(?:\((\d+)(?:,(\d+))?\))?$`)
	collatedText = regexp.MustCompile(`^(\S+) [a-z0-9_]+$`)
)

// kind is the Kind of the dialect. How many digits an integer is shown with is of no matter.
func kind(name string) (store.ColumnType, int, bool) {
	for t, known := range typeNames {
		if known == name {
			return store.ColumnType(t), 0, true
		}
	}
	parts := typePattern.FindStringSubmatch(name)
	if parts == nil || parts[3] != "" {
		return 0, 0, false
	}
	length, _ := strconv.Atoi(parts[2])
	switch parts[1] {
	case "varchar":
		return store.TypeVarchar, length, true
	case "ascii varchar":
		return store.TypeASCII, length, true
	case "int":
		return store.TypeInt, 0, true
	case "bigint":
		return store.TypeBigInt, 0, true
	case "tinyint":
		return store.TypeCheck, 0, true
	}
	return 0, 0, false
}

// foreign is the Foreign of the dialect: types of older versions of Frappe, and texts of other collations.
func foreign(name string) (store.ColumnType, int, bool) {
	if text := collatedText.FindStringSubmatch(name); text != nil {
		name = text[1]
	}
	if t, length, ok := kind(name); ok {
		return t, length, true
	}
	parts := typePattern.FindStringSubmatch(name)
	if parts == nil {
		return 0, 0, false
	}
	digits, _ := strconv.Atoi(parts[2])
	places, _ := strconv.Atoi(parts[3])
	switch parts[1] {
	case "tinytext":
		return store.TypeText, 0, true
	case "mediumtext":
		return store.TypeLongText, 0, true
	case "datetime":
		return store.TypeDatetime, 0, true
	case "time":
		return store.TypeTime, 0, true
	case "smallint", "mediumint":
		return store.TypeInt, 0, true
	case "decimal":
		return store.TypeDecimal, 0, digits-places <= 12 && places <= 9
	}
	return 0, 0, false
}
