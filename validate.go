package frappems

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/frappems/frappems/internal/fieldtype"
	"github.com/frappems/frappems/internal/format"
	"github.com/frappems/frappems/internal/sanitize"

	"github.com/frappems/frappems/store"
)

// SanitizeHTML makes HTML harmless as Frappe v15 does: listed tags, attributes and URL schemes are written anew, everything
// else becomes text. Sanitising twice is the same as once. It is the default of Config.SanitizeHTML, and safe for
// concurrent use.
func SanitizeHTML(s string) string { return sanitize.HTML(s) }

// validate checks a document and its rows before they are written, in Frappe's order, and puts its values into the form
// that is kept: HTML made harmless, ratings between 0 and 1, passwords taken out into d.secrets.
func (db *DB) validate(d *Doc) error {
	if err := d.checkMandatory(); err != nil {
		return err
	}
	check := func(row *Doc) error {
		for _, step := range []func(*Doc) error{(*Doc).checkData, (*Doc).checkSelects, (*Doc).checkNonNegative, (*Doc).checkLengths} {
			if err := step(row); err != nil {
				return err
			}
		}
		return db.sanitize(row)
	}
	if err := check(d); err != nil {
		return err
	}
	return d.children(check)
}

// where names the row in messages: empty for a document.
func (d *Doc) where() string {
	if !d.meta.IsTable {
		return ""
	}
	return bold(d.meta.Name) + " Row #" + toText(d.values[slotIdx]) + ": "
}

var tagPattern = regexp.MustCompile(`<[^>]*>`)

// hasContent says whether a value is something that a user would call filled in.
func hasContent(f *Field, v any) bool {
	text := toText(v)
	if f.Fieldtype == "Text Editor" || f.Fieldtype == "Code" && f.Options == "HTML" {
		if strings.Contains(text, "<img") {
			return true
		}
	}
	if !strings.Contains(text, "<") {
		return strings.TrimSpace(text) != ""
	}
	return strings.TrimSpace(tagPattern.ReplaceAllString(text, "")) != ""
}

// checkMandatory finds every required field without content, of the document and its rows.
func (d *Doc) checkMandatory() error {
	var fields []string
	var shown []Message
	miss := func(f *Field, text string) {
		fields = append(fields, f.Fieldname)
		shown = append(shown, Message{Message: text, Title: "Message"})
	}
	visit := func(row *Doc) error {
		for i := range row.meta.Fields {
			f := &row.meta.Fields[i]
			switch {
			case !bool(f.Required) || bool(f.IsVirtual):
			case f.isTable():
				if at := row.meta.tableOf(f.Fieldname); at >= 0 && len(row.rows[at]) == 0 {
					miss(f, "Error: Data missing in table: "+escapeHTML(f.label()))
				}
			default:
				if at, has := row.meta.slotOf[f.Fieldname]; has && !hasContent(f, row.values[at]) {
					text := "Error: Value missing for " + escapeHTML(row.meta.Name) + ": " + escapeHTML(f.label())
					if row.meta.IsTable {
						text = "Error: " + row.where() + "Value missing for: " + escapeHTML(f.label())
					}
					miss(f, text)
				}
			}
		}
		return nil
	}
	visit(d)
	d.children(visit)
	if fields == nil {
		return nil
	}
	return &Error{Code: MandatoryError, Messages: shown,
		Message: "[" + d.meta.Name + ", " + d.Name() + "]: " + strings.Join(fields, ", ")}
}

// checkData checks the formats that the options of Data fields ask for, and Phone fields.
func (d *Doc) checkData() error {
	for i := range d.meta.slots {
		f := d.meta.slots[i].field
		if f == nil || f.Fieldtype != "Data" && f.Fieldtype != "Phone" || f.OldFieldtype != "" && f.OldFieldtype != "Data" {
			continue
		}
		text := strings.TrimSpace(toText(d.values[i]))
		if text == "" {
			continue
		}
		kind := f.Options
		if f.Fieldtype == "Phone" {
			kind = format.International
		}
		if err := format.Check(kind, f.Fieldname, text); err != nil {
			return worded(err)
		}
	}
	return nil
}

