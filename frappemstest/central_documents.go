package frappemstest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// resource answers /api/resource.
func (a *centralCall) resource() {
	path := strings.Trim(strings.TrimPrefix(a.r.URL.EscapedPath(), "/api/resource/"), "/")
	doctype, name, one := strings.Cut(path, "/")
	doctype, _ = url.PathUnescape(doctype)
	name, _ = url.PathUnescape(name)
	_, known := a.documents[doctype]
	switch {
	case a.user == "Guest":
		a.forbidden()
	case doctype == "User" && one:
		a.userDocument(name)
	case doctype == "User" && a.r.Method == http.MethodPost:
		a.makeUser()
	case doctype == "OAuth Client" && a.r.Method == http.MethodPost:
		a.makeClient()
	case doctype == "Has Role":
		a.forbidden()
	case a.r.Method == http.MethodGet && !one:
		a.params["doctype"] = doctype
		a.getList()
		a.body = strings.Replace(a.body, `{"message": `, `{"data": `, 1)
	case !known:
		a.unknown()
	case a.r.Method == http.MethodPost && !one:
		a.json(object{{"data", a.insert(doctype, a.user, a.params)}})
	default:
		a.document(doctype, name)
	}
}

// forbidden is a PermissionError without a message.
func (a *centralCall) forbidden() { a.fail("5 /api/resource/Has Role, Administrator") }

// document reads, changes or deletes one.
func (a *centralCall) document(doctype, name string) {
	i := slices.IndexFunc(a.documents[doctype], func(o object) bool {
		found, _ := o.get("name")
		return found == name
	})
	if i < 0 {
		a.fail("7 an error", "Customer none", escape(doctype)+" "+escape(name))
		return
	}
	switch a.r.Method {
	case http.MethodPut:
		for _, key := range slices.Sorted(maps.Keys(a.params)) {
			a.documents[doctype][i].set(key, a.params[key])
		}
		a.documents[doctype][i].set("modified", a.stamp())
	case http.MethodDelete:
		a.documents[doctype] = slices.Delete(a.documents[doctype], i, i+1)
		a.status = http.StatusAccepted
		a.json(object{{"data", "ok"}})
		return
	}
	a.json(object{{"data", a.documents[doctype][i]}})
}

func (c *Central) stamp() string { return c.now().UTC().Format("2006-01-02 15:04:05.000000") }

// insert makes a document.
func (c *Central) insert(doctype, owner string, fields map[string]any) object {
	now := c.stamp()
	o := object{{"name", "pas" + c.mint(7, small)}, {"owner", owner}, {"creation", now}, {"modified", now}, {"modified_by", owner},
		{"docstatus", 0}, {"idx", 0}}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		o.set(key, fields[key])
	}
	if _, ok := o.get("public"); !ok && doctype == "Note Pad" {
		o.set("public", 0)
	}
	o.set("doctype", doctype)
	c.documents[doctype] = slices.Insert(c.documents[doctype], 0, o)
	return o
}

func (a *centralCall) makeClient() {
	id, secret, redirect := "pas"+a.mint(7, small), a.mint(10, hexDigits), a.text("default_redirect_uri")
	a.clients[id] = &centralClient{secret: secret, redirect: redirect, scopes: strings.Fields(a.text("scopes"))}
	a.reply("4 Administrator makes a client", CentralClient, id, "ebc0a5b5c2", secret, "pash7viept", "pas"+a.mint(7, small),
		`"all openid"`, python(a.text("scopes")), `"http://127.0.0.1:9955/callback"`, python(redirect),
		`"Orders service"`, python(a.text("app_name")))
}

// userDocument reads a User, or changes whether it is enabled.
func (a *centralCall) userDocument(name string) {
	user := a.users[name]
	privileged := a.privileged(a.user)
	switch {
	case name != a.user && !privileged || a.r.Method != http.MethodGet && !privileged:
		a.fail("5 User document of somebody else", "manager@example.com", escape(a.user), "clerk@example.com", escape(name))
		return
	case user == nil:
		a.fail("7 an error", "Customer none", "User "+escape(name))
		return
	case a.r.Method == http.MethodPut:
		if enabled, ok := a.params["enabled"]; ok {
			user.Disabled = fmt.Sprint(enabled) == "0"
			a.Central.endSessions(name)
		}
	case a.r.Method != http.MethodGet:
		a.unknown()
		return
	}
	a.replyUser(user, privileged)
}

