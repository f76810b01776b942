package frappems

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/frappems/frappems/internal/naming"

	"github.com/frappems/frappems/store"
)

// names gives documents their names, as frappe.model.naming does, inside a transaction.
type names struct {
	ctx context.Context
	db  *DB
	now time.Time
	// moment and user are what is written of when and by whom.
	moment, user any
}

func (db *DB) newNames(ctx context.Context) *names {
	now := db.app.now()
	return &names{ctx: ctx, db: db, now: now, moment: now.Format(timestampLayout), user: db.user.Name}
}

// setName names a new document by its DocType's autoname, unless a hook does.
func (n *names) setName(d *Doc) error {
	if err := n.db.fire(n.ctx, BeforeNaming, d); err != nil {
		return err
	}
	rule := strings.ToLower(d.meta.Autoname)
	given := d.values[slotName]
	d.values[slotName] = nil
	name, err := "", error(nil)
	switch amended := toText(d.Get("amended_from")); {
	case rule == "autoincrement" && !bool(d.meta.IsSingle):
		return n.unused(d, func() (err error) {
			d.values[slotName], err = n.next(d, autoincrementCounter(d.meta))
			return err
		})
	case amended != "":
		name, err = n.amendedName(d, amended)
	case bool(d.meta.IsSingle):
		name = d.meta.Name
	case rule == "prompt" || rule == "prompt:":
		if newname := d.sent["__newname"]; !isEmpty(newname) {
			given = newname
		}
		if name = toText(given); isEmpty(given) {
			name, err = n.byHook(d, rule)
		} else if _, isText := given.(string); !isText {
			err = Errorf(NameError, "The name must be a text, %s is none", quoteShort(name))
		}
	default:
		name, err = n.byHook(d, rule)
	}
	if err != nil {
		return err
	}
	name, err = checkDocumentName(d.meta, name)
	d.values[slotName] = name
	return err
}

// unused names a document. A number that makes a name which is there already is skipped, once that has happened.
func (n *names) unused(d *Doc, name func() error) error {
	for {
		before := n.db.taken.count
		if err := name(); err != nil || !n.db.taken.careful || n.db.taken.count == before {
			return err
		}
		if found, err := n.db.values(n.ctx, d.meta, d.Name(), "name"); err != nil || found == nil {
			return err
		}
	}
}

// byHook lets hooks of autoname set the name, and names by the rule where they do not.
func (n *names) byHook(d *Doc, rule string) (string, error) {
	if err := n.db.fire(n.ctx, Autoname, d); err != nil || d.Name() != "" {
		return d.Name(), err
	}
	err := n.unused(d, func() (err error) {
		d.values[slotName], err = n.byRule(d, d.meta.Autoname, rule)
		return err
	})
	return d.Name(), err
}

func (n *names) byRule(d *Doc, autoname, rule string) (string, error) {
	switch {
	case strings.HasPrefix(rule, "prompt"):
		return "", Errorf(ValidationError, "Please set the document name")
	case strings.HasPrefix(rule, "field:"):
		field := strings.TrimSpace(autoname[len("field:"):])
		name := strings.TrimSpace(toText(d.Get(field)))
		if name == "" {
			return "", Errorf(ValidationError, "%s is required", escapeHTML(d.meta.labelOf(field)))
		}
		return name, nil
	case strings.HasPrefix(rule, "naming_series:"):
		return n.bySeriesField(d)
	case strings.HasPrefix(rule, "format:"):
		return n.byPattern(d, (*naming.Source).Format, autoname[len("format:"):])
	case rule == "uuid":
		return naming.UUID(n.now), nil
	case strings.Contains(autoname, "#"):
		return n.byPattern(d, (*naming.Source).Series, autoname)
	}
	return naming.Random(), nil
}

// labelOf is what users call a field of the DocType.
func (m *meta) labelOf(field string) string {
	for i := range m.Fields {
		if m.Fields[i].Fieldname == field {
			return m.Fields[i].label()
		}
	}
	return field
}

// bySeriesField names by the pattern that the field naming_series holds: one of its options, the first where it is empty.
func (n *names) bySeriesField(d *Doc) (string, error) {
	options := d.meta.series()
	series := strings.TrimSpace(toText(d.Get("naming_series")))
	if series == "" && len(options) > 0 {
		series = options[0]
	}
	if series == "" {
		return "", Errorf(ValidationError, "Naming Series mandatory")
	}
	if len(options) > 0 && !slices.Contains(options, series) {
		return "", Errorf(ValidationError, "Naming Series cannot be %s. It should be one of \"%s\"", quoteShort(series), escapeHTML(strings.Join(options, `", "`)))
	}
	d.set("naming_series", series)
	return n.byPattern(d, (*naming.Source).Series, series+".#####") // only the first digits count
}

