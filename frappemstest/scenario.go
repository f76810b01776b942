package frappemstest

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Scenario is a request to a service and what is expected of the answer. Path and Status are required.
type Scenario struct {
	// Name of the subtest. Empty: method and path.
	Name string
	// Method of the request. Empty: GET, or POST where there is a Body.
	Method string
	// Path of the request with its query, escaped as it goes over the wire.
	Path string
	// As is an API key with its secret, sent as "Authorization: token key:secret". Empty: nobody.
	As string
	// Headers of the request. Content-Type is application/json where there is a Body and none is given.
	Headers map[string]string
	// Body of the request.
	Body string

	// Status that is wanted.
	Status int
	// Want is what the body has to contain, each of them. None: anything.
	Want []string
	// Not is what neither body nor headers may contain.
	Not []string
	// WantHeaders are headers of the answer; an empty value means that the header must be absent.
	WantHeaders map[string]string
	// Check looks at anything else. Nil: nothing.
	Check func(t *testing.T, response *http.Response, body []byte)
}

// Run sends the request to a handler and checks the answer, as a subtest.
func (s Scenario) Run(t *testing.T, handler http.Handler) {
	t.Helper()
	request := s.request()
	name := s.Name
	if name == "" {
		name = request.Method + " " + s.Path
	}
	t.Run(name, func(t *testing.T) {
		t.Helper()
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		s.check(t, recorder)
	})
}

// request builds what is sent.
func (s Scenario) request() *http.Request {
	method := s.Method
	if method == "" {
		method = http.MethodGet
		if s.Body != "" {
			method = http.MethodPost
		}
	}
	request := httptest.NewRequest(method, s.Path, strings.NewReader(s.Body))
	if s.Body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if s.As != "" {
		request.Header.Set("Authorization", "token "+s.As)
	}
	for key, value := range s.Headers {
		request.Header.Set(key, value)
	}
	return request
}

// check compares an answer with what is wanted.
func (s Scenario) check(t *testing.T, recorder *httptest.ResponseRecorder) {
	t.Helper()
	response, body := recorder.Result(), recorder.Body.Bytes()
	if response.StatusCode != s.Status {
		t.Errorf("got status %d, want %d; body: %s", response.StatusCode, s.Status, body)
	}
	for _, want := range s.Want {
		if !bytes.Contains(body, []byte(want)) {
			t.Errorf("the body has no %q: %s", want, body)
		}
	}
	var head bytes.Buffer
	response.Header.Write(&head)
	for _, not := range s.Not {
		if bytes.Contains(body, []byte(not)) || bytes.Contains(head.Bytes(), []byte(not)) {
			t.Errorf("the answer has %q: %s\n%s", not, head.Bytes(), body)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.WantHeaders)) {
		if got, want := response.Header.Get(key), s.WantHeaders[key]; got != want {
			t.Errorf("got header %s %q, want %q", key, got, want)
		}
	}
	if s.Check != nil {
		s.Check(t, response, body)
	}
}
