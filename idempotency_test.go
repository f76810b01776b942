package frappems_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frappems/frappems"
)

// keyed sends a POST with an Idempotency-Key.
func (s *shop) keyed(as, key, path, body string) reply {
	s.t.Helper()
	return s.sendAs(as, "POST", path, body, map[string]string{"Content-Type": "application/json", "Idempotency-Key": key})
}

// TestIdempotencyKey: a POST with a key is done once for a user of a tenant, and its answer given again.
func TestIdempotencyKey(t *testing.T) {
	for _, path := range []string{"/api/resource/Job", "/api/v2/document/Job", "/api/method/office.make"} {
		s := newUnstarted(t, officeDocTypes)
		s.app.Resource("Job")
		s.app.Method("office.make", frappems.AllowSignedIn(), frappems.JSON(func(ctx context.Context, in struct{ Title string }) (any, error) {
			db, err := s.app.DB(ctx)
			if err != nil {
				return nil, err
			}
			d, err := db.Insert(ctx, "Job", map[string]any{"title": in.Title})
			if err != nil {
				return nil, err
			}
			return d.Get("title"), nil
		}))
		s.start()
		count := func(user, want string) {
			t.Helper()
			s.send(user, "GET", "/api/method/frappe.client.get_count?doctype=Job", "").want(t, 200, `{"message":`+want+`}`)
		}
		first := s.keyed("manager@acme", "k", path, `{"title": "one"}`)
		again := s.keyed("manager@acme", "k", path, `{"title": "one"}`)
		if first.status != 200 || again.status != 200 || first.body != again.body || again.header.Get("Idempotent-Replayed") != "true" ||
			first.header.Get("Idempotent-Replayed") != "" || again.header.Get("Content-Type") != first.header.Get("Content-Type") {
			t.Errorf("%s: %d %s %v, then %d %s %v", path, first.status, first.body, first.header, again.status, again.body, again.header)
		}
		if first.header.Get("X-Request-Id") == again.header.Get("X-Request-Id") {
			t.Errorf("%s: two requests have one id", path)
		}
		count("manager@acme", "1")
		other := s.keyed("manager@acme", "k", path, `{"title": "two"}`)
		if other.status != 422 || !strings.Contains(other.body, "IdempotencyKeyError") {
			t.Errorf("%s with another body: %d %s", path, other.status, other.body)
		}
		if got := s.keyed("manager@acme", "k", path+"?x=1", `{"title": "one"}`); got.status != 422 {
			t.Errorf("%s with another query: %d %s", path, got.status, got.body)
		}
		s.keyed("manager@acme", "K", path, `{"title": "one"}`) // keys are compared by their letters as they are
		s.keyed("admin@acme", "k", path, `{"title": "one"}`)
		count("manager@acme", "3")
		s.keyed("manager@globex", "k", path, `{"title": "one"}`)
		count("manager@globex", "1")
		count("manager@acme", "3")
	}
}

// TestIdempotencyKeyRefused: keys that cannot be kept are refused, and a request that failed has left nothing.
func TestIdempotencyKeyRefused(t *testing.T) {
	s := newOffice(t)
	s.keyed("manager@acme", strings.Repeat("k", 141), "/api/resource/Job", `{}`).want(t, 422, "IdempotencyKeyError")
	s.keyed("", "k", "/api/resource/Job", `{}`).want(t, 422, "IdempotencyKeyError")
	s.keyed("manager@acme", "k", "/api/method/bulk_delete", `{"docs": []}`).want(t, 422, "IdempotencyKeyError")
	s.keyed("manager@acme", "k", "/api/v2/document/Job/bulk_delete", `{"names": []}`)
	s.keyed("manager@acme", "fails", "/api/resource/Party", `{"title": ""}`).want(t, 417, "ValidationError")
	s.keyed("manager@acme", "fails", "/api/resource/Party", `{"title": "Fails"}`).want(t, 200, "")
	s.keyed("stranger@acme", "fails", "/api/resource/Party", `{"title": "Fails"}`).want(t, 403, "PermissionError")
	// Of a document's method, too.
	first := s.keyed("manager@acme", "s", "/api/resource/Bill/B1?run_method=submit", `{}`)
	again := s.keyed("manager@acme", "s", "/api/resource/Bill/B1?run_method=submit", `{}`)
	if first.status != 200 || first.body != again.body {
		t.Errorf("submit: %d %s, then %d %s", first.status, first.body, again.status, again.body)
	}
}

// TestIdempotencyKeyExpires: after a day by the service's clock the key is free again.
func TestIdempotencyKeyExpires(t *testing.T) {
	var mu sync.Mutex
	now := shopTime
	s := newOffice(t, func(c *frappems.Config) {
		c.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	pass := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	first := s.keyed("manager@acme", "k", "/api/resource/Job", `{"title": "x"}`)
	pass(24*time.Hour - time.Second)
	if got := s.keyed("manager@acme", "k", "/api/resource/Job", `{"title": "x"}`); got.body != first.body {
		t.Errorf("within a day: %s, then %s", first.body, got.body)
	}
	pass(2 * time.Second)
	if got := s.keyed("manager@acme", "k", "/api/resource/Job", `{"title": "y"}`); got.status != 200 || got.body == first.body {
		t.Errorf("after a day: %d %s", got.status, got.body)
	}
}

// TestIdempotencyKeyConcurrent: of many requests with one key at the same time one is done, and all have its answer.
func TestIdempotencyKeyConcurrent(t *testing.T) {
	s := newOffice(t)
	answers := make(chan string, 20)
	var wait sync.WaitGroup
	for range cap(answers) {
		wait.Go(func() { answers <- s.keyed("manager@acme", "k", "/api/resource/Job", `{"title": "x"}`).body })
	}
	wait.Wait()
	close(answers)
	first := <-answers
	for body := range answers {
		if body != first {
			t.Errorf("two answers: %s and %s", first, body)
		}
	}
	s.send("manager@acme", "GET", "/api/method/frappe.client.get_count?doctype=Job", "").want(t, 200, `{"message":2}`)
}
