package central

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

// bigUpload is a multipart body whose file comes out of one buffer, piece by piece. Before each piece it waits until Central has
// all of the body that is further back than window: who would keep the body could not go on.
type bigUpload struct {
	size, sent int64
	head, tail *strings.Reader
	arrived    chan int64 // how much Central has, each time something comes
	have       int64
	window     int64
}

func (b *bigUpload) Read(p []byte) (int, error) {
	for b.sent-b.have > b.window {
		b.have = <-b.arrived
	}
	var n int
	switch {
	case b.head.Len() > 0:
		n, _ = b.head.Read(p)
	case b.size > 0:
		n = int(min(int64(len(p)), b.size))
		clear(p[:n])
		b.size -= int64(n)
	default:
		var err error
		if n, err = b.tail.Read(p); err != nil {
			return n, err
		}
	}
	b.sent += int64(n)
	return n, nil
}

// TestProxyOfUploads sends 100 MiB through a service whose own bodies may have 10, in constant memory.
func TestProxyOfUploads(t *testing.T) {
	const size, window = 100 << 20, 16 << 20
	c := frappemstest.NewCentral(t)
	arrived := make(chan int64, 1)
	c.Handle("POST /api/method/upload_file", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var total int64
		buffer := make([]byte, 64<<10)
		for {
			n, err := r.Body.Read(buffer)
			total += int64(n)
			select { // the latest number is enough
			case <-arrived:
			default:
			}
			arrived <- total
			if err != nil {
				fmt.Fprintf(w, `{"message": {"size": %d, "length": %d, "error": %q}}`, total, r.ContentLength, err)
				return
			}
		}
	}))
	s := newService(t, c, nil).start(t)
	const head = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big.bin\"\r\n\r\n"
	const tail = "\r\n--x\r\nContent-Disposition: form-data; name=\"is_private\"\r\n\r\n1\r\n--x--\r\n"
	body := &bigUpload{size: size, head: strings.NewReader(head), tail: strings.NewReader(tail), arrived: arrived, window: window}
	request, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/api/method/upload_file", body)
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = size + int64(len(head)+len(tail))
	request.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	response, text := do(t, request)
	runtime.ReadMemStats(&after)
	want := fmt.Sprintf(`{"message": {"size": %d, "length": %d, "error": "EOF"}}`, request.ContentLength, request.ContentLength)
	if response.StatusCode != 200 || text != want {
		t.Errorf("got %d %s, want %s", response.StatusCode, text, want)
	}
	// All that was allocated meanwhile, on all sides of the test.
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("got %d bytes allocated for an upload of %d", used, size)
	}
}

// TestProxyOfWebSockets upgrades a connection and talks over it in both directions.
func TestProxyOfWebSockets(t *testing.T) {
	c := frappemstest.NewCentral(t)
	c.Handle("GET /socket.io/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			r.Header.Get("Upgrade"), r.Header.Get("Sec-WebSocket-Key"))
		rw.Flush()
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprintf(conn, "echo %s", line)
		}
	}))
	s := newService(t, c, func(config *frappems.Config, _ *ProxyConfig) { config.RequestTimeout = time.Nanosecond }).start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: orders.example.com\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: key\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 101 || response.Header.Get("Sec-WebSocket-Accept") != "key" || response.Header.Get("X-Served-By") != "central" {
		t.Fatalf("got %d %v, want the upgrade of Central", response.StatusCode, response.Header)
	}
	for _, word := range []string{"one\n", "two\n"} {
		io.WriteString(conn, word)
		if got, err := reader.ReadString('\n'); err != nil || got != "echo "+word {
			t.Errorf("got %q and %v, want an echo of %q", got, err, word)
		}
	}
}

// TestProxyOfStreams wants each piece of an answer at once, before the next one is sent.
func TestProxyOfStreams(t *testing.T) {
	c := frappemstest.NewCentral(t)
	next := make(chan struct{})
	c.Handle("GET /events", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n", i)
			http.NewResponseController(w).Flush()
			<-next
		}
	}))
	s := newService(t, c, func(_ *frappems.Config, p *ProxyConfig) { p.Timeout = time.Minute }).start(t)
	response, err := http.Get(s.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	reader := bufio.NewReader(response.Body)
	for i := range 3 {
		if got, err := reader.ReadString('\n'); err != nil || got != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("got %q and %v, want the piece %d", got, err, i)
		}
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
		t.Errorf("got %q and %v, want the end", rest, err)
	}
}

