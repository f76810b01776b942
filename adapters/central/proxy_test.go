package central

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

// doctypes of the service of these tests: documents with rows, which link to what is at Central.
var doctypes = []*frappems.DocType{
	{Name: "Sales Order", Autoname: "SO-.####", Permissions: everything, Fields: []frappems.Field{
		{Fieldname: "title", Fieldtype: "Data"},
		{Fieldname: "customer", Fieldtype: "Link", Options: "Customer"},
		{Fieldname: "party_type", Fieldtype: "Link", Options: "DocType"},
		{Fieldname: "party", Fieldtype: "Dynamic Link", Options: "party_type"},
		{Fieldname: "items", Fieldtype: "Table", Options: "Sales Order Item"},
	}},
	{Name: "Sales Order Item", IsTable: true, Fields: []frappems.Field{{Fieldname: "item", Fieldtype: "Link", Options: "Item"}}},
}

var everything = []frappems.DocPerm{{Role: "All", Read: true, Write: true, Create: true, Delete: true}}

// service is an App before a Central.
type service struct {
	*frappems.App
	central *frappemstest.Central
	proxy   *Proxy
	url     string
}

// newService starts one on a loopback address. Its users are those of Central: the sid and the API key of the manager.
func newService(t *testing.T, c *frappemstest.Central, change func(*frappems.Config, *ProxyConfig)) *service {
	t.Helper()
	s := &service{central: c}
	auth := NewAuthenticator(Config{URL: c.URL, Site: frappemstest.CentralSite, Tenant: FixedTenant("acme")})
	pc := ProxyConfig{URL: c.URL, Site: frappemstest.CentralSite, Logger: slog.New(slog.DiscardHandler), SessionEnded: auth.RevokeCredential}
	config := frappems.Config{Name: "orders", Types: doctypes, Store: frappems.NewMemoryStore(), Auth: auth,
		Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&config, &pc)
	}
	s.proxy = NewProxy(pc)
	config.Fallback = s.proxy
	var err error
	if s.App, err = frappems.New(config); err != nil {
		t.Fatal(err)
	}
	s.App.Resource("Sales Order")
	return s
}

// start starts it.
func (s *service) start(t *testing.T) *service {
	t.Helper()
	if err := s.App.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.App)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// TestProxyOfRecording replays what a real site was asked through a service that owns none of it.
func TestProxyOfRecording(t *testing.T) {
	frappemstest.TestCentral(t, frappemstest.CentralCase{
		Serve: func(t *testing.T, c *frappemstest.Central) string { return newService(t, c, nil).start(t).url },
		// The proxy says itself which site it wants.
		Except: []string{"2 Unknown site in Host", "2 X-Frappe-Site-Name of an unknown site"},
		Added:  []string{"X-Served-By", "X-Request-Id"},
	})
}

// ask sends a request and returns the answer with its body.
func (s *service) ask(t *testing.T, method, target, body string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	return do(t, request)
}

