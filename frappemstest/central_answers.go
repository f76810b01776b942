package frappemstest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// centralCall is a request to a Central while it is answered.
type centralCall struct {
	*Central
	r       *http.Request
	params  map[string]any // query, form and JSON body
	form    url.Values     // the form alone
	method  string         // dotted name, empty if it calls none
	sid     string
	session *centralSession // of the sid
	user    string          // Guest: nobody
	bearer  *centralBearer
	expired bool // its sid is not known

	status  int
	header  http.Header
	body    string
	cookies bool // whether it got as far as the session
	clear   bool // whether cookies are deleted
}

// serve answers a request.
func (c *Central) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.total++
	c.calls[r.URL.Path]++
	c.mu.Unlock()
	if _, pattern := c.mux.Handler(r); pattern != "" {
		c.mux.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
	if err != nil {
		http.Error(w, "413 Request Entity Too Large", http.StatusRequestEntityTooLarge)
		return
	}
	c.mu.Lock()
	a := &centralCall{Central: c, r: r, user: "Guest", header: http.Header{}, status: 200}
	a.readParams(body)
	a.run()
	a.finish()
	c.mu.Unlock()
	header := w.Header()
	for key, values := range a.header {
		header[key] = values
	}
	w.WriteHeader(a.status)
	io.WriteString(w, a.body)
}

// run answers in the order in which Frappe checks.
func (a *centralCall) run() {
	if !a.knownSite() {
		return
	}
	if a.r.Method == http.MethodOptions {
		a.header.Set("Content-Type", "text/plain; charset=utf-8")
		return
	}
	a.cookies = true
	switch {
	case a.method == "login":
		a.logIn()
	case !a.readSession() || !a.readAuthorization():
	case a.r.Method == http.MethodHead:
		a.reply("2 HEAD")
	case a.method != "":
		a.call()
	case strings.HasPrefix(a.r.URL.Path, "/api/resource/"):
		a.resource()
	case a.r.URL.Path == "/.well-known/openid-configuration":
		a.reply("4 openid-configuration")
		a.body = ""
	case strings.HasPrefix(a.r.URL.Path, "/api/"):
		a.unknown()
	default:
		a.page500() // this site renders no pages
	}
}

// knownSite refuses other sites' names.
func (a *centralCall) knownSite() bool {
	site := cmp.Or(a.r.Header.Get("X-Frappe-Site-Name"), a.r.Host)
	if site == a.listener.address && a.r.Header.Get("X-Frappe-Site-Name") == "" {
		return true
	}
	if host, _, err := net.SplitHostPort(site); err == nil {
		site = host
	}
	if site == CentralSite {
		return true
	}
	a.status, a.body = http.StatusNotFound, fmt.Sprintf("<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n"+
		"<h1>Not Found</h1>\n<p>%s does not exist</p>\n", html.EscapeString(site))
	a.header.Set("Content-Type", "text/html; charset=utf-8")
	return false
}

// readParams reads what Frappe's form_dict has.
func (a *centralCall) readParams(body []byte) {
	a.params = map[string]any{}
	query := a.r.URL.Query()
	media, _, _ := mime.ParseMediaType(a.r.Header.Get("Content-Type"))
	switch media {
	case "application/json":
		json.Unmarshal(body, &a.params)
	case "application/x-www-form-urlencoded":
		a.form, _ = url.ParseQuery(string(body))
	}
	for _, values := range []url.Values{query, a.form} {
		for key := range values {
			a.params[key] = values.Get(key)
		}
	}
	path := strings.TrimSuffix(a.r.URL.Path, "/")
	if method, ok := strings.CutPrefix(path, "/api/method/"); ok {
		a.method = method
	} else if path == "" {
		a.method = a.text("cmd")
	}
}

// text returns a parameter as a string, as form_dict would hand it to str.
func (a *centralCall) text(key string) string {
	switch v := a.params[key].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return python(v)
	}
}

func (a *centralCall) logIn() {
	name, password := a.text("usr"), a.text("pwd")
	user := a.users[name]
	switch {
	case name == "" || password == "":
		a.failLogin("1 No password given")
	case user == nil || user.Password != password:
		a.failLogin("1 Wrong password")
	case user.Disabled:
		a.failLogin("8 password login")
	default:
		a.user, a.sid = name, a.login(name)
		a.session = a.sessions[a.sid]
		pair := "1 Form login"
		old := "Mona"
		if a.userType(name) == "Website User" {
			pair, old = "5 login of stranger@example.com", "Sid"
		}
		a.reply(pair, python(old), python(user.FullName))
	}
}

func (a *centralCall) failLogin(pair string) {
	a.clear = true
	a.fail(pair)
}

