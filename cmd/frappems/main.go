// Command frappems serves a directory of Frappe DocTypes as a REST service.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // users may have time zones where the machine has none installed
)

const usage = `frappems serves Frappe DocTypes: Frappe's REST API from one program.

  frappems serve     serve DocTypes; without flags an example, on orders.db in this directory
  frappems migrate   create and widen tables; with --plan only print what is missing; with --adopt take over Frappe's
  frappems gen       write Go structs and controllers for DocTypes
  frappems version   print the version

"frappems serve -h", "frappems migrate -h" and "frappems gen -h" list the flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, &env{stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}, os.Args[1:]))
}

// env is what a command has of the process around it.
type env struct {
	stdout, stderr io.Writer
	getenv         func(string) string
}

// usageError is a mistake in how the command was called.
type usageError string

// Error gives the mistake.
func (e usageError) Error() string { return string(e) }

// run runs a command and returns the exit status: 0, 1 for what failed, 2 for how it was called.
func run(ctx context.Context, e *env, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(e.stderr, usage)
		return 2
	}
	var err error
	switch command := args[0]; command {
	case "serve":
		err = serve(ctx, e, args[1:])
	case "migrate":
		err = migrate(ctx, e, args[1:])
	case "gen":
		err = generate(e, args[1:])
	case "version", "--version", "-version":
		fmt.Fprintln(e.stdout, "frappems", version())
	case "help", "--help", "-help", "-h":
		fmt.Fprint(e.stdout, usage)
	default:
		err = usageError(fmt.Sprintf("there is no command %q; see frappems help", command))
	}
	var called usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &called):
		fmt.Fprintln(e.stderr, "frappems:", err)
		return 2
	}
	fmt.Fprintln(e.stderr, message(err))
	return 1
}

// version is that of the module, as the go command recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