func do(t *testing.T, request *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// TestProxyHeaders looks at what Central gets, and what the client gets back.
func TestProxyHeaders(t *testing.T) {
	c := frappemstest.NewCentral(t)
	var got *http.Request
	c.Handle("GET /private/files/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header()["Set-Cookie"] = []string{"a=1; Path=/", "b=2; Path=/; SameSite=Lax"}
		w.Header().Set("Cache-Control", "private, max-age=7")
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		io.WriteString(w, "file")
	}))
	for _, trust := range []bool{false, true} {
		s := newService(t, c, func(_ *frappems.Config, p *ProxyConfig) { p.TrustForwarded = trust }).start(t)
		request, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/private/files/a%2Fb.png?x=%zz;y", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "orders.example.com"
		for key, value := range map[string]string{"Cookie": "sid=abc; user_id=x", "Authorization": "token a:b", "X-Frappe-Csrf-Token": "c0ffee",
			"X-Frappe-Site-Name": "orders.example.com", "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "shop.example.com", "X-Forwarded-Proto": "https",
			"Connection": "X-Mine", "X-Mine": "hop", "X-Request-Id": "id-1", "Accept-Encoding": "br",
			"X-Internal-Token": "secret"} {
			request.Header.Set(key, value)
		}
		response, body := do(t, request)
		want := map[string]string{"Cookie": "sid=abc; user_id=x", "Authorization": "token a:b", "X-Frappe-Csrf-Token": "c0ffee",
			"X-Frappe-Site-Name": frappemstest.CentralSite, "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "orders.example.com",
			"X-Forwarded-Proto": "http", "X-Mine": "", "X-Internal-Token": "", "X-Request-Id": "id-1", "Accept-Encoding": "br", "Via": "1.1 " + s.proxy.via}
		if trust {
			want["X-Forwarded-For"], want["X-Forwarded-Host"], want["X-Forwarded-Proto"] = "6.6.6.6, 127.0.0.1", "shop.example.com", "https"
		}
		for key, value := range want {
			if is := strings.Join(got.Header[key], "|"); is != value {
				t.Errorf("trust %t: Central got %s %q, want %q", trust, key, is, value)
			}
		}
		if got.Host != frappemstest.CentralSite || got.RequestURI != "/private/files/a%2Fb.png?x=%zz;y" {
			t.Errorf("Central got %s at %s", got.RequestURI, got.Host)
		}
		for key, value := range map[string]string{"Set-Cookie": "a=1; Path=/|b=2; Path=/; SameSite=Lax", "Cache-Control": "private, max-age=7", "X-Hop": "",
			"X-Served-By": "central", "X-Request-Id": "id-1", "X-Content-Type-Options": ""} {
			if is := strings.Join(response.Header[key], "|"); is != value {
				t.Errorf("the client got %s %q, want %q", key, is, value)
			}
		}
		if body != "file" {
			t.Errorf("got %q", body)
		}
	}
}

