package frappemstest

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestCentralAnswersAsRecorded(t *testing.T) {
	TestCentral(t, CentralCase{Serve: func(t *testing.T, c *Central) string { return c.URL }})
}

// TestCentralRecording wants every pair of the recording to be read.
func TestCentralRecording(t *testing.T) {
	if got, want := len(centralPairs()), strings.Count(centralRecording, "\n--> "); got != want || want < 100 {
		t.Errorf("got %d pairs, want %d", got, want)
	}
	for _, text := range []string{"GET /x", "GET /x\n\n--> two hundred\n\n", "GET\n\n--> 200\n\n"} {
		if pair, err := parsePair(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, pair)
		}
	}
}

// askCentral sends a request with an Authorization header, if one is given, and returns status and body.
func askCentral(t *testing.T, c *Central, target, authorization string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", c.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

const whoAmI = "/api/method/frappe.auth.get_logged_user"

func TestCentralUsers(t *testing.T) {
	c := NewCentral(t)
	c.AddUser(CentralUser{Name: "service@example.com", Key: "service", Secret: "s", Roles: []string{"System Manager"}})
	for i := range 100 {
		c.AddUser(CentralUser{Name: fmt.Sprintf("u%d@example.com", i), FullName: "Ü " + fmt.Sprint(i), Key: fmt.Sprint("key", i), Secret: "s",
			Roles: []string{"A", "B"}, TimeZone: "Europe/Berlin", Fields: map[string]any{"tenant": fmt.Sprint("t", i)},
			Permissions: []CentralPermission{{"Company", fmt.Sprint("C", i), "", true}, {"Company", "D", "Order", false}}})
	}
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			want := fmt.Sprintf(`{"message": "u%d@example.com"}`, i)
			if _, got := askCentral(t, c, whoAmI, fmt.Sprintf("token key%d:s", i)); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	group.Wait()
	if got := c.Calls(whoAmI); got != 100 || c.Calls("") != 100 {
		t.Errorf("got %d calls of %d, want 100 of 100", got, c.Calls(""))
	}
	const list = "/api/method/frappe.client.get_list?doctype="
	for _, test := range []struct {
		name, target, as string
		status           int
		want             string
	}{
		{"roles", "/api/method/frappe.core.doctype.user.user.get_roles?uid=u7@example.com", "token key1:s", 200,
			`{"message": ["A", "B", "All", "Guest", "Desk User"]}`},
		{"permissions", "/api/method/frappe.core.doctype.user_permission.user_permission.get_user_permissions", "token key7:s", 200,
			`{"message": {"Company": [{"doc": "C7", "applicable_for": null, "is_default": 1}, {"doc": "D", "applicable_for": "Order", "is_default": 0}]}}`},
		{"list of users", list + `User&fields=["name","enabled","full_name","time_zone","tenant","roles.role"]&filters={"name":"u7@example.com"}`,
			"token service:s", 200, `{"message": [{"name": "u7@example.com", "enabled": 1, "full_name": "\u00dc 7", "time_zone": "Europe/Berlin", "tenant": "t7", "role": "A"}, ` +
				`{"name": "u7@example.com", "enabled": 1, "full_name": "\u00dc 7", "time_zone": "Europe/Berlin", "tenant": "t7", "role": "B"}]}`},
		{"permissions as a list", list + `User Permission&fields=["allow","for_value"]&filters=[["User Permission","user","=","u7@example.com"]]`,
			"token service:s", 200, `{"message": [{"allow": "Company", "for_value": "C7"}, {"allow": "Company", "for_value": "D"}]}`},
		{"no permissions for users", list + `User Permission`, "token key1:s", 403, `"exc_type": "PermissionError"`},
		{"document", "/api/resource/User/u7@example.com", "token key7:s", 200, `"tenant": "t7"`},
		{"somebody else's document", "/api/resource/User/u8@example.com", "token key7:s", 403, `"exc_type": "PermissionError"`},
		{"not recorded", "/api/method/frappe.desk.search.search_link", "token key7:s", 501, `"exc_type": "NotRecorded"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := strings.NewReplacer(" ", "%20", `"`, "%22").Replace(test.target)
			if status, got := askCentral(t, c, target, test.as); status != test.status || !strings.Contains(got, test.want) {
				t.Errorf("got %d %s, want %d %s", status, got, test.status, test.want)
			}
		})
	}
}