// readSession finds the session of the sid and checks its CSRF token. It says whether the request may go on.
func (a *centralCall) readSession() bool {
	a.sid = a.text("sid")
	if cookie, err := a.r.Cookie("sid"); a.sid == "" && err == nil {
		a.sid = cookie.Value
	}
	if a.sid == "" || a.sid == "Guest" {
		return true
	}
	a.session = a.sessions[a.sid]
	if a.session == nil {
		a.expired, a.clear = true, true
		return true
	}
	a.user = a.session.user
	switch a.r.Method {
	case http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch:
		given := cmp.Or(a.r.Header.Get("X-Frappe-CSRF-Token"), a.text("csrf_token"))
		if a.session.csrf != "" && a.session.csrf != given {
			a.fail("3 Same, wrong header")
			return false
		}
	}
	return true
}

// readAuthorization signs in by the header. It says whether the request may go on.
func (a *centralCall) readAuthorization() bool {
	words := strings.Fields(a.r.Header.Get("Authorization"))
	if len(words) != 2 {
		return true
	}
	key, secret, found := "", "", false
	switch strings.ToLower(words[0]) {
	case "bearer":
		if a.bearer = a.bearerOf(words[1]); a.bearer != nil {
			a.user = a.bearer.user
			a.session = nil
		}
	case "basic":
		decoded, err := base64.StdEncoding.DecodeString(words[1])
		key, secret, found = strings.Cut(string(decoded), ":")
		if err != nil || !found || !a.readKey(key, secret) {
			a.unauthorized()
			return false
		}
	case "token":
		key, secret, found = strings.Cut(words[1], ":")
		if !found || !a.readKey(key, secret) {
			a.unauthorized()
			return false
		}
	}
	if a.user == "Guest" {
		a.unauthorized()
		return false
	}
	return true
}

// readKey finds the user of an API key. The user of a session stays.
func (a *centralCall) readKey(key, secret string) bool {
	for _, user := range a.users {
		if user.Key != "" && user.Key == key && user.Secret == secret {
			if a.session == nil {
				a.user = user.Name
			}
			return true
		}
	}
	return false
}

func (a *centralCall) unauthorized() {
	a.clear = true
	a.fail("2 Wrong api secret")
}

// call runs a whitelisted method.
func (a *centralCall) call() {
	switch a.method {
	case "ping":
		a.message("pong")
		return
	case "logout":
		delete(a.sessions, a.sid)
		a.session, a.clear, a.expired = nil, true, false
		a.reply("3 Logout with the header")
		return
	}
	if oauth, ok := strings.CutPrefix(a.method, "frappe.integrations.oauth2."); ok {
		a.callOAuth(oauth)
		return
	}
	if a.refuseGuest() {
		return
	}
	switch a.method {
	case "frappe.auth.get_logged_user":
		a.message(a.user)
	case "frappe.core.doctype.user.user.get_roles":
		a.getRoles()
	case "frappe.core.doctype.user_permission.user_permission.get_user_permissions":
		a.message(a.userPermissions(cmp.Or(a.text("user"), a.user)))
	case "frappe.realtime.get_user_info":
		var userType any
		if a.session != nil {
			userType = a.userType(a.user)
		}
		a.message(object{{"user", a.user}, {"user_type", userType}})
	case "frappe.core.doctype.user.user.generate_keys":
		a.generateKeys()
	case "frappe.client.get_list":
		a.getList()
	case "frappe.client.get_count":
		a.message(len(a.rows(a.text("doctype"))))
	default:
		a.unknown()
	}
}

// refuseGuest answers a Guest who calls what guests may not.
func (a *centralCall) refuseGuest() bool {
	if a.user != "Guest" {
		return false
	}
	a.fail("2 No credentials", "frappe.auth.get_logged_user", escape(a.method))
	return true
}

func (a *centralCall) getRoles() {
	uid, ok := a.params["uid"]
	switch {
	case !ok:
		a.fail("5 get_roles without uid")
	case uid == "Administrator":
		a.reply("5 get_roles of Administrator by clerk")
	default:
		a.message(a.rolesOf(a.text("uid")))
	}
}

// message answers with the value that a method returns.
func (a *centralCall) message(value any) { a.json(object{{"message", value}}) }

func (a *centralCall) json(value object) {
	a.header.Set("Content-Type", "application/json")
	a.body = python(value)
}

var excID = regexp.MustCompile(`(__frappe_exc_id\\": \\")[0-9a-f]{56}`)

