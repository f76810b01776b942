package frappemstest

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Users of a new Central, with their API keys; all have the password [CentralPassword].
//
//	Administrator          admin:adminsecret      every role
//	manager@example.com    manager:managersecret  Shop Manager
//	clerk@example.com      clerk:clerksecret      Shop Clerk
//	stranger@example.com   none                   no role
//
// The sids, OAuth tokens, codes and the client that were recorded work from the start, and until Revoke or Expire.
const (
	// CentralSite is the name of the site. It answers to this Host and to the one of its URL, and to no other.
	CentralSite = "central.localhost"
	// CentralPassword is the password of its users.
	CentralPassword = "Orange-77-Kite"
	// CentralClient is its OAuth client, whose redirect URI is http://127.0.0.1:9955/callback.
	CentralClient = "pash08ln4u"
)

// CentralUser is a user of a Central.
type CentralUser struct {
	// Name is the user's e-mail address. Required.
	Name string
	// FullName; empty: the name.
	FullName string
	// Password; empty: [CentralPassword].
	Password string
	// Key and Secret are the API key. Empty: none.
	Key, Secret string
	// Roles that were given to the user; All, Guest and Desk User are implied.
	Roles []string
	// TimeZone; empty: Asia/Kolkata.
	TimeZone string
	// Disabled users cannot sign in by password and lose their sessions. As at a real site, their API key and Bearer go on working.
	Disabled bool
	// Fields are further fields of the User document, such as the tenant. A field that no user has is unknown to the site.
	Fields map[string]any
	// Permissions are the user's User Permissions.
	Permissions []CentralPermission
}

// CentralPermission is a User Permission: of the DocType Allow the user sees the document ForValue, in documents of the
// DocType ApplicableFor, or of all if that is empty.
type CentralPermission struct {
	Allow, ForValue, ApplicableFor string
	IsDefault                      bool
}

// Central is a stand-in for a Central Site. It answers as a Frappe v15 site was recorded to answer: sign-in by password, sid,
// API key and OAuth 2, roles, User documents, lists and documents. What the recording knows nothing about is a 501 that says
// so; Handle adds to it. It may be used by several goroutines at once.
type Central struct {
	// URL without a slash at its end.
	URL string
	// Now is its clock. Nil: time.Now. Set it before the first request.
	Now func() time.Time

	listener  *centralListener
	mux       http.ServeMux // what Handle added
	mu        sync.Mutex
	minted    int // ids made up so far
	users     map[string]*CentralUser
	order     []string // names of users, as lists have them
	sessions  map[string]*centralSession
	bearers   []*centralBearer
	codes     map[string]*centralCode
	clients   map[string]*centralClient
	documents map[string][]object // by DocType, the newest first
	calls     map[string]int
	total     int
}

type centralSession struct {
	user, csrf string
}

// NewCentral starts a Central on a loopback address. It is stopped when the test ends.
func NewCentral(t testing.TB) *Central {
	t.Helper()
	c := &Central{users: map[string]*CentralUser{}, sessions: map[string]*centralSession{}, codes: map[string]*centralCode{},
		clients: map[string]*centralClient{}, documents: map[string][]object{"Customer": nil, "Note Pad": nil}, calls: map[string]int{}}
	c.AddUser(CentralUser{Name: "stranger@example.com", FullName: "Sid"})
	c.AddUser(CentralUser{Name: "clerk@example.com", FullName: "Carl", Key: "clerk", Secret: "clerksecret", Roles: []string{"Shop Clerk"}})
	c.AddUser(CentralUser{Name: "manager@example.com", FullName: "Mona", Key: "manager", Secret: "managersecret",
		Roles: []string{"Shop Manager"}})
	c.AddUser(CentralUser{Name: "Administrator", Key: "admin", Secret: "adminsecret", Roles: []string{"System Manager"}})
	c.seed()
	var err error
	if c.listener, err = listenCentral(http.HandlerFunc(c.serve)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.listener.stop)
	c.URL = "http://" + c.listener.address
	return c
}

