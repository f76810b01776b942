// Package mariadbtest starts private MariaDB servers for tests and measurements: on a free port of the loopback address, with
// their files in a directory of their own and nothing of the machine's configuration.
package mariadbtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Server is a private MariaDB server. Its user is root without a password. It is for one goroutine.
type Server struct {
	dir     string
	port    int
	options []string
	daemon  string
	process *exec.Cmd
	exited  chan error
}

// Start makes a database in a new directory and starts a server on it; options are such as "--max-connections=10". The
// directory goes with Close. An error says what to install where MariaDB is missing. The server ends with its parent.
func Start(options ...string) (*Server, error) {
	daemon, err := find("mariadbd")
	if err != nil {
		return nil, err
	}
	installer, err := find("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "frappems-mariadb-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, options: options, daemon: daemon}
	arguments := []string{"--no-defaults", "--datadir=" + s.data(), "--auth-root-authentication-method=normal", "--skip-test-db", "--user=" + userName()}
	for _, o := range options {
		if strings.HasPrefix(o, "--innodb-page-size=") { // which is that of the files
			arguments = append(arguments, o)
		}
	}
	install := exec.Command(installer, arguments...)
	if out, err := install.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	if s.port, err = freePort(); err == nil {
		err = s.Restart()
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// find looks a program up, also where it is only in root's path.
func find(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/usr/bin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("mariadbtest: %s is missing: install MariaDB's server (on Debian: apt-get install mariadb-server-core mariadb-client-core)", name)
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "root"
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Addr is where the server listens, such as 127.0.0.1:12345; it stays the same over Restart.
func (s *Server) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// URL names a database of the server as mysql://…, which may not be there yet.
func (s *Server) URL(database string) string {
	return "mysql://root@" + s.Addr() + "/" + database
}

// Pid is the server's process, for measuring it; 0 while it does not run.
func (s *Server) Pid() int {
	if s.process == nil {
		return 0
	}
	return s.process.Process.Pid
}

// Restart starts a server that was stopped or killed, and returns when it takes connections. The options are for this time, beside
// those of Start.
func (s *Server) Restart(options ...string) error {
	if s.process != nil {
		return errors.New("mariadbtest: the server runs")
	}
	arguments := append([]string{"--no-defaults", "--datadir=" + s.data(), "--port=" + strconv.Itoa(s.port), "--bind-address=127.0.0.1",
		"--socket=" + filepath.Join(s.dir, "s"), "--pid-file=" + filepath.Join(s.dir, "pid"), "--user=" + userName(), "--tmpdir=" + s.dir,
		"--skip-name-resolve", "--performance-schema=OFF"}, slices.Concat(s.options, options)...)
	cmd := exec.Command(s.daemon, arguments...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewReader(stderr)
	var log strings.Builder
	for {
		line, err := lines.ReadString('\n')
		log.WriteString(line)
		if err != nil {
			cmd.Process.Kill()
			return fmt.Errorf("mariadbtest: the server did not start: %w\n%s", errors.Join(err, cmd.Wait()), log.String())
		}
		if strings.Contains(line, "ready for connections") {
			break
		}
	}
	s.process, s.exited = cmd, make(chan error, 1)
	go func() {
		io.Copy(io.Discard, lines)
		s.exited <- cmd.Wait()
	}()
	return nil
}

// Stop ends the server as an operator does, and returns when it is gone.
func (s *Server) Stop() error { return s.end(syscall.SIGTERM) }

// Kill ends the server as a crash does, and returns when it is gone.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

func (s *Server) end(signal syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Process.Signal(signal); err != nil {
		return err
	}
	s.process.Process.Signal(syscall.SIGCONT) // one that hangs does not see SIGTERM
	err := <-s.exited
	s.process = nil
	if signal == syscall.SIGKILL {
		return nil
	}
	return err
}

// Hang stops the server's process without closing its connections; Resume lets it go on.
func (s *Server) Hang() error { return s.process.Process.Signal(syscall.SIGSTOP) }

// Resume ends Hang.
func (s *Server) Resume() error { return s.process.Process.Signal(syscall.SIGCONT) }

// Close ends the server and removes its files.
func (s *Server) Close() error {
	return errors.Join(s.Kill(), os.RemoveAll(s.dir))
}
