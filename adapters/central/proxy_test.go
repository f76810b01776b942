package central

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
	pc := ProxyConfig{URL: c.URL, Site: frappemstest.CentralSite, Logger: slog.New(slog.DiscardHandler)}
	config := frappems.Config{Name: "orders", Types: doctypes, Store: frappems.NewMemoryStore(), Auth: centralUsers{c.URL}, Tenant: "acme",
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

// centralUsers asks Central who calls, with the caller's credentials.
type centralUsers struct{ url string }

func (a centralUsers) Authenticate(r *http.Request) (*frappems.User, error) {
	if r.Header.Get("Authorization") == "" && r.Header.Get("Cookie") == "" {
		return nil, nil
	}
	request, err := http.NewRequestWithContext(r.Context(), "GET", a.url+"/api/method/frappe.auth.get_logged_user", nil)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"Authorization", "Cookie"} {
		if value := r.Header.Get(name); value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, &frappems.Error{Code: frappems.UnavailableError, Cause: err}
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, frappems.Errorf(frappems.AuthenticationError, "Invalid credentials")
	}
	return &frappems.User{Name: "manager@example.com", Roles: []string{"All", "Guest"}}, nil
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