// seed makes the recorded sids, tokens and codes work.
func (c *Central) seed() {
	const manager, clerk = "manager@example.com", "clerk@example.com"
	for _, sid := range []string{"abb44c3931e11db3101b649cd4375ab637e06a7234d81b3cb605edd5", "a8557d6b757d481d828d066950f0d563d0e9bc2c0f2cd58a0cde08e9",
		"2e8594e72a851a4be20ef2e27901837cc9c208163cb651b4c072fb6d", "c95ed4568bdd3468f96fe56e6a1c75c48e9d552a98d40c1495bfa1c6"} {
		c.sessions[sid] = &centralSession{user: manager}
	}
	for _, sid := range []string{"e365f84f533464fa2c2a9a6ad122d229206431b9210672606ff5f186", "24df29642697ba4059714436f66187d9b81daf8fb53d94ad15e3f20a"} {
		c.sessions[sid] = &centralSession{user: clerk}
	}
	c.sessions["326ca8d2c55a89ffe0b4b891cad1cd47c48332be496733115e60dbc8"] = &centralSession{user: "stranger@example.com"}
	const redirect = "http://127.0.0.1:9955/callback"
	c.clients[CentralClient] = &centralClient{redirect: redirect, scopes: []string{"all", "openid"}, secret: "ebc0a5b5c2"}
	for _, b := range []centralBearer{
		{access: "ZtlztPHwqxziaMQMhixB37YGZmpvDY", refresh: "wXVQIeAX74PRIEmdeyMXPJ3Vwj5uis", user: manager},
		{access: "XPwi9yQnvNrH31SFPyy4crnYkKqPu9", refresh: "pWqyWaExUyVmiDICks3R5UYVbTa9z2", user: manager},
		{access: "QKIxgwpbusH7Zj0u4nbqtU7qLHh4FB", refresh: "no-recorded-refresh-token", user: clerk},
	} {
		b.client, b.scope = CentralClient, "openid all"
		c.bearers = append(c.bearers, &b)
	}
	for _, code := range []string{"9WwQsKbloA1eUPGCl0L2IizH4aLUb5", "0MFSvGCyYU7uzkgm6iLVsuDV31pkao", "cqKVNrFesWkpbmrg1Ot9b4PTykYbZZ",
		"RAIF3F1DyAaxDJvf0ppPgiEcs660K3", "Wsm3h6gQKSZdAj5zRAqeOgGW8IH6Wj", "FU6Tbl5LDNGejdOv86iJ3XNSCP7sVo",
		"SM5CSTQF74gZgnCYTJeOPTh0EEumXM", "pS9kBOlFbMBOKkCPSNXKibrLZwINaf"} {
		c.codes[code] = &centralCode{user: manager, client: CentralClient, redirect: redirect, scope: "openid all"}
	}
	// The last two were asked for with the challenge of this verifier.
	verifier := strings.Repeat("v", 50)
	c.codes["SM5CSTQF74gZgnCYTJeOPTh0EEumXM"].challenge = challengeOf(verifier)
	c.codes["pS9kBOlFbMBOKkCPSNXKibrLZwINaf"].challenge = challengeOf(verifier)
}

func (c *Central) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// AddUser adds a user, or replaces the one of that name.
func (c *Central) AddUser(user CentralUser) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if user.FullName == "" {
		user.FullName = user.Name
	}
	if user.Password == "" {
		user.Password = CentralPassword
	}
	if user.TimeZone == "" {
		user.TimeZone = "Asia/Kolkata"
	}
	if c.users[user.Name] == nil {
		c.order = append([]string{user.Name}, c.order...)
	}
	user.Fields = maps.Clone(user.Fields)
	c.users[user.Name] = &user
}

// UpdateUser lets change change a user, which has to exist. Who is disabled loses all sessions.
func (c *Central) UpdateUser(name string, change func(user *CentralUser)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c.users[name])
	c.endSessions(name)
}