// checkSelects checks that Select fields hold one of their options.
func (d *Doc) checkSelects() error {
	for i := range d.meta.slots {
		f := d.meta.slots[i].field
		if f == nil || f.Fieldtype != "Select" || f.Fieldname == "naming_series" || isEmpty(d.values[i]) {
			continue
		}
		options := strings.Split(f.Options, "\n")
		if strings.Trim(f.Options, "\n") == "" || f.Options == "[Select]" || f.Options == "Loading..." {
			continue
		}
		value := strings.TrimSpace(toText(d.values[i]))
		d.values[i] = value
		if !slices.Contains(options, value) {
			prefix := ""
			if d.meta.IsTable {
				prefix = "Row #" + toText(d.values[slotIdx]) + ":"
			}
			return Errorf(ValidationError, `%s %s cannot be "%s". It should be one of "%s"`, prefix, escapeHTML(f.label()),
				escapeHTML(value), escapeHTML(strings.Join(options, `", "`)))
		}
	}
	return nil
}

func (d *Doc) checkNonNegative() error {
	for i := range d.meta.slots {
		f := d.meta.slots[i].field
		if f != nil && bool(f.NonNegative) && fieldtype.IsNumber(f.Fieldtype) && toFloat(d.values[i]) < 0 {
			text := d.where() + "Value cannot be negative for " + bold(f.label())
			return &Error{Code: NonNegativeError, Message: text, Title: "Negative Value"}
		}
	}
	return nil
}

// checkLengths refuses what would not fit its column, and brings ratings into their range.
func (d *Doc) checkLengths() error {
	if d.meta.IsSingle {
		return nil
	}
	for i := range d.meta.slots {
		s := &d.meta.slots[i]
		v := d.values[i]
		if s.field != nil && s.field.Fieldtype == "Rating" {
			v = min(max(toFloat(v), 0), 1)
			if v == 0.0 || v == 1.0 {
				v = toInt(v)
			}
			d.values[i] = v
		}
		limit, tooLong := 0, false
		switch s.column.Type {
		case store.TypeVarchar:
			limit = s.column.Length
			tooLong = len(toText(v)) > limit && utf8.RuneCountInString(toText(v)) > limit
		case store.TypeText:
			limit = math.MaxUint16
			tooLong = len(toText(v)) > limit
		case store.TypeInt:
			limit = math.MaxInt32
			tooLong = v != nil && max(toInt(v), -toInt(v)) > math.MaxInt32
		}
		if tooLong {
			return d.lengthExceeded(s, limit)
		}
	}
	return nil
}

func (d *Doc) lengthExceeded(s *slot, limit int) error {
	place, label := escapeHTML(d.meta.Name)+" "+escapeHTML(d.Name()), s.name
	if d.meta.IsTable {
		place = escapeHTML(d.meta.Name) + ", Row " + toText(d.values[slotIdx])
	}
	if s.field != nil {
		label = s.label()
	}
	text := place + ": '" + bold(label) + "' (" + quoteShort(toText(d.Get(s.name))) +
		") will get truncated, as max characters allowed is " + strconv.Itoa(limit)
	return &Error{Code: CharacterLengthExceededError, Message: text, Title: "Value too big"}
}

// sanitize makes HTML in text harmless, but for fields that hold something else by their type or options. Links and
// selects have been checked to be names that exist.
func (db *DB) sanitize(d *Doc) error {
	for i := range d.meta.slots {
		f := d.meta.slots[i].field
		text, isText := d.values[i].(string)
		if f == nil || !isText || !strings.ContainsAny(text, "<>") || bool(f.IgnoreXSSFilter) {
			continue
		}
		switch f.Fieldtype {
		case "Attach", "Attach Image", "Barcode", "Code", "Password", "JSON":
			continue
		case "Data", "Small Text", "Text":
			if f.Options == "Email" {
				continue
			}
		}
		if d.before != nil && d.before.values[i] == d.values[i] {
			continue // it was made harmless when it came
		}
		d.values[i] = db.app.config.SanitizeHTML(text)
	}
	return d.checkLengths() // what was escaped has grown
}

