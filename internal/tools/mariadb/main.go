// Mariadb starts a private MariaDB server with one database, for scripts: it prints the database's URL, and ends the server, whose
// files go with it, on SIGTERM or SIGINT.
//
//	mariadb DATABASE
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/frappems/frappems/internal/mariadbtest"
)

func main() {
	if len(os.Args) != 2 || !regexp.MustCompile(`^[a-z]+$`).MatchString(os.Args[1]) {
		fmt.Fprintln(os.Stderr, "usage: mariadb DATABASE")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "mariadb:", err)
		os.Exit(1)
	}
}

func run(database string) (err error) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	dir, err := os.MkdirTemp("", "frappems-mariadb-init-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	first := filepath.Join(dir, "init.sql")
	if err := os.WriteFile(first, []byte("CREATE DATABASE "+database+";\n"), 0o600); err != nil {
		return err
	}
	server, err := mariadbtest.Start("--init-file=" + first)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	fmt.Println(server.URL(database))
	<-stop
	return nil
}
