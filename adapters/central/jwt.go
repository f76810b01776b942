package central

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"
)

// JWT says whose tokens are verified here, without Central: those of an OpenID provider that stands in front of it. The token
// says only who somebody is. What the user may, and whether it is enabled, Central says, and so Config.APIKey is needed.
type JWT struct {
	// Issuer is who makes the tokens: their claim iss. Required.
	Issuer string
	// Audience is who they are made for, one of their claim aud. Required.
	Audience string
	// KeysURL is where the issuer's keys are, as a JSON Web Key Set. Required.
	KeysURL string
	// UserClaim is the claim that holds the name of the User at Central. Required. With "email", tokens count only if their
	// email_verified is true.
	UserClaim string
	// Algorithms may sign the tokens. Nil: RS256 and ES256. Those with a shared key (HS256 …) and none are refused.
	Algorithms []string
}

// algorithms are those with a public key.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}

func (c Config) validateJWT() error {
	j := c.JWT
	if j == nil {
		return nil
	}
	u, err := url.Parse(j.KeysURL)
	switch {
	case c.APIKey == "":
		return errors.New("Config.JWT needs Config.APIKey: a token says who, and Central whether the user is enabled and may what")
	case j.Issuer == "":
		return errors.New("Config.JWT.Issuer is required")
	case j.Audience == "":
		return errors.New("Config.JWT.Audience is required: tokens for others would do")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return errors.New("Config.JWT.KeysURL: want one such as https://id.example.com/keys")
	case j.UserClaim == "":
		return errors.New("Config.JWT.UserClaim is required: the claim with the name of the User at Central")
	}
	for _, name := range j.Algorithms {
		if !slices.Contains(algorithms, jose.SignatureAlgorithm(name)) {
			return fmt.Errorf("Config.JWT.Algorithms: %q has no public key, or is not known", name)
		}
	}
	return nil
}

// claims are what a token says.
type claims struct {
	user   string
	expiry time.Time
	values map[string]any
}

// tokens verifies the tokens of an issuer.
type tokens struct {
	config     JWT
	algorithms []jose.SignatureAlgorithm
	now        func() time.Time
	keys       *keySet

	mu      sync.Mutex
	revoked *simplelru.LRU[digest, struct{}] // tokens that are refused
}

func newTokens(c Config) *tokens {
	t := &tokens{config: *c.JWT, algorithms: []jose.SignatureAlgorithm{jose.RS256, jose.ES256}, now: c.Now,
		keys: &keySet{url: c.JWT.KeysURL, client: &http.Client{Transport: c.Transport, Timeout: c.Timeout}, now: c.Now}}
	if c.JWT.Algorithms != nil {
		t.algorithms = nil
		for _, name := range c.JWT.Algorithms {
			t.algorithms = append(t.algorithms, jose.SignatureAlgorithm(name))
		}
	}
	var err error
	if t.revoked, err = simplelru.NewLRU[digest, struct{}](c.MaxUsers, nil); err != nil {
		panic(err) // of a size that is not positive
	}
	return t
}

// isJWT says whether a Bearer has the form of a JWT, which Frappe's own have not. Those do not go to Central.
func isJWT(token string) bool { return strings.Count(token, ".") == 2 }

// signed is a token without its signature, which may be written in more than one way.
func signed(token string) string { return token[:strings.LastIndexByte(token, '.')] }

// revoke refuses a token from now on.
func (t *tokens) revoke(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked.Add(sha256.Sum256([]byte(signed(token))), struct{}{})
}

func (t *tokens) isRevoked(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, found := t.revoked.Get(sha256.Sum256([]byte(signed(token))))
	return found
}

// verify gives what a token says; nil: it does not count. An error says that this cannot be found out.
func (t *tokens) verify(ctx context.Context, token string) (*claims, error) {
	parsed, err := jwt.ParseSigned(token, t.algorithms)
	if err != nil || len(parsed.Headers) != 1 || t.isRevoked(token) {
		return nil, nil
	}
	keys, err := t.keys.find(ctx, parsed.Headers[0].KeyID)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != parsed.Headers[0].Algorithm || key.Use != "" && key.Use != "sig" {
			continue
		}
		var standard jwt.Claims
		c := &claims{}
		if parsed.Claims(key.Key, &standard, &c.values) != nil {
			continue
		}
		expected := jwt.Expected{Issuer: t.config.Issuer, AnyAudience: jwt.Audience{t.config.Audience}, Time: t.now()}
		if standard.Expiry == nil || standard.ValidateWithLeeway(expected, 0) != nil {
			return nil, nil
		}
		c.expiry = standard.Expiry.Time()
		if c.user, _ = c.values[t.config.UserClaim].(string); c.user == "" {
			return nil, nil
		}
		if verified, _ := c.values["email_verified"].(bool); t.config.UserClaim == "email" && !verified {
			return nil, nil
		}
		return c, nil
	}
	return nil, nil
}

const (
	// keysFor is how long keys are taken for the issuer's: one that it has withdrawn counts no longer than that.
	keysFor = 10 * time.Minute
	// keysPause is how long after a question there is no other, whatever keys tokens name.
	keysPause = 10 * time.Second
)

// keySet is the keys of an issuer, as it publishes them.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time
	flight singleflight.Group

	mu    sync.Mutex
	keys  jose.JSONWebKeySet
	asked time.Time // when they were asked for
	got   time.Time // when they came
	err   error     // why they did not
}

// find gives the public keys of an id, or all of them where a token names none. Keys that are old, or lack the id, are asked
// for anew.
func (s *keySet) find(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	if s.settled(id) {
		return s.named(id)
	}
	done := s.flight.DoChan("", func() (any, error) {
		asked := s.now()
		if s.settled(id) { // another has asked meanwhile
			return nil, nil
		}
		keys, err := s.fetch()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked, s.err = asked, err
		if err == nil {
			s.keys, s.got = keys, asked
		}
		return nil, nil
	})
	select {
	case <-done:
	case <-ctx.Done():
		return nil, unavailable(fmt.Errorf("central: the keys of JWT: %w", context.Cause(ctx)))
	}
	return s.named(id)
}

// settled says whether asking is of no use now: the id is known, or it was asked a moment ago.
func (s *keySet) settled(id string) bool {
	keys, _ := s.named(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(keys) > 0 || !s.asked.IsZero() && s.now().Before(s.asked.Add(keysPause))
}

// named gives the keys of an id, among those that there are.
func (s *keySet) named(id string) (keys []jose.JSONWebKey, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	valid := !s.got.IsZero() && s.now().Before(s.got.Add(keysFor))
	for _, key := range s.keys.Keys {
		if valid && key.IsPublic() && key.Valid() && (id == "" || key.KeyID == id) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 && s.err != nil {
		return nil, unavailable(fmt.Errorf("central: the keys of JWT: %w", s.err))
	}
	return keys, nil
}

// fetch asks for the keys.
func (s *keySet) fetch() (keys jose.JSONWebKeySet, err error) {
	res, err := s.client.Get(s.url)
	if err != nil {
		return keys, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return keys, fmt.Errorf("status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err == nil {
		err = json.Unmarshal(body, &keys)
	}
	if err == nil && len(keys.Keys) == 0 {
		err = errors.New("there are none")
	}
	return keys, err
}