// TestProxyOutlivesTheServersLimits serves with a server that limits whole requests, as App.Serve does: bodies and answers that take
// longer get through as long as something moves.
func TestProxyOutlivesTheServersLimits(t *testing.T) {
	c := frappemstest.NewCentral(t)
	got := make(chan struct{})
	c.Handle("POST /slow", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var piece [1]byte
		for range 3 {
			if _, err := io.ReadFull(r.Body, piece[:]); err != nil {
				t.Error(err)
			}
			got <- struct{}{}
		}
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "done")
	}))
	const limit = 100 * time.Millisecond
	s := newService(t, c, func(config *frappems.Config, p *ProxyConfig) {
		config.RequestTimeout = limit
		p.IdleTimeout = time.Minute
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- s.App.Serve(ctx, listener) }()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	body, pieces := io.Pipe()
	answer := make(chan string)
	go func() {
		response, err := http.Post("http://"+listener.Addr().String()+"/slow", "application/octet-stream", body)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		answer <- string(text)
	}()
	begin := time.Now()
	for range 3 {
		pieces.Write([]byte("x"))
		<-got
		<-time.After(limit) // longer than a whole request of the service's own may take
	}
	pieces.Close()
	if text := <-answer; text != "done" || time.Since(begin) < limit {
		t.Errorf("got %q, want done", text)
	}
}

// TestProxyGivesUpOnClients who stop in the middle of a body.
func TestProxyGivesUpOnClients(t *testing.T) {
	c := frappemstest.NewCentral(t)
	ended := make(chan error)
	c.Handle("POST /stuck", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		ended <- err
	}))
	s := newService(t, c, func(_ *frappems.Config, p *ProxyConfig) { p.IdleTimeout = 10 * time.Millisecond }).start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /stuck HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx")
	if err := <-ended; err == nil {
		t.Error("got no error at Central, want a body that breaks off")
	}
	io.Copy(io.Discard, conn) // there may be an answer, and the connection ends
}