// TestProxyOfOneSignIn signs in at Central through the service, and works on both sides with the cookie that came.
func TestProxyOfOneSignIn(t *testing.T) {
	var mu sync.Mutex
	var ended []string
	s := newService(t, frappemstest.NewCentral(t), func(_ *frappems.Config, p *ProxyConfig) {
		forget := p.SessionEnded
		p.SessionEnded = func(sid string) {
			forget(sid)
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, "sid="+sid)
		}
	}).start(t)
	response, body := s.ask(t, "POST", "/api/method/login", "usr=manager%40example.com&pwd="+frappemstest.CentralPassword,
		"Content-Type", "application/x-www-form-urlencoded")
	if response.StatusCode != 200 || !strings.Contains(body, "Logged In") {
		t.Fatalf("got %d %s", response.StatusCode, body)
	}
	var sid string
	for _, cookie := range response.Cookies() {
		if cookie.Name == "sid" {
			sid = "sid=" + cookie.Value
		}
	}
	for _, test := range []struct {
		method, target, body string
		header               []string
		status               int
		by, want             string
	}{
		{"GET", "/api/method/frappe.auth.get_logged_user", "", nil, 200, "central", `{"message": "manager@example.com"}`},
		{"POST", "/api/resource/Sales%20Order", `{"title": "one"}`, nil, 200, "orders", `"title":"one"`},
		{"POST", "/api/resource/Note%20Pad", `{"title": "one"}`, nil, 200, "central", `"title": "one"`},
		{"GET", "/api/resource/Sales%20Order?fields=[%22title%22]", "", nil, 200, "orders", `{"data":[{"title":"one"}]}`},
		{"GET", "/api/resource/Note%20Pad?fields=[%22title%22]", "", nil, 200, "central", `{"data": [{"title": "one"}]}`},
		// A page of another origin: what is ours is protected here, what is Central's there.
		{"POST", "/api/resource/Sales%20Order", `{"title": "evil"}`, []string{"Origin", "https://evil.example"}, 403, "orders", "foreign origin"},
		{"POST", "/api/resource/Note%20Pad", `{"title": "two"}`, []string{"Origin", "https://evil.example"}, 200, "central", `"title": "two"`},
		{"GET", "/app", "", nil, 500, "central", "Internal Server Error"},
	} {
		response, body := s.ask(t, test.method, test.target, test.body, append(test.header, "Cookie", sid, "Content-Type", "application/json")...)
		if by := response.Header.Get("X-Served-By"); response.StatusCode != test.status || by != test.by || !strings.Contains(body, test.want) {
			t.Errorf("%s %s: got %d by %s: %s, want %d by %s: %s", test.method, test.target, response.StatusCode, by, body, test.status, test.by, test.want)
		}
	}
	s.central.SetCSRF(strings.TrimPrefix(sid, "sid="), "c0ffee")
	for token, want := range map[string]int{"": 400, "c0ffee": 200} {
		response, body := s.ask(t, "POST", "/api/resource/Note%20Pad", `{}`, "Cookie", sid, "Content-Type", "application/json", "X-Frappe-CSRF-Token", token)
		if response.StatusCode != want {
			t.Errorf("with the CSRF token %q: got %d %s, want %d", token, response.StatusCode, body, want)
		}
	}
	mu.Lock()
	goOn := len(ended) == 0
	mu.Unlock()
	if !goOn {
		t.Errorf("got %q as ended, which go on", ended)
	}
	if response, _ := s.ask(t, "POST", "/api/method/logout", "", "Cookie", sid, "X-Frappe-CSRF-Token", "c0ffee"); response.StatusCode != 200 {
		t.Errorf("logout: got %d", response.StatusCode)
	}
	if response, _ := s.ask(t, "GET", "/api/method/frappe.auth.get_logged_user", "", "Cookie", sid); response.StatusCode != 403 {
		t.Errorf("after the logout: got %d, want 403", response.StatusCode)
	}
	if response, body := s.ask(t, "GET", "/api/resource/Sales%20Order", "", "Cookie", sid); response.StatusCode != 403 || !strings.Contains(body, "session_expired") {
		t.Errorf("after the logout, what is ours: got %d %s, want 403", response.StatusCode, body)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{sid, sid}; !slices.Equal(ended, want) { // by the logout, and by the request with what is over
		t.Errorf("got %q as ended, want %q", ended, want)
	}
}

// TestProxyOfFaults wants an answer in time, in Frappe's form, whatever is wrong, and Central's as soon as it is back.
func TestProxyOfFaults(t *testing.T) {
	c := frappemstest.NewCentral(t)
	s := newService(t, c, func(_ *frappems.Config, p *ProxyConfig) { p.Timeout = 50 * time.Millisecond }).start(t)
	const path, pong = "/api/method/ping", `{"message": "pong"}`
	for _, test := range []struct {
		name  string
		fault frappemstest.CentralFault
	}{
		{"down", frappemstest.CentralDown}, {"silent", frappemstest.CentralSilent}, {"half-closed", frappemstest.CentralHalfClosed},
		{"garbage", frappemstest.CentralGarbage}, {"truncated", frappemstest.CentralTruncated},
	} {
		t.Run(test.name, func(t *testing.T) {
			c.Fail(test.fault)
			for range 3 { // on new connections and on such as were open before
				failed := s.proxy.Stats().Failed
				response, body := s.ask(t, "POST", path, "")
				if response.StatusCode != 503 || !strings.Contains(body, `"exc_type":"ServiceUnavailable"`) || response.Header.Get("Retry-After") != "5" {
					t.Errorf("got %d %v %s, want 503 with Retry-After", response.StatusCode, response.Header, body)
				}
				if got := s.proxy.Stats().Failed; got != failed+1 || response.Header.Get("X-Served-By") != "central" {
					t.Errorf("got %d failures after %d, served by %q", got, failed, response.Header.Get("X-Served-By"))
				}
			}
			if response, body := s.ask(t, "GET", "/api/resource/Sales%20Order", ""); response.Header.Get("X-Served-By") != "orders" {
				t.Errorf("what is ours: got %d %s", response.StatusCode, body)
			}
			c.Fail(frappemstest.CentralWell)
			for range 3 {
				if response, body := s.ask(t, "GET", path, ""); response.StatusCode != 200 || body != pong {
					t.Errorf("back: got %d %s, want a pong", response.StatusCode, body)
				}
			}
		})
	}
}

