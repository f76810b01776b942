package mariadb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Numbers of errors that those who set up a service meet.
const (
	databaseDenied  = 1044 // there is none, or the user has no rights there
	accessDenied    = 1045
	unknownDatabase = 1049
	unknownVariable = 1193
)

// graceTime is how long after a statement should have ended the connection is given up.
const graceTime = 2 * time.Second

// connector makes connections that are all set up alike, whatever the server's own settings are.
type connector struct {
	*parameters
	driver.Connector
}

// connector returns one whose connections are given up when an answer takes longer than a time; 0 is never.
func (p *parameters) connector(answer time.Duration) (*connector, error) {
	inner, err := mysql.NewConnector(p.config(answer))
	if err != nil {
		return nil, fmt.Errorf("mariadb: %w", err)
	}
	return &connector{p, inner}, nil
}

// Connect returns a connection, or a connectError.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, c.connectTimeout)
	defer cancel()
	conn, err := c.connect(limited)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		err = fmt.Errorf("no answer in %v", c.connectTimeout)
	}
	return nil, &connectError{c.address, err}
}

func (c *connector) connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, hint(err)
	}
	for _, statement := range c.settings() {
		if _, err := conn.(driver.ExecerContext).ExecContext(ctx, statement, nil); err != nil {
			err = refused(ctx, conn, err)
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// config is the driver's. Its logger would print what is returned as an error as well.
func (p *parameters) config(answer time.Duration) *mysql.Config {
	config := mysql.NewConfig()
	config.User, config.Passwd, config.Net, config.Addr, config.DBName, config.TLS = p.user, p.password, p.network, p.address, p.database, p.tls
	config.Collation = collation
	config.InterpolateParams = true
	config.ClientFoundRows = true
	config.MaxAllowedPacket = 0 // that of the server
	config.ReadTimeout, config.WriteTimeout = answer, answer
	config.Logger = &mysql.NopLogger{}
	return config
}

const collation = "utf8mb4_unicode_ci"

// settings are statements that make a session independent of the server's settings, in all that decides about answers, about
// what is refused, and about how values are quoted.
func (p *parameters) settings() []string {
	statement, lock := p.statementTimeout.Seconds(), max(1, int(p.statementTimeout.Seconds()/2))
	settings := []string{
		"NAMES utf8mb4 COLLATE " + collation,
		"sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
		"time_zone = '+00:00'",
		"autocommit = 1",
		"completion_type = 'NO_CHAIN'",
		"unique_checks = 1",
		"sql_safe_updates = 0",
		"sql_select_limit = 18446744073709551615",
		"div_precision_increment = 4", // the places of AVG
		fmt.Sprintf("max_statement_time = %.3f", statement),
		fmt.Sprintf("innodb_lock_wait_timeout = %d", lock),
		fmt.Sprintf("lock_wait_timeout = %d", lock),
		// A process that hangs or has lost its network holds locks for no longer than this.
		"wait_timeout = 300",
		// Of what MariaDB works out about a statement before it runs, the estimates cost most, and ours need none.
		"eq_range_index_dive_limit = 1",
		"optimizer_use_condition_selectivity = 1",
	}
	return []string{"SET " + strings.Join(settings, ", "), "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"}
}

// refused says why a server refuses the settings.
func refused(ctx context.Context, conn driver.Conn, err error) error {
	var problem *mysql.MySQLError
	if !errors.As(err, &problem) || problem.Number != unknownVariable {
		return err
	}
	rows, failed := conn.(driver.QueryerContext).QueryContext(ctx, "SELECT VERSION()", nil)
	if failed != nil {
		return err
	}
	defer rows.Close()
	version := make([]driver.Value, 1)
	if rows.Next(version) == nil {
		text, _ := version[0].([]byte)
		if wrong := checkVersion(string(text)); wrong != nil {
			return wrong
		}
	}
	if strings.Contains(problem.Message, "innodb") {
		return fmt.Errorf("InnoDB is off, and nothing else has transactions: start the server without skip-innodb: %w", err)
	}
	return err
}

// hint adds what to do.
func hint(err error) error {
	var problem *mysql.MySQLError
	if !errors.As(err, &problem) {
		return err
	}
	switch problem.Number {
	case unknownDatabase:
		return fmt.Errorf("%w: make it with CREATE DATABASE", err)
	case databaseDenied:
		return fmt.Errorf("%w: make it with CREATE DATABASE where it is missing, and GRANT the user its rights there", err)
	case accessDenied:
		return fmt.Errorf("%w: look at user and password in the URL", err)
	}
	return err
}

// connectError is a connection that could not be made.
type connectError struct {
	address string
	err     error
}

// Error gives the address and the reason.
func (e *connectError) Error() string { return "connecting to " + e.address + ": " + e.err.Error() }

// Unwrap gives the reason.
func (e *connectError) Unwrap() error { return e.err }
