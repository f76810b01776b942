package frappemstest

import (
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// CentralCase is something that stands before a Central and lets requests through.
type CentralCase struct {
	// Serve starts it before a Central and returns its URL. Required.
	Serve func(t *testing.T, c *Central) (url string)
	// Except are the recorded pairs that it answers itself, by section and title: "2 HEAD".
	Except []string
	// Added are the headers that it adds to answers.
	Added []string
}

// TestCentral sends every recorded request, in the order of the recording, through what c serves. Each answer has to be the one
// that another Central gives without anything between, byte for byte with all of its headers but Date, and the recorded one.
//
// For the latter everything that is made up by chance or by the clock is replaced by its kind on both sides: sids and ids of
// errors (56 hexadecimal digits), OAuth tokens and codes, id tokens, names of documents, secrets, dates and times. What was
// made up is remembered, so that a later recorded request with the recorded sid is sent with the sid that was got. Pages were
// recorded by length and title alone, and long answers are compared as far as they were recorded.
func TestCentral(t *testing.T, c CentralCase) {
	t.Helper()
	begin := time.Date(2026, 11, 23, 17, 27, 41, 0, time.UTC)
	r := &centralReplay{T: t, test: c, made: map[string]string{}}
	for range 2 {
		central := NewCentral(t)
		central.Now = func() time.Time { return begin }
		r.centrals = append(r.centrals, central)
	}
	r.urls = []string{c.Serve(t, r.centrals[0]), r.centrals[1].URL}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(client.CloseIdleConnections)
	for _, pair := range centralPairs() {
		r.prepare(pair.id())
		if slices.Contains(c.Except, pair.id()) {
			continue
		}
		t.Run(pair.id(), func(t *testing.T) { r.replay(t, client, pair) })
	}
}

// centralReplay is a replay in progress.
type centralReplay struct {
	*testing.T
	test     CentralCase
	centrals []*Central // the one behind what is tested, and the one for comparison
	urls     []string
	made     map[string]string // by what was recorded
}

// prepare does to the sites what was done to the recorded one by hand before a request.
func (r *centralReplay) prepare(id string) {
	for _, c := range r.centrals {
		switch id {
		case "2 Expired sid (session row older than session_expiry)":
			c.Expire("e365f84f533464fa2c2a9a6ad122d229206431b9210672606ff5f186")
		case "3 After a page was loaded: POST without the header":
			c.SetCSRF("a8557d6b757d481d828d066950f0d563d0e9bc2c0f2cd58a0cde08e9", "c0ffee")
		case "4 expired Bearer":
			c.Expire(r.actual("XPwi9yQnvNrH31SFPyy4crnYkKqPu9"))
		case "4 authorize with skip_authorization":
			c.SkipAuthorization()
		case "5 service user: User document":
			c.UpdateUser("svc@example.com", func(u *CentralUser) { u.Key = "6fc440929f8e089" })
		case "8 api token when enabled again":
			c.UpdateUser("clerk@example.com", func(u *CentralUser) { u.Disabled = false })
		}
	}
}

// actual puts what was made up into a recorded text.
func (r *centralReplay) actual(text string) string {
	for recorded, made := range r.made {
		text = strings.ReplaceAll(text, recorded, made)
	}
	return text
}

// centralReply is an answer with its body read.
type centralReply struct {
	*http.Response
	text string
}

func (r *centralReplay) replay(t *testing.T, client *http.Client, pair *centralPair) {
	var replies []centralReply
	for _, url := range r.urls {
		request, err := http.NewRequestWithContext(t.Context(), pair.method, url+r.actual(pair.target), strings.NewReader(r.actual(pair.body)))
		if err != nil {
			t.Fatal(err)
		}
		for key, values := range pair.header {
			for _, value := range values {
				request.Header.Add(key, r.actual(value))
			}
		}
		request.Host = CentralSite
		if pair.title == "Unknown site in Host" {
			request.Host = "nosite.localhost"
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		replies = append(replies, centralReply{response, string(body)})
	}
	r.compareTwins(t, replies[0], replies[1])
	r.compareRecorded(t, pair, replies[0])
}

// compareTwins compares the answer with the one that was got directly.
func (r *centralReplay) compareTwins(t *testing.T, got, want centralReply) {
	if got.StatusCode != want.StatusCode || got.text != want.text {
		t.Errorf("got %d %s, directly %d %s", got.StatusCode, got.text, want.StatusCode, want.text)
	}
	for key, values := range want.Header {
		if key != "Date" && !slices.Equal(got.Header[key], values) {
			t.Errorf("got %s %q, directly %q", key, got.Header[key], values)
		}
	}
	for key, values := range got.Header {
		if want.Header[key] == nil && !slices.Contains(r.test.Added, key) {
			t.Errorf("got %s %q, directly none", key, values)
		}
	}
}

// chance are the things that differ from one recording to the next, with their kinds.
var chance = []struct {
	kind    string
	pattern *regexp.Regexp
	learned bool
}{
	{"sid", regexp.MustCompile(`\b[0-9a-f]{56}\b`), true},
	{"token", regexp.MustCompile(`(?:"access_token": "|"refresh_token": "|[?]code=)([A-Za-z0-9]{30})\b`), true},
	{"id token", regexp.MustCompile(`\beyJ[\w-]+\.eyJ[\w.-]+`), false},
	{"name", regexp.MustCompile(`"(pas[a-z0-9]{7})"`), true},
	{"secret", regexp.MustCompile(`"(?:client_secret|api_secret)": "([0-9a-f]{10,15})"`), true},
	{"time", regexp.MustCompile(`\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\b`), false},
	{"expiry", regexp.MustCompile(`"exp": (\d{10})\b`), false},
	{"date", regexp.MustCompile(`\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\b`), false},
}

// masked replaces what is made up by its kind, and returns what it found.
func masked(text string) (string, []string) {
	var found []string
	for _, c := range chance {
		var b strings.Builder
		end := 0
		for _, at := range c.pattern.FindAllStringSubmatchIndex(text, -1) {
			from, to := at[len(at)-2], at[len(at)-1]
			b.WriteString(text[end:from] + "<" + c.kind + ">")
			if c.learned {
				found = append(found, text[from:to])
			}
			end = to
		}
		text = b.String() + text[end:]
	}
	return text, found
}

// compareRecorded compares the answer with the recorded one and remembers what was made up.
func (r *centralReplay) compareRecorded(t *testing.T, pair *centralPair, got centralReply) {
	if got.StatusCode != pair.status {
		t.Errorf("got status %d, recorded %d", got.StatusCode, pair.status)
	}
	for key, values := range pair.answer {
		is, should := slices.Clone(got.Header[key]), slices.Clone(values)
		if key == "Set-Cookie" {
			slices.Sort(is) // deletions come in no fixed order
			slices.Sort(should)
		}
		r.compareText(t, key, strings.Join(is, "\n"), strings.Join(should, "\n"))
	}
	if page := regexp.MustCompile(`^\(HTML page, (\d+) bytes, title '(.*)'\)$`).FindStringSubmatch(pair.text); page != nil {
		title := "-"
		if found := regexp.MustCompile(`<title>(.*)</title>`).FindStringSubmatch(got.text); found != nil {
			title = found[1]
		}
		if length := len(got.text); strconv.Itoa(length) != page[1] || title != page[2] {
			t.Errorf("got a page of %d bytes, title %s; recorded %s", length, title, pair.text)
		}
		return
	}
	r.compareText(t, "body", got.text, pair.text)
}

// compareText compares a text, up to where the recorded one was cut off.
func (r *centralReplay) compareText(t *testing.T, what, got, recorded string) {
	is, made := masked(got)
	_, were := masked(recorded)
	should, _ := masked(r.actual(recorded))
	should, cut := strings.CutSuffix(should, "…")
	if cut && strings.HasPrefix(is, should) {
		is = should
	}
	if is != should {
		t.Errorf("got %s %s\nrecorded %s", what, is, should)
		return
	}
	for i, recorded := range were {
		if recorded != CentralClient { // the recorded codes are for it
			r.made[recorded] = made[i]
		}
	}
}
