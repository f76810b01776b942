package mariadb

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/frappems/frappems/internal/chaostest"
	"github.com/frappems/frappems/internal/mariadbtest"
)

// serveURL is the variable of the environment that makes the test binary a service which is to be killed.
const serveURL = "FRAPPEMS_MARIADB_SERVE_URL"

func serveProcess(url string) error {
	kept, err := Open(url)
	if err != nil {
		return err
	}
	return chaostest.Serve(kept)
}

// TestCrashService kills the service's process under its clients, again and again.
func TestCrashService(t *testing.T) {
	chaostest.KillService(t, serveURL+"="+newDatabase(t), server.Addr())
}

// chaos is a service with clients and a database server of its own.
type chaos struct {
	*testing.T
	server  *mariadbtest.Server
	service *httptest.Server
	clients *chaostest.Clients
}

// startChaos starts a service; statements of it time out after a short while.
func startChaos(t *testing.T) *chaos {
	t.Helper()
	own, err := mariadbtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Close() })
	execute(t, connect(t, own.URL("mysql")), "CREATE DATABASE chaos")
	kept, err := Open(own.URL("chaos") + "?connect-timeout=2s&statement-timeout=4s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	app, err := chaostest.NewApp(t.Context(), kept, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(app)
	t.Cleanup(service.Close)
	t.Cleanup(func() { own.Kill() }) // before, so that no request waits for it
	_, port, _ := net.SplitHostPort(own.Addr())
	return &chaos{t, own, service, chaostest.Start(t, service.URL, false, port, "root", "chaos")}
}

// ready asks the service whether it can serve.
func (c *chaos) ready() int {
	c.Helper()
	response, err := http.Get(c.service.URL + "/readyz")
	if err != nil {
		c.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// finish wants that the service works, and checks everything.
func (c *chaos) finish(refusals int) {
	c.Helper()
	c.clients.Await(8)
	c.clients.AwaitCalm(8)
	if status := c.ready(); status != http.StatusOK {
		c.Errorf("afterwards /readyz is %d", status)
	}
	good, refused := c.clients.Finish()
	c.Logf("%d requests were answered, %d refused", good, refused)
	if refused < refusals {
		c.Errorf("%d requests were refused, want %d at least", refused, refusals)
	}
}

// TestCrashServer takes the database from a service under its clients, in each way that there is, and gives it back.
func TestCrashServer(t *testing.T) {
	restart := func(s *mariadbtest.Server) error { return s.Restart() }
	for _, test := range []struct {
		name      string
		harm, end func(*mariadbtest.Server) error
		rounds    int
	}{
		{"stopped", (*mariadbtest.Server).Stop, restart, 2},
		{"killed", (*mariadbtest.Server).Kill, restart, 2},
		{"hangs", (*mariadbtest.Server).Hang, (*mariadbtest.Server).Resume, 1},
		{"hangs and is killed", (*mariadbtest.Server).Hang, func(s *mariadbtest.Server) error { return errors.Join(s.Kill(), s.Restart()) }, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := startChaos(t)
			for range test.rounds {
				c.clients.Await(8)
				if err := test.harm(c.server); err != nil {
					t.Fatal(err)
				}
				c.clients.AwaitRefused(2) // while there is no database: each request ends
				if status := c.ready(); status != http.StatusServiceUnavailable {
					t.Errorf("without a database /readyz is %d", status)
				}
				if err := test.end(c.server); err != nil {
					t.Fatal(err)
				}
			}
			c.finish(32 * test.rounds)
		})
	}
}

// TestCrashConnections takes all connections of the database from the service, and gives it fewer back than it would like to have.
func TestCrashConnections(t *testing.T) {
	const limit = 10 // the least that there can be
	c := startChaos(t)
	c.clients.Await(8)
	others := connect(t, c.server.URL("mysql"))
	var taken []*sql.Conn
	for range limit + 1 { // with the one that is for administrators
		taker, err := others.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, taker)
	}
	var ids string
	row := taken[0].QueryRowContext(t.Context(), "SELECT GROUP_CONCAT(id) FROM information_schema.processlist WHERE db = 'chaos'")
	if err := row.Scan(&ids); err != nil {
		t.Fatal(err)
	}
	allow := func(connections int) {
		if _, err := taken[0].ExecContext(t.Context(), fmt.Sprint("SET GLOBAL max_connections = ", connections)); err != nil {
			t.Fatal(err)
		}
	}
	allow(limit)
	for _, id := range strings.Split(ids, ",") {
		taken[0].ExecContext(t.Context(), "KILL "+id) // an error says that it is gone
	}
	c.clients.AwaitRefused(2)
	if status := c.ready(); status != http.StatusServiceUnavailable {
		t.Errorf("without a connection /readyz is %d", status)
	}
	for _, taker := range taken[1:] {
		taker.Raw(func(any) error { return driver.ErrBadConn }) // closes it
	}
	c.clients.Await(8)
	allow(100)
	c.finish(32)
}
