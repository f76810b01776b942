package frappems

import (
	"fmt"
	"slices"
	"strings"

	"github.com/frappems/frappems/store"
)

// right is what a user may do with documents: one of Frappe's permission types.
type right uint16

const (
	mayRead right = 1 << iota
	mayWrite
	mayCreate
	mayDelete
	maySubmit
	mayCancel
	mayAmend
	maySelect
	mayReport
)

// The last of them are for clients: nothing here asks for them.
var rightNames = []string{"read", "write", "create", "delete", "submit", "cancel", "amend", "select", "report",
	"print", "email", "share", "export"}

// rightNamed is the right of a name; of one that is unknown, one that nobody but Administrator has.
func rightNamed(name string) right {
	if i := slices.Index(rightNames, name); i >= 0 {
		return 1 << i
	}
	return 1 << len(rightNames)
}

// String names the first of the rights.
func (r right) String() string {
	for i, name := range rightNames {
		if r&(1<<i) != 0 {
			return name
		}
	}
	return ""
}

// rights are those that the rule grants.
func (p *DocPerm) rights() right {
	var all right
	for i, granted := range []flag{p.Read, p.Write, p.Create, p.Delete, p.Submit, p.Cancel, p.Amend, p.Select, p.Report,
		p.Print, p.Email, p.Share, p.Export} {
		if granted {
			all |= 1 << i
		}
	}
	return all
}

// access is what one user may do with the documents of one DocType.
type access struct {
	user        *User
	meta        *meta
	all         bool   // Administrator
	always      right  // with every document
	own         right  // with documents that the user made, too
	readLevels  uint64 // permlevels as bits
	writeLevels uint64
}

// accessTo works out what the rules of a DocType grant to a user's roles. Rows of a child table have the rules of the
// DocType that they are part of. No rule for any of the roles: nothing is granted.
func accessTo(user *User, m *meta) *access {
	a := &access{user: user, meta: m, readLevels: 1, writeLevels: 1}
	if user.Name == "Administrator" {
		a.all, a.always, a.readLevels, a.writeLevels = true, ^right(0), ^uint64(0), ^uint64(0)
		return a
	}
	for i := range m.Permissions {
		p := &m.Permissions[i]
		if !user.HasRole(p.Role) || p.Permlevel > 63 {
			continue
		}
		if p.Read {
			a.readLevels |= 1 << p.Permlevel
		}
		if p.Write {
			a.writeLevels |= 1 << p.Permlevel
		}
		switch {
		case p.Permlevel > 0:
		case bool(p.IfOwner):
			// Who makes a document is its owner, so create holds always.
			a.own |= p.rights()
			a.always |= p.rights() & mayCreate
		default:
			a.always |= p.rights()
		}
	}
	return a
}

// ever says whether the user has the right for some document of the DocType.
func (a *access) ever(r right) bool { return (a.always|a.own)&r != 0 }

// allows says whether the user has the right for a document with this owner. User Permissions are another check.
func (a *access) allows(r right, owner string) bool {
	return a.always&r != 0 || a.own&r != 0 && store.CompareText(owner, a.user.Name) == 0
}

// readsEvery says whether the user may read every document, whoever made it and whatever it links to.
func (a *access) readsEvery() bool {
	return a.all || a.always&mayRead != 0 && len(a.user.Restrictions) == 0
}

func (a *access) readsLevel(level int) bool  { return level < 64 && a.readLevels&(1<<level) != 0 }
func (a *access) writesLevel(level int) bool { return level < 64 && a.writeLevels&(1<<level) != 0 }

// denied is the answer to a user who has no such right for a DocType at all, or for the document name.
func (a *access) denied(r right, name string) *Error {
	text := "User " + bold(a.user.Name) + " does not have doctype access via role permission for document " + bold(a.meta.Name)
	if a.ever(mayRead | maySelect) {
		text = "User " + bold(a.user.Name) + " does not have access to this document: " + escapeHTML(a.meta.Name)
		if name != "" {
			text += " - " + escapeHTML(name)
		}
	}
	text += fmt.Sprintf("<br>The permission that is missing: %s", r)
	return &Error{Code: PermissionError, Messages: []Message{{Message: text, Title: "Message"}}}
}

// checkList says whether the user may list documents of the DocType.
func (a *access) checkList() error {
	if !a.ever(mayRead | maySelect) {
		return a.denied(mayRead, "")
	}
	return nil
}

// onlySelects says whether lists have documents that the user may not read: then names, titles and search fields are all
// there is.
func (a *access) onlySelects() bool {
	return a.always&mayRead == 0 && (a.always&maySelect != 0 || a.own&mayRead == 0)
}

// reads says whether the user may read a slot in lists.
func (a *access) reads(at int) bool {
	s := &a.meta.slots[at]
	if a.onlySelects() && at != slotName && s.name != a.meta.TitleField && !slices.Contains(a.meta.searchFields(), s.name) {
		return false
	}
	return a.readsLevel(s.level())
}

