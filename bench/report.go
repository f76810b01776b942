package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is what a run found out.
type report struct {
	Cores   int
	Go      string
	Rounds  int
	Seconds int
	Orders  int
	Memory  map[string]memory
	Median  []median
	Samples []sample
}

// memory is what a process needs.
type memory struct {
	Start float64 // milliseconds from its start to its first answer
	Rest  float64 // MiB before the first request for data
	Peak  float64 // MiB
}

// median is the middle of the rounds for each value by itself. The ratios are those of one round to each other, too: machines
// are now slower, now faster.
type median struct {
	sample
	Ratio, P99Ratio         float64 // to the handlers that are written by hand; 0 without them
	Yardstick, YardstickP99 float64 `json:",omitempty"` // to the program from elsewhere
	// Work and YardstickWork are the same of the time of processors that server and database need for a request. Others on the
	// machine disturb it less.
	Work          float64
	YardstickWork float64 `json:",omitempty"`
}

func newReport(_ context.Context, l *lab) *report {
	return &report{Cores: runtime.NumCPU(), Go: runtime.Version(), Rounds: l.options.rounds, Seconds: l.options.seconds, Orders: l.options.orders,
		Memory: map[string]memory{}}
}

func middle(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 0 {
		return (values[half-1] + values[half]) / 2
	}
	return values[half]
}

// key is what samples of different servers and rounds have in common.
type key struct {
	operation   string
	connections int
}

func (r *report) medians() {
	var keys []key
	by := map[key]map[string][]sample{} // and server; in the order of the rounds
	for _, s := range r.Samples {
		k := key{s.Operation, s.Connections}
		if by[k] == nil {
			keys, by[k] = append(keys, k), map[string][]sample{}
		}
		by[k][s.Server] = append(by[k][s.Server], s)
	}
	for _, k := range keys {
		for _, server := range servers {
			own := by[k][server]
			if len(own) == 0 {
				continue
			}
			of := func(value func(s sample) float64) float64 {
				var all []float64
				for _, s := range own {
					all = append(all, value(s))
				}
				return middle(all)
			}
			to := func(other string, value func(s sample) float64) float64 {
				var all []float64
				for i, s := range by[k][other] {
					all = append(all, value(own[i])/value(s))
				}
				return middle(all)
			}
			rate, p99 := func(s sample) float64 { return s.Rate }, func(s sample) float64 { return s.P99 }
			m := median{sample: sample{Server: server, Operation: k.operation, Connections: k.connections, Rate: of(rate), P99: of(p99),
				P50: of(func(s sample) float64 { return s.P50 }), CPU: of(func(s sample) float64 { return s.CPU }),
				Database: of(func(s sample) float64 { return s.Database }),
				Allocs:   of(func(s sample) float64 { return s.Allocs })}}
			m.Ratio, m.P99Ratio = to(handwritten, rate), to(handwritten, p99)
			work := func(s sample) float64 { return s.CPU + s.Database }
			m.Work, m.YardstickWork = to(handwritten, work), to(yardstick, work)
			m.Yardstick, m.YardstickP99 = to(yardstick, rate), to(yardstick, p99)
			r.Median = append(r.Median, m)
		}
	}
}

// text is the table that people read.
func (r *report) text() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "operation\tconnections\tserver\trequests/s\tp50 ms\tp99 ms\tCPU µs\tMariaDB µs\tallocations\t× by hand\tp99 ×\tCPU ×\t× yardstick\tp99 ×\tCPU ×\t")
	for _, m := range r.Median {
		fmt.Fprintf(w, "%s\t%d\t%s\t%.0f\t%.2f\t%.2f\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", m.Operation, m.Connections, m.Server,
			m.Rate, m.P50, m.P99, m.CPU, m.Database, m.Allocs, m.Ratio, m.P99Ratio, m.Work, m.Yardstick, m.YardstickP99, m.YardstickWork)
	}
	fmt.Fprintln(w, "server\tstart ms\tat rest MiB\tpeak MiB\t")
	for _, name := range servers {
		if m, ok := r.Memory[name]; ok {
			fmt.Fprintf(w, "%s\t%.0f\t%.1f\t%.1f\t\n", name, m.Start, m.Rest, m.Peak)
		}
	}
	w.Flush()
	return out.String()
}

func (r *report) writeJSON(file string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
