// Package mariadb keeps the data of a frappems service in a MariaDB database, 10.6 or newer.
package mariadb

import (
	"database/sql"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/frappems/frappems/store"
	"github.com/go-sql-driver/mysql"
)

// asideConnections is how many connections there are, beside the pool, for short transactions that others wait for.
const asideConnections = 4

// Open returns a store in the database that a URL names: mysql://user:password@host:3306/database.
func Open(database string) (store.Store, error) {
	config, err := parse(database)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("mariadb: %w", err)
	}
	db := sql.OpenDB(connector)
	size := max(8, 8*runtime.NumCPU())
	db.SetMaxOpenConns(size + asideConnections)
	db.SetMaxIdleConns(size + asideConnections)
	db.SetConnMaxLifetime(3 * time.Minute)
	dialect := dialect
	dialect.Connections, dialect.ConcurrentWriters = size, true
	return store.NewSQL(db, dialect), nil
}

// parse makes the driver's configuration of a URL.
func parse(database string) (*mysql.Config, error) {
	u, err := url.Parse(database)
	if err != nil || u.Scheme != "mysql" && u.Scheme != "mariadb" {
		return nil, fmt.Errorf("mariadb: want a URL such as mysql://user:password@host:3306/database")
	}
	config := mysql.NewConfig()
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Net, config.Addr = "tcp", u.Host
	if u.Port() == "" {
		config.Addr += ":3306"
	}
	config.DBName = strings.TrimPrefix(u.Path, "/")
	config.Collation = "utf8mb4_unicode_ci"
	config.InterpolateParams = true
	config.ClientFoundRows = true
	config.Params = map[string]string{
		"sql_mode":           "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
		"time_zone":          "'+00:00'",
		"tx_isolation":       "'READ-COMMITTED'",
		"max_statement_time": "30",
		// Of what MariaDB works out about a statement before it runs, the estimates cost most, and ours need none.
		"eq_range_index_dive_limit":           "1",
		"optimizer_use_condition_selectivity": "1",
	}
	return config, nil
}