// endSessions deletes the sessions of a user who is disabled.
func (c *Central) endSessions(name string) {
	if c.users[name].Disabled {
		maps.DeleteFunc(c.sessions, func(_ string, s *centralSession) bool { return s.user == name })
	}
}

// Login makes a session for a user and returns its sid.
func (c *Central) Login(user string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.login(user)
}

func (c *Central) login(user string) string {
	sid := c.mint(56, hexDigits)
	c.sessions[sid] = &centralSession{user: user}
	return sid
}

// SetCSRF gives a session a CSRF token, as a site does when it renders a page for it. From then on writes need it.
func (c *Central) SetCSRF(sid, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[sid].csrf = token
}

// Bearer makes an OAuth access token for a user.
func (c *Central) Bearer(user string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.issue(user, CentralClient, "openid all").access
}

// Revoke makes a sid, an access token or an API key invalid.
func (c *Central) Revoke(credential string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, credential)
	for _, b := range c.bearers {
		b.revoked = b.revoked || b.access == credential
	}
	for _, u := range c.users {
		if u.Key == credential {
			u.Key, u.Secret = "", ""
		}
	}
}

// Expire lets a sid or an access token be past its time.
func (c *Central) Expire(credential string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, credential)
	for _, b := range c.bearers {
		if b.access == credential {
			b.expires = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		}
	}
}

// SkipAuthorization makes its OAuth clients trusted ones, whose users are not asked.
func (c *Central) SkipAuthorization() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, client := range c.clients {
		client.trusted = true
	}
}

// AddDocument adds a document to a DocType, which need not exist before. Its name is the field name, or made up.
func (c *Central) AddDocument(doctype string, fields map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.insert(doctype, "Administrator", fields)
}

// Handle lets a handler answer a pattern of net/http instead of the recording: what is in front of a site, such as files and
// web sockets, or a method of an app. The handler sees every such request, signed in or not, with its body unread.
func (c *Central) Handle(pattern string, handler http.Handler) { c.mux.Handle(pattern, handler) }

// Calls says how many requests came for a path, such as /api/method/frappe.auth.get_logged_user; for all paths if it is empty.
func (c *Central) Calls(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if path == "" {
		return c.total
	}
	return c.calls[path]
}

// rolesOf returns a user's roles with the implied ones, as get_roles does.
func (c *Central) rolesOf(name string) []any {
	user := c.users[name]
	if user == nil || len(user.Roles) == 0 {
		return []any{"All", "Guest"}
	}
	var roles []any
	for _, role := range user.Roles {
		roles = append(roles, role)
	}
	return append(roles, "All", "Guest", "Desk User")
}

// userType is Website User for those without a role.
func (c *Central) userType(name string) string {
	if user := c.users[name]; user == nil || len(user.Roles) == 0 {
		return "Website User"
	}
	return "System User"
}

// privileged says whether a user reads other users' documents.
func (c *Central) privileged(name string) bool {
	user := c.users[name]
	return user != nil && slices.Contains(user.Roles, "System Manager")
}

// subject is the user's id in OpenID.
func subject(name string) string {
	switch name {
	case "manager@example.com":
		return "432a89caa81feef8ef6768842592aabc8b2e24b"
	case "clerk@example.com":
		return "46313c24b2ab3f462c156955c9d4de4bee84816"
	}
	sum := sha1.Sum([]byte(name))
	return hex.EncodeToString(sum[:])[:39]
}

const (
	hexDigits = "0123456789abcdef"
	letters   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	small     = "0123456789abcdefghijklmnopqrstuvwxyz"
)

// mint makes up an id. It is the same in every test, so that two Centrals that get the same requests give the same answers.
func (c *Central) mint(length int, alphabet string) string {
	c.minted++
	id := make([]byte, 0, length)
	for i := 0; len(id) < length; i++ {
		for _, b := range sha1.Sum(fmt.Appendf(nil, "%d %d", c.minted, i)) {
			id = append(id, alphabet[int(b)%len(alphabet)])
		}
	}
	return string(id[:length])
}
