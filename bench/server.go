package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a process that is measured.
type server struct {
	url    string
	inside string // where its memory can be looked at; "" where it does not tell
	start  time.Duration
	cmd    *exec.Cmd
}

// startServer starts a program that says on its first line where it listens; or, with a url, one that does not say so. It ends
// with this process.
func startServer(ctx context.Context, url, program string, arguments ...string) (*server, error) {
	s := &server{url: url, cmd: exec.Command(program, arguments...)}
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if url == "" {
		line, err := bufio.NewReader(out).ReadString('\n')
		if _, scan := fmt.Sscan(line, &s.url, &s.inside); scan != nil {
			s.stop()
			return nil, fmt.Errorf("%s did not start: %w", program, errors.Join(err, scan))
		}
	}
	if err := s.answers(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	s.start = time.Since(began)
	return s, nil
}

// answers waits for the first answer.
func (s *server) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		answer, err := get(ctx, s.url+"/api/method/ping")
		if err == nil {
			answer.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// stop ends the process as an operator does.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	var exit *exec.ExitError
	err := s.cmd.Wait()
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM { // it does not catch signals
		return nil
	}
	return err
}

func get(ctx context.Context, url string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	return response.Body, nil
}

// use is what has been used so far.
type use struct {
	cpu    time.Duration
	allocs float64 // how many times the server got memory; 0 where it does not tell
}

// cpu returns the time that a process has had of the processors.
func cpu(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, text, _ := strings.Cut(string(stat), ") ") // of the program's name, which may have blanks
	var ticks int
	for _, field := range strings.Fields(text)[11:13] { // utime and stime
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

func (s *server) use(ctx context.Context) (u use, err error) {
	if u.cpu, err = cpu(s.cmd.Process.Pid); err != nil {
		return u, err
	}
	if s.inside == "" {
		return u, nil
	}
	body, err := get(ctx, s.inside+"/debug/vars")
	if err != nil {
		return u, err
	}
	defer body.Close()
	var vars struct{ Memstats struct{ Mallocs float64 } }
	err = json.NewDecoder(body).Decode(&vars)
	u.allocs = vars.Memstats.Mallocs
	return u, err
}

// memory returns how much of the process is in memory, and how much has been at most, in MiB.
func (s *server) memory() (now, peak float64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		var kib float64
		switch {
		case strings.HasPrefix(line, "VmRSS:"):
			_, err = fmt.Sscanf(line, "VmRSS: %f", &kib)
			now = kib / 1024
		case strings.HasPrefix(line, "VmHWM:"):
			_, err = fmt.Sscanf(line, "VmHWM: %f", &kib)
			peak = kib / 1024
		}
	}
	return now, peak, err
}
