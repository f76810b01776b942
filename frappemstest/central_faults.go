package frappemstest

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// CentralFault is what is wrong between a client and a Central. Its answers stay as they are: faults are in the connections.
type CentralFault int

// Faults for [Central.Fail].
const (
	// CentralWell: nothing is wrong.
	CentralWell CentralFault = iota
	// CentralDown refuses connections, and ends those that are open.
	CentralDown
	// CentralSilent takes requests and sends nothing until the fault is another.
	CentralSilent
	// CentralHalfClosed takes requests, says that it will send nothing, and goes on reading.
	CentralHalfClosed
	// CentralTruncated ends the connection in the middle of an answer.
	CentralTruncated
	// CentralGarbage sends something that is not HTTP.
	CentralGarbage
)

// Fail sets what is wrong from now on, on new connections and open ones. CentralWell mends everything.
func (c *Central) Fail(fault CentralFault) { c.listener.set(fault, 0) }

// Slow lets every answer come after a delay, with nothing else wrong. Zero: at once.
func (c *Central) Slow(delay time.Duration) { c.listener.set(CentralWell, delay) }

// centralListener serves on one address, with faults.
type centralListener struct {
	address string
	server  *http.Server

	mu      sync.Mutex
	fault   CentralFault
	delay   time.Duration
	changed chan struct{} // closed when the fault changes
	open    net.Listener  // nil while down
	conns   map[*faultyConn]bool
}

func listenCentral(handler http.Handler) (*centralListener, error) {
	l := &centralListener{server: &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}, changed: make(chan struct{}),
		conns: map[*faultyConn]bool{}}
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l.address = open.Addr().String()
	l.serve(open)
	return l, nil
}

// serve accepts connections. Its caller holds the lock, or is the only one.
func (l *centralListener) serve(open net.Listener) {
	l.open = open
	go l.server.Serve(&faultyListener{open, l})
}

// set changes the fault.
func (l *centralListener) set(fault CentralFault, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault, l.delay = fault, delay
	close(l.changed)
	l.changed = make(chan struct{})
	if fault == CentralDown && l.open != nil {
		l.open.Close()
		l.open = nil
		for conn := range l.conns {
			conn.Conn.Close()
		}
	}
	if fault != CentralDown && l.open == nil {
		open, err := net.Listen("tcp", l.address)
		if err != nil {
			panic("frappemstest: the stand-in cannot come back: " + err.Error())
		}
		l.serve(open)
	}
}

func (l *centralListener) stop() {
	l.set(CentralDown, 0)
	l.server.Close()
}

func (l *centralListener) state() (CentralFault, time.Duration, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault, l.delay, l.changed
}

// faultyListener hands out connections with faults.
type faultyListener struct {
	net.Listener
	central *centralListener
}

func (l *faultyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	faulty := &faultyConn{Conn: conn, central: l.central, closed: make(chan struct{})}
	l.central.mu.Lock()
	defer l.central.mu.Unlock()
	if l.central.fault == CentralDown {
		conn.Close()
	}
	l.central.conns[faulty] = true
	return faulty, nil
}

// faultyConn does what is wrong when an answer is written.
type faultyConn struct {
	net.Conn
	central *centralListener
	once    sync.Once
	closed  chan struct{}
}

var errFault = errors.New("frappemstest: a fault that the test asked for")

func (c *faultyConn) Write(b []byte) (int, error) {
	for {
		fault, delay, changed := c.central.state()
		switch fault {
		case CentralWell:
			if delay > 0 {
				timer := time.NewTimer(delay)
				defer timer.Stop()
				select {
				case <-timer.C:
				case <-changed:
				case <-c.closed:
				}
			}
			return c.Conn.Write(b)
		case CentralSilent:
			select {
			case <-changed:
				continue
			case <-c.closed:
				return 0, errFault
			}
		case CentralHalfClosed:
			c.Conn.(*net.TCPConn).CloseWrite()
			select { // open on this side until somebody gives up
			case <-changed:
			case <-c.closed:
			}
			return 0, errFault
		case CentralTruncated:
			c.Conn.Write(b[:len(b)/2])
			c.Conn.Close()
			return 0, errFault
		case CentralGarbage:
			c.Conn.Write([]byte("\x00\xff*** 220 this is not HTTP\r\n\r\n"))
			c.Conn.Close()
			return 0, errFault
		default:
			return 0, errFault
		}
	}
}

func (c *faultyConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.central.mu.Lock()
		delete(c.central.conns, c)
		c.central.mu.Unlock()
	})
	return c.Conn.Close()
}
