// Package observe lets a benchmark look into a server that it has started.
package observe

import (
	_ "expvar" // memory, under /debug/vars
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof" // profiles, under /debug/pprof
)

// Announce prints where a server listens, for the benchmark that has started it, and where its memory and profiles can be
// looked at, which it serves from then on.
func Announce(listener net.Listener) error {
	inside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(inside, nil)
	_, err = fmt.Println("http://"+listener.Addr().String(), "http://"+inside.Addr().String())
	return err
}