// byPattern names by a pattern, whose numbers count per tenant and by the text before them.
func (n *names) byPattern(d *Doc, name func(*naming.Source, string) (string, error), pattern string) (string, error) {
	text, err := name(&naming.Source{Now: n.now,
		Field: func(field string) (string, bool) {
			_, has := d.meta.slotOf[field]
			v := d.Get(field)
			if _, isFloat := v.(float64); isFloat {
				v = nil // Frappe takes no floats into names
			}
			return toText(v), has
		},
		Number: func(series string) (int64, error) { return n.next(d, series) },
	}, pattern)
	return text, worded(err)
}

// next takes the next number of a series.
func (n *names) next(d *Doc, series string) (int64, error) {
	n.db.taken.count++
	locked := func(t takenNumber) bool { return t.series == series }
	if n.strict(d) || slices.ContainsFunc(n.db.taken.strict, locked) {
		number, err := n.db.tx.Next(n.ctx, store.Counter{Tenant: n.db.tenant, Table: counterTable, Name: series}, 1)
		if err == nil {
			n.db.taken.strict = append(n.db.taken.strict, takenNumber{series, number})
		}
		return number, err
	}
	return n.db.app.series.Take(n.ctx, &n.db.taken.Taken, n.db.tenant, series)
}

// strict says whether the numbers of a document are those of the counter's row, which the transaction keeps others from.
func (n *names) strict(d *Doc) bool {
	gapless := n.db.app.config.Gapless
	return n.db.app.writers == nil || slices.Contains(gapless, d.meta.Name) ||
		len(gapless) > 0 && slices.Contains(gapless, toText(d.Get("naming_series")))
}

// amendedName is the name of the document that is amended with a number behind it, which grows with each amendment.
func (n *names) amendedName(d *Doc, amended string) (string, error) {
	number, prefix := int64(1), amended
	before, err := n.db.values(n.ctx, d.meta, amended, "amended_from", "docstatus")
	if err != nil {
		return "", err
	}
	if before != nil && before[1] != "2" {
		return "", Errorf(ValidationError, "%s %s cannot be amended because it is not cancelled", escapeHTML(d.meta.Name), bold(amended))
	}
	if before != nil && before[0] != "" {
		if cut := strings.LastIndexByte(amended, '-'); cut > 0 {
			prefix, number = amended[:cut], toInt(amended[cut+1:])+1
		}
	}
	return prefix + "-" + strconv.FormatInt(number, 10), nil
}

// checkDocumentName refuses names that Frappe refuses, and trims the others.
func checkDocumentName(m *meta, name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", Errorf(ValidationError, "No Name Specified for %s", escapeHTML(m.Name))
	case strings.HasPrefix(name, "New "+m.Name):
		return "", Errorf(NameError, "There were some errors setting the name, please contact the administrator")
	case name == m.Name && !bool(m.IsSingle) && name != "DocType":
		return "", Errorf(NameError, "Name of %s cannot be %s", escapeHTML(m.Name), escapeHTML(name))
	case strings.ContainsAny(name, "<>\x00"):
		return "", Errorf(NameError, "Name cannot contain special characters like '<', '>'")
	}
	return name, nil
}

// giveBack makes the number of a deleted document the next one again if it was the last of its series, as Frappe does.
func (n *names) giveBack(d *Doc) error {
	rule := strings.ToLower(d.meta.Autoname)
	series := d.meta.Autoname
	switch {
	case strings.HasPrefix(rule, "naming_series:"):
		series = toText(d.Get("naming_series"))
	case strings.HasPrefix(rule, "format:"):
		series = d.meta.Autoname[len("format:"):]
	case !strings.Contains(series, "#"):
		return nil
	}
	prefix, number, ok := naming.Number(series, d.Name())
	if !ok {
		return nil // the number is not at the end, or it has outgrown its digits
	}
	if !n.strict(d) {
		n.db.taken.deleted = append(n.db.taken.deleted, takenNumber{prefix, number})
		return nil
	}
	n.db.taken.strict = append(n.db.taken.strict, takenNumber{series: prefix})
	return n.db.lowerCounter(n.ctx, n.db.tx, takenNumber{prefix, number})
}

// lowerCounter takes a number off the counter's row, if it is the last one.
func (db *DB) lowerCounter(ctx context.Context, tx store.Tx, t takenNumber) error {
	if t.number < 1 {
		return nil
	}
	current := counterTable.Column("current")
	_, err := tx.Write(ctx, store.Mutation{Kind: store.UpdateRows, Tenant: db.tenant, Table: counterTable, Columns: []*store.Column{current},
		Rows: [][]any{{strconv.FormatInt(t.number-1, 10)}},
		Where: store.Cond{Op: store.OpAnd, Conds: []store.Cond{
			compare(store.OpEqual, store.Expr{Column: counterTable.Column("name")}, t.series),
			compare(store.OpEqual, store.Expr{Column: current}, strconv.FormatInt(t.number, 10)),
		}}})
	return err
}
