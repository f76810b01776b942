package central

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/frappems/frappems"
)

// Paths of the methods at Central that are asked.
const (
	pathLoggedUser  = "/api/method/frappe.auth.get_logged_user"
	pathRoles       = "/api/method/frappe.core.doctype.user.user.get_roles"
	pathPermissions = "/api/method/frappe.core.doctype.user_permission.user_permission.get_user_permissions"
	pathList        = "/api/method/frappe.client.get_list"
	pathUser        = "/api/resource/User/"
)

// The names of Frappe that mean something here.
const (
	administratorName = "Administrator"
	guestName         = "Guest"
	roleAll           = "All"
	roleDesk          = "Desk User"
	systemUser        = "System User"
)

// profile is what Central says of a user.
type profile struct {
	enabled      bool
	fullName     string
	timeZone     string
	roles        []string
	tenant       any // the value of the field, where the tenant is one
	restrictions map[string][]string
	restricted   [][2]string // DocType and name of User Permissions, where restrictions are not known yet
}

// userRow is a User at Central: a document, or one of the rows of a list, which has one for each role.
type userRow struct {
	Name     string  `json:"name"`
	Enabled  int     `json:"enabled"`
	FullName string  `json:"full_name"`
	TimeZone *string `json:"time_zone"`
	UserType string  `json:"user_type"`
	Role     *string `json:"role"`
}

// profile makes a profile of a row, with the value of the field that is the tenant.
func (u *userRow) profile(raw json.RawMessage, field string) *profile {
	p := &profile{enabled: u.Enabled == 1, fullName: u.FullName}
	if u.TimeZone != nil {
		p.timeZone = *u.TimeZone
	}
	if field != "" {
		var fields map[string]any
		if json.Unmarshal(raw, &fields) == nil {
			p.tenant = fields[field]
		}
	}
	return p
}

// addImplied adds the roles that Frappe has everybody have.
func (p *profile) addImplied(desk bool) {
	implied := []string{roleAll, guestName}
	if desk {
		implied = append(implied, roleDesk)
	}
	for _, role := range implied {
		if !slices.Contains(p.roles, role) {
			p.roles = append(p.roles, role)
		}
	}
}

// ask learns about a user with the caller's own credentials, all at once. A nil profile without an error: they are not
// accepted any more. A user who may not read its own User document is refused, since it could be disabled.
func (a *Authenticator) ask(ctx context.Context, name string, sign func(h http.Header)) (*profile, error) {
	var roles, document, permissions *answer
	group, ctx := errgroup.WithContext(ctx)
	for _, one := range []struct {
		into  **answer
		path  string
		query url.Values
	}{
		{&roles, pathRoles, url.Values{"uid": {name}}},
		{&document, pathUser + url.PathEscape(name), nil},
		{&permissions, pathPermissions, nil},
	} {
		group.Go(func() (err error) {
			*one.into, err = a.site.get(ctx, one.path, one.query, sign)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, got := range []*answer{roles, permissions, document} {
		switch got.verdict() {
		case accepted:
		case unknown, expired:
			return nil, nil
		case forbidden:
			return nil, &frappems.Error{Code: frappems.PermissionError, Message: "Central does not say whether you may sign in here",
				Cause: fmt.Errorf("central: %s may not read its own User document, roles or User Permissions; Config.APIKey would say them", name)}
		default:
			return nil, got.unexpected("asked about " + name)
		}
	}
	var row userRow
	if err := json.Unmarshal(document.Data, &row); err != nil || row.Name != name {
		return nil, unavailable(fmt.Errorf("central: asked for the User %s, got %q, %v", name, row.Name, err))
	}
	p := row.profile(document.Data, a.tenantField)
	if err := json.Unmarshal(roles.Message, &p.roles); err != nil {
		return nil, unavailable(fmt.Errorf("central: the roles of %s: %w", name, err))
	}
	p.addImplied(false) // of Desk User get_roles knows
	var err error
	p.restrictions, err = restrictionsOf(permissions.Message)
	return p, err
}

// permission is one of a user's User Permissions, as get_user_permissions gives it: with the descendants in trees.
type permission struct {
	Doc string `json:"doc"`
	For string `json:"applicable_for"` // only in this DocType; empty: in all
}

// restrictionsOf turns User Permissions into those of a [frappems.User], which hold in all DocTypes: the names that may be seen
// wherever the DocType is linked to. Where some User Permissions are for single DocTypes, that is less than Frappe lets see.
func restrictionsOf(message json.RawMessage) (map[string][]string, error) {
	var all map[string][]permission
	if err := json.Unmarshal(message, &all); err != nil {
		return nil, unavailable(fmt.Errorf("central: User Permissions: %w", err))
	}
	if len(all) == 0 {
		return nil, nil
	}
	restrictions := make(map[string][]string, len(all))
	for doctype, permissions := range all {
		by := map[string][]string{}
		for _, p := range permissions {
			by[p.For] = append(by[p.For], p.Doc)
		}
		names, general := by[""]
		if !general {
			first := true
			for _, some := range by {
				if first {
					names, first = some, false
					continue
				}
				names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(some, name) })
			}
		}
		slices.Sort(names)
		restrictions[doctype] = append([]string{}, slices.Compact(names)...)
	}
	return restrictions, nil
}

// expand asks for the restrictions of a user of whom only the User Permissions themselves are known: of a tree Frappe lets see
// the descendants too.
func (a *Authenticator) expand(ctx context.Context, name string, p *profile, sign func(h http.Header), query url.Values) error {
	got, err := a.site.get(ctx, pathPermissions, query, sign)
	if err != nil {
		return err
	}
	if got.verdict() != accepted {
		return got.unexpected("User Permissions of " + name)
	}
	if p.restrictions, err = restrictionsOf(got.Message); err != nil {
		return err
	}
	for _, one := range p.restricted { // else they are somebody else's
		if _, ok := p.restrictions[one[0]]; !ok {
			return unavailable(fmt.Errorf("central: the User Permissions of %s lack those for %s", name, one[0]))
		}
	}
	return nil
}

// maxNames bounds the names in one question, in bytes: servers in front of Frappe take a request line of 4 KiB.
const maxNames = 2000

// directory learns about users with the service's own key. It asks one question at a time, about everybody who waits.
type directory struct {
	site    *site
	sign    func(h http.Header)
	field   string // of User, which is the tenant; empty: none
	timeout time.Duration

	mu      sync.Mutex
	waiting []*lookup
	busy    bool
}

// lookup is somebody who waits for what there is to know about a user.
type lookup struct {
	name    string
	done    chan struct{} // closed when what follows is set
	profile *profile      // nil: there is no such user
	err     error
}

// lookup gives what Central says of a user; nil: there is none. The caller does not change it, but for its restrictions.
func (d *directory) lookup(ctx context.Context, name string) (*profile, error) {
	l := &lookup{name: name, done: make(chan struct{})}
	d.mu.Lock()
	d.waiting = append(d.waiting, l)
	if !d.busy {
		d.busy = true
		go d.work()
	}
	d.mu.Unlock()
	select {
	case <-l.done:
		return l.profile, l.err
	case <-ctx.Done():
		return nil, unavailable(fmt.Errorf("central: asked about %s: %w", name, context.Cause(ctx)))
	}
}

// work asks until nobody waits.
func (d *directory) work() {
	for {
		batch := d.next()
		if batch == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), d.timeout)
		profiles, err := d.ask(ctx, batch)
		cancel()
		for _, l := range batch {
			if err == nil && profiles[l.name] != nil {
				copied := *profiles[l.name] // two of them may wait for the same user
				l.profile = &copied
			}
			l.err = err
			close(l.done)
		}
	}
}