// TestProxyOfBrokenAnswers wants an answer that breaks off in its middle to break off at the client too.
func TestProxyOfBrokenAnswers(t *testing.T) {
	c := frappemstest.NewCentral(t)
	c.Handle("GET /broken", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	s := newService(t, c, nil).start(t)
	response, err := http.Get(s.url + "/broken")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("got %q as a whole answer", got)
	}
}

// TestProxySendsOnce wants a write whose answer did not come not to be sent again, with whatever header.
func TestProxySendsOnce(t *testing.T) {
	c := frappemstest.NewCentral(t)
	var sent atomic.Int32
	c.Handle("POST /api/method/pay", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sent.Add(1); r.Header.Get("Idempotency-Key") != "once" {
			t.Errorf("Central got the key %q", r.Header.Get("Idempotency-Key"))
		}
		panic(http.ErrAbortHandler) // the connection breaks
	}))
	s := newService(t, c, nil).start(t)
	s.ask(t, "GET", "/api/method/ping", "") // there is a connection, which is used again
	response, body := s.ask(t, "POST", "/api/method/pay?amount=1", "", "Idempotency-Key", "once")
	if response.StatusCode != 503 || sent.Load() != 1 {
		t.Errorf("got %d %s after %d requests at Central, want 503 after one", response.StatusCode, body, sent.Load())
	}
}

// TestProxyOfLoops puts a service before itself.
func TestProxyOfLoops(t *testing.T) {
	c := frappemstest.NewCentral(t)
	s := newService(t, c, nil)
	s.proxy.target.Host = s.start(t).url[len("http://"):]
	response, body := s.ask(t, "GET", "/api/method/ping", "")
	if response.StatusCode != 503 || !strings.Contains(body, "passed it on") || c.Calls("") != 0 {
		t.Errorf("got %d %s and %d calls of Central, want a refusal", response.StatusCode, body, c.Calls(""))
	}
	if got := s.proxy.Stats(); got.Loops != 1 || got.Passed != 1 {
		t.Errorf("got %+v, want one loop after one request", got)
	}
}

func TestNewProxyRefuses(t *testing.T) {
	for _, test := range []struct {
		in   ProxyConfig
		want string
	}{
		{ProxyConfig{}, "URL is required"},
		{ProxyConfig{URL: "erp.example.com"}, "URL: want"},
		{ProxyConfig{URL: "ftp://erp.example.com"}, "URL: want"},
		{ProxyConfig{URL: "https://user:secret@erp.example.com"}, "URL: want"},
		{ProxyConfig{URL: "https://erp.example.com", Timeout: -1}, "negative"},
	} {
		func() {
			defer func() {
				got, _ := recover().(string)
				if !strings.Contains(got, test.want) || !strings.Contains(got, "proxy_test.go:") || strings.Contains(got, "secret") {
					t.Errorf("%+v: got %q, want %q and the line of the call", test.in, got, test.want)
				}
			}()
			NewProxy(test.in)
		}()
	}
}

