package frappemstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// tokenLife is how long access tokens are good.
const tokenLife = time.Hour

type centralClient struct {
	secret, redirect string
	scopes           []string
	trusted          bool
}

type centralCode struct {
	user, client, redirect, scope, challenge string
}

type centralBearer struct {
	access, refresh, user, client, scope string
	expires                              time.Time // zero: never
	revoked                              bool
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// bearerOf finds a good access token.
func (c *Central) bearerOf(access string) *centralBearer {
	for _, b := range c.bearers {
		if b.access == access && !b.revoked && c.expiry(b).After(c.now()) {
			return b
		}
	}
	return nil
}

// expiry is when a token ends. Recorded ones always have their whole life before them.
func (c *Central) expiry(b *centralBearer) time.Time {
	if b.expires.IsZero() {
		return c.now().Add(tokenLife)
	}
	return b.expires
}

// issue makes an access token.
func (c *Central) issue(user, client, scope string) *centralBearer {
	b := &centralBearer{access: c.mint(30, letters), refresh: c.mint(30, letters), user: user, client: client, scope: scope,
		expires: c.now().Add(tokenLife)}
	c.bearers = append(c.bearers, b)
	return b
}

func (a *centralCall) callOAuth(method string) {
	switch method {
	case "get_token":
		a.getToken()
	case "revoke_token":
		a.revokeToken()
	case "introspect_token":
		a.introspect()
	case "authorize":
		a.authorize()
	case "approve":
		if !a.refuseGuest() && a.checkAuthorization() {
			a.approve()
		}
	case "openid_profile":
		switch {
		case a.refuseGuest():
		case a.bearer == nil:
			a.fail("4 openid_profile with a sid")
		default:
			a.json(a.profile(a.user))
		}
	default:
		a.unknown()
	}
}

// checkAuthorization refuses a request for a code that is wrong.
func (a *centralCall) checkAuthorization() bool {
	client := a.clients[a.text("client_id")]
	switch {
	case client == nil:
		a.reply("4 authorize, bad client")
	case client.redirect != a.text("redirect_uri"):
		a.reply("4 authorize, bad redirect_uri")
	case slices.ContainsFunc(strings.Fields(a.text("scope")), func(s string) bool { return !slices.Contains(client.scopes, s) }):
		a.reply("4 authorize, bad scope")
	default:
		return true
	}
	return false
}

func (a *centralCall) authorize() {
	const path = "/api/method/frappe.integrations.oauth2."
	query := a.r.URL.RawQuery
	if a.user == "Guest" {
		to := strings.NewReplacer("%3A", ":", "%2F", "/").Replace("http://" + a.r.Host + path + "authorize?" + query)
		a.redirect("/login?redirect-to=" + url.QueryEscape(to))
		return
	}
	if !a.checkAuthorization() {
		return
	}
	if a.clients[a.text("client_id")].trusted {
		a.redirect(path + "approve?" + query)
		return
	}
	a.page500() // the page that asks
}

func (a *centralCall) approve() {
	code := a.mint(30, letters)
	challenge := a.text("code_challenge")
	if challenge != "" && !strings.EqualFold(a.text("code_challenge_method"), "S256") {
		challenge = challengeOf(challenge) // plain
	}
	a.codes[code] = &centralCode{user: a.user, client: a.text("client_id"), redirect: a.text("redirect_uri"), scope: a.text("scope"),
		challenge: challenge}
	a.redirect(a.text("redirect_uri") + "?code=" + code + "&state=" + url.QueryEscape(a.text("state")))
}

func (a *centralCall) getToken() {
	client := a.form.Get("client_id")
	switch grant := a.form.Get("grant_type"); {
	case grant == "authorization_code" && client == "":
		a.fail("4 get_token without client_id")
	case slices.Contains([]string{"authorization_code", "refresh_token", "password"}, grant) && a.clients[client] == nil:
		a.fail("4 get_token, unknown client", "OAuth Client bad", "OAuth Client "+escape(client))
	case grant == "authorization_code":
		a.redeem(client)
	case grant == "refresh_token":
		for _, b := range a.bearers {
			if b.refresh == a.form.Get("refresh_token") && !b.revoked {
				a.json(tokenAnswer(a.issue(b.user, b.client, b.scope)))
				return
			}
		}
		a.fail("4 refresh with nonsense", "'refresh_token': 'x'", "'refresh_token': '"+escape(a.form.Get("refresh_token"))+"'")
	case grant == "password":
		user := a.users[a.form.Get("username")]
		if user == nil || user.Disabled || user.Password != a.form.Get("password") {
			a.failLogin("1 Wrong password")
			return
		}
		a.json(tokenAnswer(a.issue(user.Name, client, a.form.Get("scope"))))
	case grant == "client_credentials":
		a.reply("4 client_credentials grant")
	default:
		a.reply("4 get_token, JSON body")
	}
}

// redeem takes a code.
func (a *centralCall) redeem(client string) {
	code := a.codes[a.form.Get("code")]
	verified := code != nil && (code.challenge == "" || code.challenge == challengeOf(a.form.Get("code_verifier")))
	if !verified || code.client != client || code.redirect != a.form.Get("redirect_uri") {
		a.reply("4 the code a second time")
		return
	}
	delete(a.codes, a.form.Get("code"))
	b := a.issue(code.user, code.client, code.scope)
	answer := tokenAnswer(b)
	if slices.Contains(strings.Fields(b.scope), "openid") {
		answer.set("id_token", a.idToken(b))
	}
	a.json(answer)
}

func tokenAnswer(b *centralBearer) object {
	return object{{"access_token", b.access}, {"expires_in", 3600}, {"token_type", "Bearer"}, {"scope", b.scope}, {"refresh_token", b.refresh}}
}

// idToken is signed with the client's secret, as Frappe does.
func (a *centralCall) idToken(b *centralBearer) string {
	sum := sha256.Sum256([]byte(b.access))
	encode := base64.RawURLEncoding.EncodeToString
	profile := a.profile(b.user)
	claims := object{{"aud", b.client}, {"iat", a.now().Unix()}, {"at_hash", encode(sum[:16])}, {"exp", a.expiry(b).Unix()},
		{"iss", "http://" + a.r.Host}}
	for _, m := range profile {
		if m.key != "iss" {
			claims = append(claims, m)
		}
	}
	compact := strings.NewReplacer(`": `, `":`, `, "`, `,"`).Replace(python(claims))
	signed := encode([]byte(`{"alg":"HS256","typ":"jwt"}`)) + "." + encode([]byte(compact))
	mac := hmac.New(sha256.New, []byte(a.clients[b.client].secret))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

// profile is what OpenID knows of a user.
func (a *centralCall) profile(name string) object {
	user := a.users[name]
	return object{{"sub", subject(name)}, {"name", user.FullName}, {"given_name", user.firstName()}, {"family_name", nil}, {"email", name},
		{"picture", nil}, {"roles", a.rolesOf(name)}, {"iss", "http://" + a.r.Host}}
}

func (a *centralCall) revokeToken() {
	for _, b := range a.bearers {
		if token := a.text("token"); b.access == token || b.refresh == token {
			b.revoked = true
			a.json(object{})
			return
		}
	}
	a.fail("4 revoke_token of nonsense")
}

func (a *centralCall) introspect() {
	token, byRefresh := a.text("token"), a.text("token_type_hint") == "refresh_token"
	for _, b := range a.bearers {
		if !byRefresh && b.access == token || byRefresh && b.refresh == token {
			trusted := 0
			if client := a.clients[b.client]; client != nil && client.trusted {
				trusted = 1
			}
			answer := object{{"client_id", b.client}, {"trusted_client", trusted}, {"active", !b.revoked}, {"exp", a.expiry(b).Unix()},
				{"scope", b.scope}}
			a.json(append(answer, a.profile(b.user)...))
			return
		}
	}
	a.reply("4 introspect_token of nonsense", "'x'", "'"+escape(token)+"'")
	a.status = http.StatusOK
}

// firstName is the first word of the full name.
func (u *CentralUser) firstName() string {
	first, _, _ := strings.Cut(u.FullName, " ")
	return first
}