// reply answers as in a recorded pair, with some of its text replaced.
func (a *centralCall) reply(pair string, replaced ...string) {
	p := centralPairOf(pair)
	a.status = p.status
	for key, values := range p.answer {
		if key != "Set-Cookie" {
			a.header[key] = values
		}
	}
	a.body = excID.ReplaceAllStringFunc(strings.NewReplacer(replaced...).Replace(p.text), func(found string) string {
		return found[:len(found)-56] + a.mint(56, hexDigits)
	})
}

// fail answers with a recorded error, which is a page for who did not ask for JSON.
func (a *centralCall) fail(pair string, replaced ...string) {
	accept := a.r.Header.Get("Accept")
	if strings.Contains(accept, "application/json") || strings.HasPrefix(a.r.URL.Path, "/api/") && !strings.HasPrefix(accept, "text") {
		a.reply(pair, replaced...)
		return
	}
	a.page500()
}

// page500 is what gunicorn says where this site fails to render a page.
func (a *centralCall) page500() {
	a.cookies = false
	a.status = http.StatusInternalServerError
	a.header.Set("Content-Type", "text/html")
	a.body = "<html>\n  <head>\n    <title>Internal Server Error</title>\n  </head>\n  <body>\n    " +
		"<h1><p>Internal Server Error</p></h1>\n    \n  </body>\n</html>\n"
}

// redirect is werkzeug's.
func (a *centralCall) redirect(to string) {
	a.status = http.StatusFound
	a.header.Set("Content-Type", "text/html; charset=utf-8")
	a.header.Set("Location", to)
	shown := html.EscapeString(to)
	a.body = "<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n<p>You should be " +
		"redirected automatically to the target URL: <a href=\"" + shown + "\">" + shown + "</a>. If not, click the link.\n"
}

// unknown answers what was not recorded.
func (a *centralCall) unknown() {
	a.status = http.StatusNotImplemented
	a.json(object{{"exc_type", "NotRecorded"}, {"exception", fmt.Sprintf("the recording has no answer to %s %s; use Central.Handle to add one",
		a.r.Method, a.r.URL.Path)}})
}

// finish adds what every answer has.
func (a *centralCall) finish() {
	if a.expired && strings.HasPrefix(a.body, "{") && a.status != http.StatusUnauthorized {
		a.body = `{"session_expired": 1, ` + strings.TrimPrefix(a.body, "{")
		a.body = strings.Replace(a.body, ", }", "}", 1)
	}
	if !a.cookies {
		return
	}
	add := func(format string, args ...any) { a.header.Add("Set-Cookie", fmt.Sprintf(format, args...)) }
	sid, system, full, name := "Guest", "no", "Guest", "Guest"
	if a.session != nil {
		sid, full, name = a.sid, a.users[a.user].FullName, a.user
		if a.userType(a.user) == "System User" {
			system = "yes"
		}
	}
	const life = 170 * time.Hour
	add("sid=%s; Expires=%s; Max-Age=612000; HttpOnly; Path=/; SameSite=Lax", sid, a.now().Add(life).UTC().Format(http.TimeFormat))
	add("system_user=%s; Path=/; SameSite=Lax", system)
	add("full_name=%s; Path=/; SameSite=Lax", url.PathEscape(full))
	add("user_id=%s; Path=/; SameSite=Lax", strings.ReplaceAll(url.PathEscape(name), "@", "%40"))
	add("user_image=; Path=/; SameSite=Lax")
	if a.clear {
		for _, key := range []string{"full_name", "user_id", "sid", "user_image", "system_user"} {
			add("%s=; Expires=%s; Path=/", key, a.now().Add(-24*time.Hour).UTC().Format(http.TimeFormat))
		}
	}
}

// object is a JSON object whose keys have an order.
type object []member

type member struct {
	key   string
	value any
}

func (o object) get(key string) (any, bool) {
	for _, m := range o {
		if m.key == key {
			return m.value, true
		}
	}
	return nil, false
}

func (o *object) set(key string, value any) {
	for i := range *o {
		if (*o)[i].key == key {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, member{key, value})
}

// python writes JSON as Python does: a blank behind colons and commas, ASCII alone.
func python(value any) string {
	var b strings.Builder
	switch v := value.(type) {
	case object:
		for i, m := range v {
			b.WriteString(separator(i))
			b.WriteString(python(m.key) + ": " + python(m.value))
		}
		return "{" + b.String() + "}"
	case []object:
		for i, o := range v {
			b.WriteString(separator(i) + python(o))
		}
		return "[" + b.String() + "]"
	case []any:
		for i, o := range v {
			b.WriteString(separator(i) + python(o))
		}
		return "[" + b.String() + "]"
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	for _, r := range strings.TrimSuffix(buffer.String(), "\n") {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ", "
}

// escape leaves of a name what can stand in a string in a JSON string without being escaped.
func escape(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) {
			return '?'
		}
		return r
	}, name)
}