// TestProxyOfAttachments wants files to be attached to documents of Central alone, whatever form an upload has.
func TestProxyOfAttachments(t *testing.T) {
	c := frappemstest.NewCentral(t)
	c.Handle("POST /api/method/upload_file", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		fmt.Fprintf(w, "attached to %q", r.FormValue("doctype"))
	}))
	s := newService(t, c, nil).start(t)
	const file = "--b.(x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: text/plain\r\n\r\nabc\r\n"
	large := strings.Replace(file, "abc", strings.Repeat("x", 100<<10)+"\r\n--b.(", 1)
	part := func(value string, headers ...string) string {
		return "--b.(x\r\n" + strings.Join(append(headers, "Content-Disposition: form-data; name=\"doctype\"\r\n"), "") + "\r\n" + value + "\r\n"
	}
	for _, test := range []struct {
		name, body, want string
	}{
		{"nothing", file, `attached to ""`},
		{"a document of Central", file + part("Customer"), `attached to "Customer"`},
		{"a document here", file + part("Sales Order"), "upload the file without doctype"},
		{"before the file", part("Sales Order") + file, "upload the file without doctype"},
		{"behind a large file", large + part("Sales Order"), "upload the file without doctype"},
		{"with a header", file + part("Sales Order", "Content-Type: text/plain; charset=utf-8\r\n"), "upload the file without doctype"},
		{"in other letters", file + strings.Replace(part("Sales Order"), "Content-Disposition", "content-disposition", 1), "upload the file without doctype"},
		{"with lines of another kind", file + strings.ReplaceAll(part("Sales Order"), "\r\n", "\n"), "The upload cannot be read"},
		{"with a header in two lines", file + strings.Replace(part("Sales Order"), "; name", ";\r\n name", 1), "The upload cannot be read"},
		{"with a header that is long", file + part("Sales Order", "X: "+strings.Repeat("x", 4<<10)+"\r\n"), "upload the file without doctype"},
		{"with a name that is encoded", file + strings.Replace(part("Sales Order"), `name="doctype"`, `name="x"; name*=utf-8''doctype`, 1), "The upload cannot be read"},
		{"as a file", file + strings.Replace(part("Sales Order"), `name="doctype"`, `name="doctype"; filename="x"`, 1), "upload the file without doctype"},
		{"in a document", file + strings.Replace(part(`{"doctype": "Sales Order"}`), `"doctype"`, `"doc"`, 1), "upload the file without doctype"},
		{"in a list", file + strings.Replace(part(`["{\"doctype\": \"Sales Order\"}"]`), `"doctype"`, `"docs"`, 1), "upload the file without doctype"},
		{"in JSON that others can read", file + strings.Replace(part(`{"doctype": "Sales Order", "x": NaN}`), `"doctype"`, `"doc"`, 1), "The upload cannot be read"},
		{"in a list of them", file + strings.Replace(part(`["{\"doctype\": \"Sales Order\", \"x\": NaN}"]`), `"doctype"`, `"docs"`, 1), "The upload cannot be read"},
		{"documents of Central", file + strings.Replace(part(`[{"doctype": "Customer"}, ["x"]]`), `"doctype"`, `"docs"`, 1), `attached to ""`},
		{"a method", file + strings.Replace(part(`frappe.client.delete`), `"doctype"`, `"cmd"`, 1), "send it to the method's path"},
		{"a file that speaks of it", strings.Replace(file, "abc", strings.ReplaceAll(part("Sales Order")+"--b.(x", "b.(x", "c"), 1), `attached to ""`},
	} {
		for _, size := range []int{1, 7, 64 << 10} {
			t.Run(fmt.Sprint(test.name, " by ", size), func(t *testing.T) {
				body := strings.NewReader(test.body + "--b.(x--\r\n")
				request, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/api/method/upload_file", io.MultiReader(&inPieces{body, size}))
				if err != nil {
					t.Fatal(err)
				}
				request.ContentLength = body.Size()
				request.Header.Set("Content-Type", `multipart/form-data; boundary="b.(x"`)
				response, got := do(t, request)
				if ok := response.StatusCode == 200; !strings.Contains(got, test.want) || ok != strings.HasPrefix(test.want, "attached") {
					t.Errorf("got %d %s, want %s", response.StatusCode, got, test.want)
				}
			})
		}
	}
	if got := s.proxy.Stats().Failed; got != 0 {
		t.Errorf("got %d failures, want none: Central was never to blame", got)
	}
}

// inPieces reads at most size bytes at once.
type inPieces struct {
	io.Reader
	size int
}

func (p *inPieces) Read(data []byte) (int, error) {
	return p.Reader.Read(data[:min(len(data), p.size)])
}

// FuzzUploadBody wants a body to be handed on as it is, or to break off.
func FuzzUploadBody(f *testing.F) {
	f.Add("--x\r\nContent-Disposition: form-data; name=\"doctype\"\r\n\r\nCustomer\r\n--x--\r\n", 3)
	f.Add(strings.Repeat("--x\r\n", 600)+"\r\n--x--", 1)
	f.Add("--x\r\nContent-Disposition: form-data; name=\"docs\"\r\n\r\n[{\"doctype\": \"Customer\"}]\r\n--x--\r\n", 9)
	f.Fuzz(func(t *testing.T, body string, size int) {
		r := httptest.NewRequest("POST", "/", &inPieces{strings.NewReader(body), 1 + max(size, 0)%5000})
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		got, err := io.ReadAll(newUploadBody(r))
		if !strings.HasPrefix(body, string(got)) || err == nil && string(got) != body {
			t.Errorf("got %q and %v, want %q", got, err, body)
		}
		if err != nil && !errors.Is(err, frappems.ValidationError) && !errors.Is(err, frappems.RequestTooLargeError) {
			t.Errorf("got %v, want an error that says what is wrong", err)
		}
	})
}