// checkConstants refuses changes of fields that can be set only once.
func (d *Doc) checkConstants() error {
	for i := range d.meta.slots {
		s := &d.meta.slots[i]
		if s.field != nil && bool(s.field.SetOnlyOnce) && !d.same(i) {
			return Errorf(CannotChangeConstantError, "Value cannot be changed for %s", bold(s.label()))
		}
	}
	for i, t := range d.meta.tables {
		if bool(t.field.SetOnlyOnce) && !sameRows(d.rows[i], d.before.rows[i]) {
			return Errorf(CannotChangeConstantError, "Value cannot be changed for %s", bold(t.field.label()))
		}
	}
	return nil
}

// same says whether a value is, in the form that its column keeps, what it was before the save.
func (d *Doc) same(at int) bool { return d.sameAs(d.before, at) }

func (d *Doc) sameAs(other *Doc, at int) bool {
	switch v := d.values[at].(type) {
	case nil, string, int64, float64, bool:
		if v == other.values[at] {
			return true
		}
	}
	now, null, err1 := d.text(at)
	was, wasNull, err2 := other.text(at)
	return err1 == nil && err2 == nil && null == wasNull && now == was
}

func sameRows(now, was []*Doc) bool {
	if len(now) != len(was) {
		return false
	}
	for i, row := range now {
		for at := range row.meta.slots {
			if at != slotModified && at != slotModifiedBy && !row.sameAs(was[i], at) {
				return false
			}
		}
	}
	return true
}

// checkAfterSubmit refuses changes of a submitted document but for fields that allow them.
func (d *Doc) checkAfterSubmit() error {
	for i := standardSlots; i < len(d.meta.slots); i++ {
		s := &d.meta.slots[i]
		if s.field == nil || bool(s.field.AllowOnSubmit) || d.same(i) {
			continue
		}
		prefix := ""
		if d.meta.IsTable {
			prefix = "Row #" + toText(d.values[slotIdx]) + ":"
		}
		return &Error{Code: UpdateAfterSubmitError, Title: "Cannot Update After Submit", Message: prefix + " Not allowed to change " +
			bold(s.label()) + " after submission from " + bold(toText(d.before.values[i])) + " to " + bold(toText(d.values[i]))}
	}
	for i, t := range d.meta.tables {
		if bool(t.field.AllowOnSubmit) {
			continue
		}
		if len(d.rows[i]) != len(d.before.rows[i]) {
			return &Error{Code: UpdateAfterSubmitError, Title: "Cannot Update After Submit",
				Message: " Not allowed to change " + bold(t.field.label()) + " after submission from " +
					bold(strconv.Itoa(len(d.before.rows[i]))) + " to " + bold(strconv.Itoa(len(d.rows[i])))}
		}
		for _, row := range d.rows[i] {
			if row.before == nil {
				// Frappe looks for the row as it was.
				return &Error{Code: DoesNotExistError, Message: "Not allowed to add rows to " + bold(t.field.label()) + " after submission"}
			}
			if err := row.checkAfterSubmit(); err != nil {
				return err
			}
		}
	}
	return nil
}

// text is the form of a value that its column keeps.
func (d *Doc) text(at int) (text string, null bool, err error) {
	s := &d.meta.slots[at]
	v := d.values[at]
	if s.field != nil {
		v = shownValue(s.field, v)
	}
	if v == nil && s.column.NotNull && s.column.Default != "" {
		v = "0"
	}
	if v == nil {
		return "", true, nil
	}
	text, err = columnText(s.column, v)
	return text, false, err
}
