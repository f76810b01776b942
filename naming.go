package frappems

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/frappems/frappems/store"
)

// names gives documents their names, as frappe.model.naming does, inside a transaction.
type names struct {
	ctx context.Context
	db  *DB
	now time.Time
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
		return n.byFormat(d, autoname[len("format:"):])
	case rule == "uuid":
		return uuidV7(n.now), nil
	case strings.Contains(autoname, "#"):
		return n.bySeries(d, autoname)
	}
	return randomName(), nil
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

// randomName is Frappe's hash: ten letters and digits in small letters, since names do not tell case apart.
func randomName() string {
	var b [7]byte
	rand.Read(b[:]) // never fails
	return strings.ToLower(base32.HexEncoding.EncodeToString(b[:])[:10])
}

// uuidV7 makes a UUID that sorts by time (RFC 9562).
func uuidV7(now time.Time) string {
	var b [16]byte
	rand.Read(b[:])
	ms := now.UnixMilli()
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

var seriesPattern = regexp.MustCompile(`^[\pL\pN_\- /.#{}]+$`)

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
	return n.bySeries(d, series+".#####") // only the first digits count
}

// bySeries names by a pattern of parts between dots: # for the digits of a number that counts per tenant and prefix,
// YY, YYYY, MM, DD, WW, timestamp, a field of the document with or without braces, anything else for itself.
func (n *names) bySeries(d *Doc, series string) (string, error) {
	if !strings.Contains(series, ".") || !seriesPattern.MatchString(series) {
		return "", Errorf(ValidationError, "The naming series %s needs a dot before its digits, and may have no special characters except '-', '#', '.', '/', '{' and '}'", bold(series))
	}
	name, numbered := "", false
	for part := range strings.SplitSeq(series, ".") {
		if !strings.HasPrefix(part, "#") {
			name += n.part(d, part)
			continue
		}
		if numbered {
			continue
		}
		numbered = true
		number, err := n.number(d, name, len(part))
		if err != nil {
			return "", err
		}
		name += number
	}
	return name, nil
}

// number takes the next number of a series, whose key is the text before it.
func (n *names) number(d *Doc, prefix string, digits int) (string, error) {
	number, err := n.next(d, prefix)
	return fmt.Sprintf("%0*d", digits, number), err
}

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

// part is the text that one part of a pattern stands for.
func (n *names) part(d *Doc, part string) string {
	switch part {
	case "":
		return ""
	case "YY":
		return n.now.Format("06")
	case "YYYY":
		return n.now.Format("2006")
	case "MM":
		return n.now.Format("01")
	case "DD":
		return n.now.Format("02")
	case "WW":
		return consecutiveWeek(n.now)
	case "timestamp":
		return n.now.Format(timestampLayout)
	}
	field := strings.NewReplacer("{", "", "}", "").Replace(part)
	if _, ok := d.meta.slotOf[field]; !ok {
		if field != part {
			return "" // a field in braces that is not there
		}
		return part
	}
	v := d.Get(field)
	if _, isFloat := v.(float64); isFloat {
		return "" // Frappe takes no floats into names
	}
	return strings.TrimSpace(toText(v))
}

// consecutiveWeek is the ISO week, with 00 for first days of a year that belong to the last year's weeks and 53 for last
// days that belong to the next one's, so that numbers within a year never fall.
func consecutiveWeek(t time.Time) string {
	_, week := t.ISOWeek()
	switch {
	case t.Month() == time.January && week >= 52:
		week = 0
	case t.Month() == time.December && week <= 1:
		week = 53
	}
	return twoDigits(week)
}

var (
	bracedWord = regexp.MustCompile(`\{[\pL\pN_]+\}`)
	bracedHash = regexp.MustCompile(`\{#+\}`)
)

// byFormat names by a text with parts in braces; a number counts per text before it.
func (n *names) byFormat(d *Doc, format string) (string, error) {
	name := bracedWord.ReplaceAllStringFunc(format, func(braced string) string {
		return n.part(d, braced[1:len(braced)-1])
	})
	at := bracedHash.FindStringIndex(name)
	if at == nil {
		return name, nil
	}
	number, err := n.number(d, name[:at[0]], at[1]-at[0]-2)
	if err != nil {
		return "", err
	}
	return name[:at[0]] + number + bracedHash.ReplaceAllString(name[at[1]:], ""), nil
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
	width := 5
	if pattern := strings.TrimSuffix(series, "}"); strings.Contains(series, "#") {
		width = len(pattern) - len(strings.TrimRight(pattern, "#"))
	}
	name := d.Name()
	cut := len(name) - width
	if series == "" || width == 0 || cut < 0 || strings.Trim(name[cut:], "0123456789") != "" {
		return nil // the number is not at the end, or it has outgrown its digits
	}
	prefix, number := name[:cut], toInt(name[cut:])
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
