package mariadb

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// oldest is the oldest version that is supported: the first with SKIP LOCKED.
const oldestMajor, oldestMinor = 10, 6

// requirement is a server variable that decides whether data would suffer.
type requirement struct {
	variable string
	fits     func(value string) bool
	remedy   string
}

// requirements are in the order in which they are told.
var requirements = []requirement{
	{"innodb_page_size", atLeast(16384), "its pages hold less than rows and indexes need: make the server's data directory with innodb_page_size = 16k, the default"},
	{"innodb_force_recovery", func(v string) bool { return v == "0" }, "it is for rescuing data, not for serving them: start the server with innodb_force_recovery = 0"},
	{"innodb_read_only", off, "nothing can be written: start the server without innodb_read_only"},
	{"read_only", off, "nothing can be written; is it a replica? Give the URL of the primary, or SET GLOBAL read_only = 0"},
	{"lower_case_table_names", func(v string) bool { return v == "0" || v == "2" }, "tables lose the names that they are found by: use a server with 0, the default on Linux, " +
		"from its first start on"},
	{"max_allowed_packet", atLeast(16 << 20), "documents may be larger: set it to 16M, the default, or more, in the server's configuration or by SET GLOBAL"},
}

func off(value string) bool { return value == "OFF" || value == "0" }

func atLeast(least int64) func(value string) bool {
	return func(value string) bool {
		n, err := strconv.ParseInt(value, 10, 64)
		return err == nil && n >= least
	}
}

// checkServer refuses a server that frappems cannot keep data in, and says what to change. Most of what is set on a server does not
// matter, since each connection sets it for itself.
func checkServer(ctx context.Context, db *sql.DB) error {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return unreachable(err)
	}
	if err := checkVersion(version); err != nil {
		return fmt.Errorf("mariadb: %w", err)
	}
	variables, err := readVariables(ctx, db)
	if err != nil {
		return unreachable(err)
	}
	for _, r := range requirements {
		if value := variables[r.variable]; !r.fits(value) {
			return fmt.Errorf("mariadb: the server has %s = %s: %s", r.variable, value, r.remedy)
		}
	}
	return nil
}

// readVariables returns global variables by their names in lower case.
func readVariables(ctx context.Context, db *sql.DB) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT variable_name, variable_value FROM information_schema.global_variables")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	variables := map[string]string{}
	for rows.Next() {
		var name, value sql.NullString
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		variables[strings.ToLower(name.String)] = value.String
	}
	return variables, rows.Err()
}

// unreachable says what kind of error it is that keeps one from asking.
func unreachable(err error) error {
	if kind := storeError(err); kind != "" {
		return fmt.Errorf("mariadb: %w: %w", kind, err)
	}
	return fmt.Errorf("mariadb: %w", err)
}

var versionPattern = regexp.MustCompile(`^(?:5\.5\.5-)?(\d+)\.(\d+)\.`)

// checkVersion refuses a server by what VERSION() says, such as 10.11.19-MariaDB.
func checkVersion(version string) error {
	parts := versionPattern.FindStringSubmatch(version)
	if parts == nil || !strings.Contains(version, "MariaDB") {
		return fmt.Errorf("the server is %s, which is not MariaDB: frappems needs MariaDB %d.%d or newer", version, oldestMajor, oldestMinor)
	}
	major, _ := strconv.Atoi(parts[1])
	minor, _ := strconv.Atoi(parts[2])
	if major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		return fmt.Errorf("the server is %s: frappems needs MariaDB %d.%d or newer", version, oldestMajor, oldestMinor)
	}
	return nil
}
