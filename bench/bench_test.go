package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// short is a run that says nothing of speed, but of all that has to work for one that does.
func short(t *testing.T) *lab {
	t.Helper()
	o := options{rounds: 1, seconds: 1, connections: []int{2}, operations: operations, servers: []string{handwritten, service, gapless, onSQLite, twenty},
		orders: 50, out: t.TempDir()}
	l, err := newLab(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func TestRun(t *testing.T) {
	l := short(t)
	t.Run("answers", l.testAnswers)
	t.Run("memory", func(t *testing.T) {
		if got := l.resting[service]; got == 0 || got > 20 {
			t.Errorf("the service at rest: got %.1f MiB, want at most 20", got)
		}
	})
	r, err := l.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(r.Median), 3*len(operations)+1; got != want {
		t.Errorf("medians: got %d, want %d", got, want)
	}
	for _, m := range r.Median {
		asksMariaDB := m.Server != onSQLite && m.Operation != "ping" // which has work of its own beside the others
		if m.Rate <= 0 || m.P99 <= 0 || m.CPU <= 0 || m.Allocs <= 0 || m.Ratio <= 0 || asksMariaDB && m.Database <= 0 {
			t.Errorf("got %+v, want values for everything", m)
		}
	}
	for name, m := range r.Memory {
		if m.Peak < m.Rest || m.Start <= 0 {
			t.Errorf("%s: got %+v", name, m)
		}
	}
	file := filepath.Join(l.options.out, "results")
	if err := r.writeJSON(file + ".json"); err != nil {
		t.Fatal(err)
	}
	if err := r.writeChart(file + ".svg"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var again report
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(&again, r) {
		t.Errorf("the report in JSON: got %s and %v", text, err)
	}
	if text, err = os.ReadFile(file + ".svg"); err != nil || !bytes.HasPrefix(text, []byte("<svg")) {
		t.Errorf("the chart: got %.100s and %v", text, err)
	}
}

// testAnswers wants the same rows from the service and from what is written by hand: else they are not worth comparing.
func (l *lab) testAnswers(t *testing.T) {
	const list = "/api/resource/Sales%20Order?fields=%5B%22name%22%2C%22customer%22%2C%22status%22%2C%22grand_total%22%2C%22modified%22%5D&limit=20"
	for name, path := range map[string]string{
		"list":   list + "&order_by=modified+desc",
		"filter": list + "&order_by=modified+desc&filters=%5B%5B%22customer%22%2C%22%3D%22%2C%22Cust+7%22%5D%2C%5B%22Sales+Order+Item%22%2C%22item_code%22%2C%22%3D%22%2C%22I9%22%5D%5D",
	} {
		want, got := l.rows(t, handwritten, path), l.rows(t, service, path)
		if len(want) == 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func (l *lab) rows(t *testing.T, name, path string) []map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.servers[name].url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "token manager:managersecret")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Data []map[string]any }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatalf("%s: %s: %v", name, text, err)
	}
	return list.Data
}

func TestMedians(t *testing.T) {
	r := &report{}
	for round, rate := range []float64{100, 300, 200} {
		r.Samples = append(r.Samples, sample{Server: handwritten, Operation: "get", Connections: 1, Round: round, Rate: 2 * rate, CPU: 1},
			sample{Server: service, Operation: "get", Connections: 1, Round: round, Rate: rate * float64(round+1), CPU: 3})
	}
	r.medians()
	want := []median{
		{sample: sample{Server: handwritten, Operation: "get", Connections: 1, Rate: 400, CPU: 1}, Ratio: 1, Work: 1},
		{sample: sample{Server: service, Operation: "get", Connections: 1, Rate: 600, CPU: 3}, Ratio: 1, Work: 3},
	}
	for i := range r.Median {
		r.Median[i].P99Ratio = 0 // 0 / 0
	}
	if !reflect.DeepEqual(r.Median, want) {
		t.Errorf("got %+v, want %+v", r.Median, want)
	}
}