func (m *meta) searchFields() []string {
	return strings.FieldsFunc(m.SearchFields, func(r rune) bool { return r == ',' || r == ' ' })
}

// restriction is a link whose values the User Permissions of a user narrow.
type restriction struct {
	slot    int
	doctype string
	allowed []string
}

// restrictions are those that hold for documents of a DocType, their names included.
func (u *User) restrictionsOn(m *meta) []restriction {
	if len(u.Restrictions) == 0 || u.Name == "Administrator" {
		return nil
	}
	var all []restriction
	if allowed := u.Restrictions[m.Name]; len(allowed) > 0 && !bool(m.IsTable) {
		all = append(all, restriction{slot: slotName, doctype: m.Name, allowed: allowed})
	}
	for _, l := range m.links {
		if allowed := u.Restrictions[l.doctype]; len(allowed) > 0 && !bool(m.slots[l.slot].field.IgnoreUserPermissions) {
			all = append(all, restriction{slot: l.slot, doctype: l.doctype, allowed: allowed})
		}
	}
	return all
}

// permits says whether a value of the restricted link is one that the user may see; an empty link hurts nobody.
func (r *restriction) permits(value string) bool {
	if value == "" {
		return r.slot != slotName
	}
	return slices.ContainsFunc(r.allowed, func(a string) bool { return store.CompareText(a, value) == 0 })
}

// cond is the restriction as a condition on a source of a query.
func (r *restriction) cond(source int, m *meta) store.Cond {
	e := store.Expr{Source: source, Column: m.slots[r.slot].column}
	in := store.Cond{Op: store.OpIn, Expr: e, Values: r.allowed}
	if r.slot == slotName {
		return in
	}
	return store.Cond{Op: store.OpOr, Conds: []store.Cond{in, {Op: store.OpIsNull, Expr: e}, compare(store.OpEqual, e, "")}}
}

// conditions are what a row must fulfil for the user to see it: its owner, and what User Permissions leave of its links
// and of those of its rows. They stand in the statement, so that counts and pages are of what the user may see.
func (a *access) conditions(source int) []store.Cond {
	var all []store.Cond
	if a.always&(mayRead|maySelect) == 0 {
		owner := store.Expr{Source: source, Column: a.meta.slots[slotOwner].column}
		all = append(all, compare(store.OpEqual, owner, a.user.Name))
	}
	for _, r := range a.user.restrictionsOn(a.meta) {
		all = append(all, r.cond(source, a.meta))
	}
	for _, t := range a.meta.tables {
		for _, r := range a.user.restrictionsOn(t.child) {
			link := store.Expr{Column: t.child.slots[r.slot].column}
			all = append(all, store.Cond{Op: store.OpNotExists, Sub: &store.Sub{
				Table:  t.child.table,
				Column: t.child.slots[t.child.slotOf["parent"]].column,
				Outer:  store.Expr{Source: source, Column: a.meta.slots[slotName].column},
				Where: store.Cond{Op: store.OpAnd, Conds: []store.Cond{
					compare(store.OpEqual, t.child.expr("parenttype"), a.meta.Name),
					{Op: store.OpNotIn, Expr: link, Values: append([]string{""}, r.allowed...)},
				}},
			}})
		}
	}
	return all
}

// checkDoc says whether the user has a right for a document, its rows included. The error tells which link forbids it.
func (a *access) checkDoc(r right, d *Doc) error {
	if a.all {
		return nil
	}
	name := toText(d.values[slotName])
	if !a.allows(r, toText(d.values[slotOwner])) {
		return a.denied(r, name)
	}
	if msg := a.restricted(d); msg != "" {
		return &Error{Code: PermissionError, Messages: []Message{{Message: msg, Title: "Message"}}}
	}
	return nil
}

// restricted gives the message of the first User Permission that a document breaks, or "".
func (a *access) restricted(d *Doc) string {
	for _, r := range a.user.restrictionsOn(d.meta) {
		value := toText(d.values[r.slot])
		if r.permits(value) {
			continue
		}
		if r.slot == slotName {
			return fmt.Sprintf("Not allowed for %s: %s", escapeHTML(d.meta.Name), escapeHTML(value))
		}
		return fmt.Sprintf("You are not allowed to access this %s record because it is linked to %s '%s' in field %s",
			escapeHTML(d.meta.Name), escapeHTML(r.doctype), escapeHTML(value), escapeHTML(d.meta.slots[r.slot].label()))
	}
	for _, rows := range d.rows {
		for _, row := range rows {
			if msg := a.restricted(row); msg != "" {
				return fmt.Sprintf("%s (row %d)", msg, toInt(row.values[slotIdx]))
			}
		}
	}
	return ""
}