// replyUser answers with a User document: the recorded one with this user's values, and for those who may see them the roles,
// the type and the key.
func (a *centralCall) replyUser(user *CentralUser, privileged bool) {
	var more strings.Builder
	add := func(key string, value any) { more.WriteString(python(key) + ": " + python(value) + ", ") }
	roles := []object{}
	if privileged {
		add("user_type", a.userType(user.Name))
		if user.Key != "" {
			add("api_key", user.Key)
			add("api_secret", strings.Repeat("*", len(user.Secret)))
		}
		for i, role := range user.Roles {
			roles = append(roles, object{{"name", a.mint(10, small)}, {"owner", "Administrator"}, {"creation", a.stamp()},
				{"modified", a.stamp()}, {"modified_by", "Administrator"}, {"docstatus", 0}, {"idx", i + 1}, {"role", role},
				{"parent", user.Name}, {"parentfield", "roles"}, {"parenttype", "User"}, {"doctype", "Has Role"}})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(user.Fields)) {
		if user.Fields[key] != nil {
			add(key, user.Fields[key])
		}
	}
	enabled := `"enabled": 1`
	if user.Disabled {
		enabled = `"enabled": 0`
	}
	a.reply("5 User document, own", `"manager@example.com"`, python(user.Name), `"enabled": 1`, enabled,
		`"first_name": "Mona"`, `"first_name": `+python(user.firstName()), `"full_name": "Mona"`, `"full_name": `+python(user.FullName),
		`"mona"`, python(strings.ToLower(user.firstName())), `"Asia/Kolkata"`, python(user.TimeZone),
		subject("manager@example.com"), subject(user.Name), `"roles": []`, `"roles": `+python(roles),
		`"onboarding_status"`, more.String()+`"onboarding_status"`)
}

func (a *centralCall) makeUser() {
	if !a.privileged(a.user) {
		a.forbidden()
		return
	}
	name := a.text("email")
	user := &CentralUser{Name: name, FullName: a.text("first_name"), Password: CentralPassword, TimeZone: "Asia/Kolkata"}
	rows, _ := a.params["roles"].([]any)
	for _, row := range rows {
		if row, ok := row.(map[string]any); ok {
			user.Roles = append(user.Roles, fmt.Sprint(row["role"]))
		}
	}
	a.users[name] = user
	a.order = append([]string{name}, a.order...)
	a.replyUser(user, true)
}

func (a *centralCall) generateKeys() {
	user := a.users[a.text("user")]
	if !a.privileged(a.user) || user == nil {
		a.forbidden()
		return
	}
	if user.Key == "" {
		user.Key = a.mint(15, hexDigits)
	}
	user.Secret = a.mint(15, hexDigits)
	a.message(object{{"api_secret", user.Secret}})
}

// userPermissions is in the form that Frappe's own get_user_permissions has.
func (a *centralCall) userPermissions(name string) object {
	permissions := object{}
	if a.users[name] == nil {
		return permissions
	}
	for _, p := range a.users[name].Permissions {
		var applicable any
		if p.ApplicableFor != "" {
			applicable = p.ApplicableFor
		}
		rows, _ := permissions.get(p.Allow)
		list, _ := rows.([]any)
		permissions.set(p.Allow, append(list, object{{"doc", p.ForValue}, {"applicable_for", applicable}, {"is_default", number(p.IsDefault)}}))
	}
	return permissions
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// rows returns all documents of a DocType.
func (a *centralCall) rows(doctype string) []object {
	var rows []object
	for _, name := range a.order {
		user := a.users[name]
		switch {
		case doctype == "User" && (name != "Administrator" || a.user == name):
			row := object{{"name", name}, {"enabled", number(!user.Disabled)}, {"email", name}, {"first_name", user.firstName()},
				{"full_name", user.FullName}, {"username", strings.ToLower(user.firstName())}, {"time_zone", user.TimeZone},
				{"language", nil}, {"user_image", nil}}
			if a.privileged(a.user) {
				row = append(row, member{"user_type", a.userType(name)}, member{"roles", user.Roles})
			}
			for _, key := range slices.Sorted(maps.Keys(user.Fields)) {
				row.set(key, user.Fields[key])
			}
			rows = append(rows, row)
		case doctype == "Has Role":
			for i, role := range user.Roles {
				rows = append(rows, object{{"role", role}, {"parent", name}, {"parenttype", "User"}, {"parentfield", "roles"}, {"idx", i + 1}})
			}
		case doctype == "User Permission":
			for _, p := range user.Permissions {
				var applicable any
				if p.ApplicableFor != "" {
					applicable = p.ApplicableFor
				}
				rows = append(rows, object{{"user", name}, {"allow", p.Allow}, {"for_value", p.ForValue}, {"applicable_for", applicable},
					{"apply_to_all_doctypes", number(p.ApplicableFor == "")}, {"is_default", number(p.IsDefault)}, {"hide_descendants", 0}})
			}
		}
	}
	return append(rows, a.documents[doctype]...)
}

// getList answers frappe.client.get_list.
func (a *centralCall) getList() {
	doctype := a.text("doctype")
	_, known := a.documents[doctype]
	switch {
	case doctype == "Has Role" && a.text("parent") != "User", doctype == "User Permission" && !a.privileged(a.user):
		a.forbidden()
		return
	case !known && !slices.Contains([]string{"User", "Has Role", "User Permission"}, doctype):
		a.unknown()
		return
	}
	fields := []string{"name"}
	if given := a.value("fields"); given != nil {
		fields = nil
		list, ok := given.([]any)
		if !ok {
			list = []any{given}
		}
		for _, f := range list {
			fields = append(fields, fmt.Sprint(f))
		}
	}
	limit, err := strconv.Atoi(cmp.Or(a.text("limit_page_length"), a.text("limit"), "20"))
	if err != nil {
		limit = 20
	}
	start, _ := strconv.Atoi(a.text("limit_start"))
	conditions, ok := conditionsOf(a.value("filters"))
	if !ok {
		a.unknown()
		return
	}
	found := []any{}
	for _, row := range a.rows(doctype) {
		if matches(row, conditions) {
			found = append(found, a.pick(row, fields)...)
		}
	}
	found = found[min(max(start, 0), len(found)):]
	if limit > 0 {
		found = found[:min(limit, len(found))]
	}
	a.message(found)
}

// value returns a parameter; one that is a string is JSON.
func (a *centralCall) value(key string) any {
	text, ok := a.params[key].(string)
	if !ok {
		return a.params[key]
	}
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	return value
}

// pick returns the fields of a row: one row, or one for each role if roles.role is among them. Fields that the user may not
// see and unknown ones are left out.
func (a *centralCall) pick(row object, fields []string) []any {
	var picked object
	roles, joined := []string(nil), false
	for _, field := range fields {
		value, ok := row.get(field)
		switch {
		case field == "*":
			picked = slices.Clone(row)
		case field == "roles.role":
			value, joined = row.get("roles")
			roles, _ = value.([]string)
		case ok:
			picked = append(picked, member{field, value})
		case a.hasField(field):
			picked = append(picked, member{field, nil})
		}
	}
	if !joined {
		return []any{picked}
	}
	if len(roles) == 0 {
		return []any{append(picked, member{"role", nil})}
	}
	var rows []any
	for _, role := range roles {
		rows = append(rows, append(slices.Clone(picked), member{"role", role}))
	}
	return rows
}

// hasField says whether some user has a further field.
func (a *centralCall) hasField(field string) bool {
	for _, user := range a.users {
		if _, ok := user.Fields[field]; ok {
			return true
		}
	}
	return false
}

// condition is one filter: a field, whether it is to be among the values or not.
type condition struct {
	field  string
	values []any
	not    bool
}

// conditionsOf reads filters in either form. It says whether it knows all of their operators.
func conditionsOf(filters any) ([]condition, bool) {
	var conditions []condition
	add := func(field, operator, value any) bool {
		c := condition{field: fmt.Sprint(field), values: []any{value}, not: operator == "!=" || operator == "not in"}
		if list, ok := value.([]any); ok {
			c.values = list
		}
		conditions = append(conditions, c)
		return slices.Contains([]any{"=", "!=", "in", "not in"}, operator)
	}
	ok := true
	switch filters := filters.(type) {
	case nil:
	case map[string]any:
		for _, field := range slices.Sorted(maps.Keys(filters)) {
			if pair, isList := filters[field].([]any); isList && len(pair) == 2 {
				ok = add(field, pair[0], pair[1]) && ok
			} else {
				ok = add(field, "=", filters[field]) && ok
			}
		}
	case []any:
		for _, filter := range filters {
			list, _ := filter.([]any)
			if len(list) == 4 {
				list = list[1:]
			}
			if len(list) != 3 {
				return nil, false
			}
			ok = add(list[0], list[1], list[2]) && ok
		}
	default:
		return nil, false
	}
	return conditions, ok
}

func matches(row object, conditions []condition) bool {
	for _, c := range conditions {
		value, _ := row.get(c.field)
		in := slices.ContainsFunc(c.values, func(v any) bool { return fmt.Sprint(v) == fmt.Sprint(value) })
		if in == c.not {
			return false
		}
	}
	return true
}
