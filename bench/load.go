package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

//go:embed load.lua
var script []byte

// operations are what is measured, in this order: reads before writes, which leave work for the database behind.
var operations = []string{"ping", "list20", "filter", "list500", "get", "update", "create"}

// sample is one measurement.
type sample struct {
	Server      string
	Operation   string
	Connections int
	Round       int
	Rate        float64 // requests a second
	P50, P99    float64 // milliseconds
	CPU         float64 // microseconds of the server for a request
	Database    float64 // microseconds of MariaDB for a request
	Allocs      float64 `json:",omitempty"` // of the server for a request
}

// measure has wrk send requests for a while.
func (l *lab) measure(ctx context.Context, s *server, operation string, connections int) (sample, error) {
	was, err := s.use(ctx)
	if err != nil {
		return sample{}, err
	}
	database, err := cpu(l.db.Pid())
	if err != nil {
		return sample{}, err
	}
	// One thread with few connections: more take time from what is measured.
	threads := min(2, connections)
	cmd := exec.CommandContext(ctx, "wrk", "-t", strconv.Itoa(threads), "-c", strconv.Itoa(connections), "-d", strconv.Itoa(l.options.seconds)+"s",
		"--timeout", "10s", "-s", l.script, s.url, "--", operation, "manager:managersecret", strconv.Itoa(l.options.orders))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	is, err := s.use(ctx)
	if err != nil {
		return sample{}, err
	}
	databaseIs, err := cpu(l.db.Pid())
	if err != nil {
		return sample{}, err
	}
	each := func(spent time.Duration, requests float64) float64 { return float64(spent.Microseconds()) / requests }
	var result struct {
		Requests, Seconds, P50, P99 float64
		Errors                      int
	}
	at := bytes.LastIndex(bytes.TrimSpace(out), []byte("\n{"))
	if err := json.Unmarshal(out[at+1:], &result); err != nil {
		return sample{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	if result.Errors > 0 || result.Requests == 0 {
		return sample{}, fmt.Errorf("%s of %s: %v requests, of which %d failed", operation, s.url, result.Requests, result.Errors)
	}
	return sample{Operation: operation, Connections: connections, Rate: result.Requests / result.Seconds, P50: result.P50, P99: result.P99,
		CPU: each(is.cpu-was.cpu, result.Requests), Database: each(databaseIs-database, result.Requests), Allocs: (is.allocs - was.allocs) / result.Requests}, nil
}
