package mariadb

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// certificate writes a certificate for the address 127.0.0.1 and not for names, which is its own authority, and its key.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "frappems test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t, t.TempDir())
	own, plain := startServer(t, "--ssl-cert="+cert, "--ssl-key="+key)
	execute(t, connect(t, plain), "CREATE USER safe@'%' IDENTIFIED BY 'hunter2' REQUIRE SSL", "GRANT ALL ON test.* TO safe@'%'")
	safe := "mysql://safe:hunter2@" + own.Addr() + "/test"
	trusted := "?tls=true&tls-ca=" + url.QueryEscape(cert)
	for _, c := range []struct{ name, url, problem string }{
		{"trusted", safe + trusted, ""},
		{"not verified", safe + "?tls=skip-verify", ""},
		{"no authority", safe + "?tls=true", "certificate"},
		{"another host's", strings.Replace(safe, "127.0.0.1", "localhost", 1) + trusted, "certificate"},
		{"without", safe, "Access denied"},
		{"server without", server.URL("mysql") + "?tls=skip-verify", "does not support TLS"},
	} {
		kept := open(t, c.url)
		err := kept.Ping(t.Context())
		if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.problem)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the password is in %v", c.name, err)
		}
		if c.problem == "" {
			if got := texts(t, connect(t, c.url), "SHOW STATUS LIKE 'Ssl_version'"); !strings.Contains(got[0], "TLSv1.3") {
				t.Errorf("%s: got %q", c.name, got)
			}
		}
	}
}

// TestSocket connects through a Unix socket, whose user needs no password.
func TestSocket(t *testing.T) {
	path := texts(t, connect(t, newDatabase(t)), "SELECT @@socket")[0]
	kept := open(t, "mysql://root@/mysql?socket="+url.QueryEscape(path))
	if err := kept.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPool counts the connections that requests have, and wants none in a transaction between them.
func TestPool(t *testing.T) {
	database := newDatabase(t)
	app := serve(t, open(t, database+"?connections=9"), parseTypes(t, newerTypes))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	for range 40 {
		go func() {
			for range 5 {
				wantAnswer(t, app, "POST", "Sale", `{"needed": "n"}`, 200)
				wantAnswer(t, app, "GET", "Sale", "", 200)
			}
			done <- true
		}()
	}
	for range 40 {
		<-done
	}
	name := database[strings.LastIndex(database, "/")+1:]
	admin := connect(t, server.URL("mysql"))
	if got := texts(t, admin, "SELECT COUNT(*) BETWEEN 5 AND 9, SUM(command <> 'Sleep') FROM information_schema.processlist WHERE db = '"+name+"'"); got[0] != "1 0" {
		t.Errorf("got %q connections", got)
	}
	if got := texts(t, admin, "SELECT COUNT(*) FROM information_schema.innodb_trx"); got[0] != "0" {
		t.Errorf("%q transactions are open", got)
	}
}

// loud is a logger for the driver that must not be used.
type loud struct{ t *testing.T }

func (l loud) Print(v ...any) { l.t.Error("the driver prints:", v) }

func TestSilence(t *testing.T) {
	if err := mysql.SetLogger(loud{t}); err != nil {
		t.Fatal(err)
	}
	defer mysql.SetLogger(&mysql.NopLogger{})
	db := connect(t, newDatabase(t))
	if _, err := db.ExecContext(t.Context(), "KILL CONNECTION_ID()"); err == nil {
		t.Error("the connection has not ended")
	}
	err := db.PingContext(t.Context())
	if err != nil { // the server said that it ends the connection before it did
		err = db.PingContext(t.Context())
	}
	if err != nil {
		t.Error(err)
	}
}