func TestCentralRevokes(t *testing.T) {
	c := NewCentral(t)
	bearer := "Bearer " + c.Bearer("clerk@example.com")
	expired := "Bearer " + c.Bearer("clerk@example.com")
	sid := "?sid=" + c.Login("clerk@example.com")
	check := func(want int, target, authorization string) {
		t.Helper()
		if got, body := askCentral(t, c, target, authorization); got != want {
			t.Errorf("got %d %s, want %d", got, body, want)
		}
	}
	check(200, whoAmI, bearer)
	check(200, whoAmI+sid, "")
	check(200, whoAmI, "token clerk:clerksecret")
	c.UpdateUser("clerk@example.com", func(u *CentralUser) { u.Disabled = true })
	check(403, whoAmI+sid, "")
	check(200, whoAmI, bearer)
	check(401, "/api/method/login?usr=clerk@example.com&pwd="+CentralPassword, "")
	c.Expire(strings.TrimPrefix(expired, "Bearer "))
	check(401, whoAmI, expired)
	c.Revoke(strings.TrimPrefix(bearer, "Bearer "))
	check(401, whoAmI, bearer)
	c.Revoke("clerk")
	check(401, whoAmI, "token clerk:clerksecret")
	now := time.Now()
	c.Now = func() time.Time { return now }
	bearer = "Bearer " + c.Bearer("manager@example.com")
	check(200, whoAmI, bearer)
	now = now.Add(tokenLife)
	check(401, whoAmI, bearer)
}

func TestCentralIDToken(t *testing.T) {
	c := NewCentral(t)
	c.SkipAuthorization()
	target := centralPairOf("4 get_token").body
	response, err := http.Post(c.URL+"/api/method/frappe.integrations.oauth2.get_token", "application/x-www-form-urlencoded", strings.NewReader(target))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	_, token, _ := strings.Cut(string(body), `"id_token": "`)
	parts := strings.Split(strings.TrimSuffix(token, `"}`), ".")
	if len(parts) != 3 {
		t.Fatalf("got %s, want an id token", body)
	}
	mac := hmac.New(sha256.New, []byte("ebc0a5b5c2"))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	if want := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); parts[2] != want {
		t.Errorf("got signature %s, want %s", parts[2], want)
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	want := `"name":"Mona","given_name":"Mona","family_name":null,"email":"manager@example.com","picture":null,` +
		`"roles":["Shop Manager","All","Guest","Desk User"]}`
	if err != nil || !strings.HasSuffix(string(claims), want) || !strings.Contains(string(claims), `"iss":"`+c.URL+`"`) {
		t.Errorf("got %v and claims %s, want %s at the end", err, claims, want)
	}
}

// askRaw sends a request on a new connection and returns what comes until the end of it, or the timeout, and the error.
func askRaw(t *testing.T, c *Central, timeout time.Duration) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.URL, "http://"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/method/ping HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", CentralSite)
	conn.SetReadDeadline(time.Now().Add(timeout))
	text, err := io.ReadAll(bufio.NewReader(conn))
	return string(text), err
}

func TestCentralFaults(t *testing.T) {
	c := NewCentral(t)
	well, err := askRaw(t, c, time.Minute)
	if err != nil || !strings.HasSuffix(well, `{"message": "pong"}`) {
		t.Fatalf("got %q and %v, want a pong", well, err)
	}
	c.Fail(CentralDown)
	if _, err := askRaw(t, c, time.Minute); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("down: got %v, want a refused connection", err)
	}
	c.Fail(CentralGarbage)
	if got, err := askRaw(t, c, time.Minute); err != nil || strings.HasPrefix(got, "HTTP") || got == "" {
		t.Errorf("garbage: got %q and %v", got, err)
	}
	c.Fail(CentralTruncated)
	if got, err := askRaw(t, c, time.Minute); err != nil || !strings.HasPrefix(got, "HTTP/1.1 200") || len(got) >= len(well) {
		t.Errorf("truncated: got %q and %v, want the beginning of %q", got, err, well)
	}
	c.Fail(CentralHalfClosed)
	if got, err := askRaw(t, c, time.Minute); err != nil || got != "" {
		t.Errorf("half-closed: got %q and %v, want nothing", got, err)
	}
	c.Fail(CentralSilent)
	if got, err := askRaw(t, c, 10*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) || got != "" {
		t.Errorf("silent: got %q and %v, want nothing in time", got, err)
	}
	c.Slow(time.Millisecond)
	if got, err := askRaw(t, c, time.Minute); err != nil || !strings.HasSuffix(got, "pong\"}") {
		t.Errorf("slow: got %q and %v", got, err)
	}
	c.Fail(CentralSilent)
	answer, arrived := make(chan string), make(chan struct{})
	c.Handle("GET /api/method/ping", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		io.WriteString(w, `"pong"}`)
	}))
	go func() {
		got, _ := askRaw(t, c, time.Minute)
		answer <- got
	}()
	<-arrived
	c.Fail(CentralWell)
	if got := <-answer; !strings.HasSuffix(got, "pong\"}") {
		t.Errorf("back: got %q, want the answer that was kept back", got)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