// next takes those who wait, as many as fit in a question.
func (d *directory) next() (batch []*lookup) {
	d.mu.Lock()
	defer d.mu.Unlock()
	size := 0
	for _, l := range d.waiting {
		if size += len(url.QueryEscape(l.name)) + 12; size > maxNames && batch != nil {
			break
		}
		batch = append(batch, l)
	}
	d.waiting = slices.Delete(d.waiting, 0, len(batch))
	d.busy = batch != nil
	return batch
}

// ask asks about users and their User Permissions, at the same time.
func (d *directory) ask(ctx context.Context, batch []*lookup) (map[string]*profile, error) {
	names := make([]string, 0, len(batch))
	for _, l := range batch {
		if !slices.Contains(names, l.name) {
			names = append(names, l.name)
		}
	}
	fields := []string{"name", "enabled", "full_name", "time_zone", "user_type", "roles.role"}
	if d.field != "" && !slices.Contains(fields, d.field) {
		fields = append(fields, d.field)
	}
	var users []json.RawMessage
	var permissions []struct {
		User  string `json:"user"`
		Allow string `json:"allow"`
		Value string `json:"for_value"`
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.list(ctx, "User", fields, "name", names, &users) })
	group.Go(func() error {
		return d.list(ctx, "User Permission", []string{"user", "allow", "for_value"}, "user", names, &permissions)
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	profiles := map[string]*profile{}
	for _, raw := range users {
		var row userRow
		if err := json.Unmarshal(raw, &row); err != nil {
			return nil, unavailable(fmt.Errorf("central: a User: %w", err))
		}
		p := profiles[row.Name]
		if p == nil {
			p = row.profile(raw, d.field)
			profiles[row.Name] = p
			p.addImplied(row.UserType == systemUser)
		}
		if row.Role != nil && *row.Role != "" && !slices.Contains(p.roles, *row.Role) {
			p.roles = append(p.roles, *row.Role)
		}
	}
	for _, one := range permissions {
		if p := profiles[one.User]; p != nil && one.User != administratorName {
			p.restricted = append(p.restricted, [2]string{one.Allow, one.Value})
		}
	}
	return profiles, nil
}

// list asks for all rows of a DocType whose field has one of the names.
func (d *directory) list(ctx context.Context, doctype string, fields []string, field string, names []string, into any) error {
	asJSON := func(value any) string {
		text, _ := json.Marshal(value) // of texts, which does not fail
		return string(text)
	}
	var filter any = []any{"in", names}
	if len(names) == 1 {
		filter = names[0]
	}
	got, err := d.site.get(ctx, pathList, url.Values{"doctype": {doctype}, "fields": {asJSON(fields)},
		"filters": {asJSON(map[string]any{field: filter})}, "limit_page_length": {"0"}}, d.sign)
	if err != nil {
		return err
	}
	if got.verdict() != accepted {
		return got.unexpected("asked for " + doctype + " with Config.APIKey")
	}
	if err := json.Unmarshal(got.Message, into); err != nil {
		return unavailable(fmt.Errorf("central: a list of %s: %w", doctype, err))
	}
	return nil
}
