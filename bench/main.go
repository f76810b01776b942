// Command bench measures a service against handlers that are written by hand for the same requests, on the same private MariaDB.
// It prints a table, and writes all of it as JSON and the ratios as a chart.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// options are what can be chosen for a run.
type options struct {
	rounds, seconds int
	connections     []int
	operations      []string
	servers         []string
	orders          int    // in each tenant before the first measurement
	yardstick       string // directory of another server's program to compare with; "" or one that is not there: none
	out             string // directory of the results
	profiles        bool
}

func main() {
	o := options{connections: []int{1, 32, 256}, operations: operations, servers: servers}
	flag.IntVar(&o.rounds, "rounds", 5, "how often everything is measured; what is reported are medians")
	flag.IntVar(&o.seconds, "seconds", 3, "how long one measurement takes")
	flag.Func("connections", "numbers of connections, by commas (default 1,32,256)", func(text string) (err error) {
		o.connections, err = numbers(text)
		return err
	})
	list(&o.operations, "operations", operations)
	list(&o.servers, "servers", servers)
	flag.IntVar(&o.orders, "orders", 20000, "how many orders, of five rows each, a tenant has")
	flag.StringVar(&o.yardstick, "yardstick", "../../shared/bench/baseline", "program to compare with as well, with its schema.sql beside its directory")
	flag.StringVar(&o.out, "out", "results", "directory for results.json, results.svg and profiles")
	flag.BoolVar(&o.profiles, "profiles", false, "write CPU and allocation profiles of the service instead of measuring")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		log.Fatal(err)
	}
}

func list(to *[]string, name string, known []string) {
	flag.Func(name, "by commas, of "+strings.Join(known, ",")+" (default all)", func(text string) error {
		*to = strings.Split(text, ",")
		for _, word := range *to {
			if !slices.Contains(known, word) {
				return fmt.Errorf("%q is none of %s", word, strings.Join(known, ", "))
			}
		}
		return nil
	})
}

func numbers(text string) (all []int, err error) {
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number of connections", part)
		}
		all = append(all, n)
	}
	return all, nil
}

func run(ctx context.Context, o options) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer l.close()
	if o.profiles {
		return l.profile(ctx)
	}
	r, err := l.run(ctx)
	if err != nil {
		return err
	}
	fmt.Print(r.text())
	if err := r.writeJSON(filepath.Join(o.out, "results.json")); err != nil {
		return err
	}
	return r.writeChart(filepath.Join(o.out, "results.svg"))
}