// TestBothSides are requests that have to do with documents of both sides: a correct answer or a reason.
func TestBothSides(t *testing.T) {
	c := frappemstest.NewCentral(t)
	c.AddDocument("Customer", map[string]any{"name": "Ada", "customer_name": "Ada Ltd"})
	c.Handle("GET /api/method/frappe.desk.search.search_link", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"message": [{"value": "Ada"}]}`)
	}))
	s := newService(t, c, nil).start(t)
	auth := []string{"Authorization", "token manager:managersecret", "Content-Type", "application/json"}
	if response, body := s.ask(t, "POST", "/api/resource/Sales%20Order",
		`{"title": "one", "customer": "Ada", "party_type": "Customer", "party": "Ada", "items": [{"item": "Bolt"}]}`, auth...); response.StatusCode != 200 {
		t.Fatalf("got %d %s", response.StatusCode, body)
	}
	const list = "/api/resource/Sales%20Order?fields=[%22title%22,"
	for _, test := range []struct {
		name, method, target, body string
		status                     int
		by, want                   string
	}{
		{"the link itself", "GET", list + "%22customer%22]", "", 200, "orders", `[{"title":"one","customer":"Ada"}]`},
		{"a field behind a link", "GET", list + "%22customer.customer_name%22]", "", 417, "orders", "Customer\\u003c/strong\\u003e is not kept by this service"},
		{"a filter behind a link", "GET", list + "%22name%22]&filters=[[%22customer.customer_name%22,%22=%22,%22Ada%20Ltd%22]]", "", 417, "orders", "is not kept by this service"},
		{"a filter on the DocType of a link", "GET", list + "%22name%22]&filters=[[%22Customer%22,%22customer_name%22,%22=%22,%22Ada%20Ltd%22]]", "", 417, "orders", "Customer\\u003c/strong\\u003e is not kept by this service"},
		{"order behind a link", "GET", list + "%22name%22]&order_by=customer.customer_name", "", 417, "orders", "is not kept by this service"},
		{"a field behind a dynamic link", "GET", list + "%22party.customer_name%22]", "", 417, "orders", "party.customer_name"},
		{"the dynamic link itself", "GET", list + "%22party%22]&filters=[[%22party_type%22,%22=%22,%22Customer%22]]", "", 200, "orders", `"party":"Ada"`},
		{"a filter on rows", "GET", list + "%22items.item%22]&filters=[[%22Sales%20Order%20Item%22,%22item%22,%22=%22,%22Bolt%22]]", "", 200, "orders", `"item":"Bolt"`},
		{"a field behind a link of rows", "GET", list + "%22items.item.item_name%22]", "", 417, "orders", "items.item.item_name"},
		{"documents of Central by a filter", "GET", "/api/resource/Customer?fields=[%22customer_name%22]&filters={%22name%22:%22Ada%22}", "", 200, "central", "Ada Ltd"},
		{"search at Central for a form here", "GET", "/api/method/frappe.desk.search.search_link?doctype=Customer&txt=A&reference_doctype=Sales+Order", "", 200, "central", `"value": "Ada"`},
		{"search here", "GET", "/api/method/frappe.desk.search.search_link?doctype=Sales+Order&txt=", "", 200, "orders", `"message":[{"value":`},
		{"both in one call", "POST", "/api/method/frappe.client.insert_many", `{"docs": [{"doctype": "Customer"}, {"doctype": "Sales Order"}]}`, 417, "orders", "send a call for each"},
		{"a comment on a document here", "POST", "/api/method/frappe.desk.form.utils.add_comment", `{"reference_doctype": "Sales Order", "reference_name": "SO-0001", "content": "x"}`, 417, "orders", "which has no method"},
	} {
		t.Run(test.name, func(t *testing.T) {
			response, body := s.ask(t, test.method, test.target, test.body, auth...)
			if by := response.Header.Get("X-Served-By"); response.StatusCode != test.status || by != test.by || !strings.Contains(body, test.want) {
				t.Errorf("got %d by %s: %s\nwant %d by %s: %s", response.StatusCode, by, body, test.status, test.by, test.want)
			}
		})
	}
}
