package central

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/frappems/frappems"
)

const (
	// maxAnswer bounds the body of an answer of Central that is read.
	maxAnswer = 1 << 20
	// breakAfter is after how many failures in a row Central is left alone, breakFor how long.
	breakAfter = 5
	breakFor   = 5 * time.Second
)

// site asks Central questions, and leaves it alone for a while where it does not answer.
type site struct {
	base    string
	name    string // sent as X-Frappe-Site-Name; empty: not
	client  *http.Client
	breaker *gobreaker.CircuitBreaker[*answer]
}

// answer is what Central said. Of a status other than 200 only Type and Expired count.
type answer struct {
	status  int
	Message json.RawMessage `json:"message"`
	Data    json.RawMessage `json:"data"`
	Type    string          `json:"exc_type"`
	Expired int             `json:"session_expired"`
}

func newSite(c Config) *site {
	return &site{
		base: strings.TrimRight(c.URL, "/"),
		name: c.Site,
		// A redirect would carry credentials to where nobody has said they may go.
		client: &http.Client{Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		breaker: gobreaker.NewCircuitBreaker[*answer](gobreaker.Settings{
			Timeout:     breakFor,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakAfter },
			IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) }, // by us, since another call failed
		}),
	}
}

// get asks a question by GET, with the credentials that sign adds. The error is one that can be given to a client: Central
// cannot be asked.
func (s *site) get(ctx context.Context, path string, query url.Values, sign func(h http.Header)) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path, nil)
	if err != nil {
		return nil, unavailable(err)
	}
	req.URL.RawQuery = query.Encode()
	req.Header.Set("Accept", "application/json") // else Frappe answers some errors with a page
	if s.name != "" {
		req.Header.Set("X-Frappe-Site-Name", s.name)
	}
	sign(req.Header)
	got, err := s.breaker.Execute(func() (*answer, error) { return s.send(req) })
	switch {
	case errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests):
		e := unavailable(fmt.Errorf("central: not asked, since it did not answer before: %w", err))
		e.RetryAfter = breakFor
		return nil, e
	case err != nil:
		return nil, unavailable(fmt.Errorf("central: %s: %w", path, err))
	}
	return got, nil
}

// send sends a request. Its errors open the breaker. A status 500 is not one of them: whoever finds credentials that Frappe
// stumbles over could keep everybody out by them.
func (s *site) send(req *http.Request) (*answer, error) {
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	a := &answer{}
	switch {
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("status %d with more than %d bytes", res.StatusCode, maxAnswer)
	case res.StatusCode == http.StatusBadGateway, res.StatusCode == http.StatusServiceUnavailable, res.StatusCode == http.StatusGatewayTimeout,
		res.StatusCode == http.StatusTooManyRequests:
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	if err := json.Unmarshal(body, a); err != nil {
		if res.StatusCode == http.StatusOK {
			return nil, fmt.Errorf("the answer is not Frappe's: %w", err)
		}
		*a = answer{} // a page, such as that of an unknown site
	}
	a.status = res.StatusCode
	return a, nil
}

// verdict is what a status says of credentials.
type verdict int

const (
	accepted verdict = iota
	unknown          // nobody's, or wrong
	expired          // of a session that is over
	forbidden
	unclear
)

// verdict reads a status. A refusal counts where it is Frappe's: something between us and Central may answer 401 or 403 too,
// and says nothing about the credentials.
func (a *answer) verdict() verdict {
	switch {
	case a.status == http.StatusOK:
		return accepted
	case a.status == http.StatusForbidden && a.Expired != 0:
		return expired
	case a.status == http.StatusUnauthorized && a.Type != "":
		return unknown
	case a.status == http.StatusForbidden && a.Type != "":
		return forbidden
	}
	return unclear
}

// unexpected is the error for an answer that means nothing to us.
func (a *answer) unexpected(what string) error {
	return unavailable(fmt.Errorf("central: %s: status %d %s", what, a.status, a.Type))
}

// unavailable is the error for what Central did not say.
func unavailable(cause error) *frappems.Error {
	return &frappems.Error{Code: frappems.UnavailableError, Message: "Sign-in cannot be checked at the moment, please try again", Cause: cause}
}
