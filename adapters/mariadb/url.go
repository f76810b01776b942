package mariadb

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// parameters are what the URL of a database says.
type parameters struct {
	user, password   string
	network, address string
	database         string
	tls              *tls.Config // nil: none
	connections      int
	connectTimeout   time.Duration
	statementTimeout time.Duration
}

// parse reads the URL of a database. Its errors do not repeat it: there is a password in it.
func parse(database string) (*parameters, error) {
	u, err := url.Parse(database)
	if err != nil || u.Scheme != "mysql" && u.Scheme != "mariadb" || u.Opaque != "" || u.Fragment != "" {
		return nil, errors.New("mariadb: want a URL such as mysql://user:password@host:3306/database; in user and password, " +
			"characters such as @ : / ? # % are written as %40 %3A %2F %3F %23 %25")
	}
	p := &parameters{network: "tcp", database: strings.TrimPrefix(u.Path, "/"), connectTimeout: 5 * time.Second, statementTimeout: 20 * time.Second,
		connections: 8*runtime.NumCPU() + asideConnections}
	if p.user = u.User.Username(); p.user == "" {
		return nil, errors.New("mariadb: the URL names no user")
	}
	if p.password, _ = u.User.Password(); p.database == "" || strings.Contains(p.database, "/") {
		return nil, errors.New("mariadb: the URL names no database: want mysql://user:password@host:3306/database")
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	p.address = net.JoinHostPort(u.Hostname(), port)
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("mariadb: the parameters of the URL cannot be read")
	}
	for name, values := range query {
		set := setters[name]
		if set == nil {
			return nil, fmt.Errorf("mariadb: the URL has the parameter %q; known are tls, tls-ca, socket, connections, connect-timeout, statement-timeout", name)
		}
		if len(values) > 1 {
			return nil, fmt.Errorf("mariadb: the URL has the parameter %s twice", name)
		}
	}
	for _, name := range setOrder {
		if !query.Has(name) {
			continue
		}
		if err := setters[name](p, query.Get(name)); err != nil {
			return nil, fmt.Errorf("mariadb: the URL's parameter %s: %w", name, err)
		}
	}
	if u.Hostname() == "" && p.network == "tcp" {
		return nil, errors.New("mariadb: the URL names no host")
	}
	if p.tls != nil {
		p.tls.ServerName = u.Hostname()
	}
	return p, nil
}

// setOrder is the order in which parameters are read: some look at what those before them have set.
var setOrder = []string{"charset", "socket", "tls", "tls-ca", "connections", "connect-timeout", "statement-timeout"}

// setters read the parameters of a URL. What is not here cannot be set: above all nothing that makes interpolated values unsafe, or
// several statements of one.
var setters = map[string]func(p *parameters, value string) error{
	"charset": func(_ *parameters, value string) error {
		if !strings.EqualFold(value, "utf8mb4") {
			return errors.New("it is always utf8mb4: leave it out")
		}
		return nil
	},
	"socket": func(p *parameters, value string) error {
		if !strings.HasPrefix(value, "/") {
			return errors.New("want an absolute path")
		}
		p.network, p.address = "unix", value
		return nil
	},
	"tls":    (*parameters).setTLS,
	"tls-ca": (*parameters).setAuthorities,
	"connections": func(p *parameters, value string) (err error) {
		if p.connections, err = strconv.Atoi(value); err != nil || p.connections < 2*asideConnections || p.connections > 10000 {
			return fmt.Errorf("want a number from %d to 10000", 2*asideConnections)
		}
		return nil
	},
	"connect-timeout":   func(p *parameters, value string) error { return setTimeout(&p.connectTimeout, value) },
	"statement-timeout": func(p *parameters, value string) error { return setTimeout(&p.statementTimeout, value) },
}

func (p *parameters) setTLS(value string) error {
	switch value {
	case "false":
		return nil
	case "true":
		p.tls = &tls.Config{}
	case "skip-verify":
		p.tls = &tls.Config{InsecureSkipVerify: true}
	default:
		return errors.New("want true, skip-verify or false")
	}
	if p.network == "unix" {
		return errors.New("a socket has none")
	}
	return nil
}

func (p *parameters) setAuthorities(file string) error {
	if p.tls == nil || p.tls.InsecureSkipVerify {
		return errors.New("it needs tls=true")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	p.tls.RootCAs = x509.NewCertPool()
	if !p.tls.RootCAs.AppendCertsFromPEM(data) {
		return fmt.Errorf("%s has no certificates in PEM form", file)
	}
	return nil
}

func setTimeout(to *time.Duration, value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d < 10*time.Millisecond || d > time.Hour {
		return errors.New("want a time from 10ms to 1h, such as 20s")
	}
	*to = d
	return nil
}
