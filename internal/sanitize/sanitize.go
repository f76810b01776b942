package sanitize

import (
	"encoding/json"
	"html"
	"slices"
	"strconv"
	"strings"
)

// HTML returns what Frappe 15 stores for the text s: listed elements, attributes, CSS properties and URL
// schemes stay, every other tag becomes text, and the result is well-formed. A text without tags comes back unchanged.
// Valid JSON, which Frappe lets through as it is, stays the same value, but markup in its strings is written with JSON's
// escapes, so that it does nothing where it is shown as HTML. Markup is never copied: it is read
// as a browser reads it and written anew from the tables below, nested only in ways that a browser reads back as
// the same tree. Sanitising twice equals sanitising once, and the time is linear. It differs from Frappe where
// Frappe trusts more: <style>, the href of <link>, url() in CSS, xlink attributes, and comments with markup in
// them do not stay; an unfinished or stray tag never stays raw; '>' is escaped in attributes too. Misplaced
// elements (text between table rows, a block that outlives its bold run, HTML in SVG) end up balanced but
// elsewhere than html5lib puts them. HTML is safe for concurrent use.
func HTML(s string) string {
	if !strings.Contains(s, "<") {
		return s
	}
	if json.Valid([]byte(s)) {
		return inertJSON(s)
	}
	text := strings.ToValidUTF8(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s), "\uFFFD")
	c := &htmlCleaner{rest: text, spare: len(text) + 1024, fresh: -1}
	for c.rest != "" {
		i := strings.IndexByte(c.rest, '<')
		if i < 0 {
			i = len(c.rest)
		}
		c.text(c.take(i))
		if c.rest != "" {
			c.markup()
		}
	}
	c.popTo(0)
	if !c.marked {
		return s
	}
	out := c.out.String()
	if json.Valid([]byte(out)) {
		out = inertJSON(out) // it has become JSON only now, which a second time would be treated as such
	}
	return out
}

// inertJSON writes the angle brackets of JSON, which only its strings can have, as escapes where they could begin a tag.
func inertJSON(s string) string {
	for i := 0; i+1 < len(s); i++ {
		if c := s[i+1] | 0x20; s[i] == '<' && (c >= 'a' && c <= 'z' || strings.IndexByte("/!?", s[i+1]) >= 0) {
			return strings.NewReplacer("<", `\u003c`, ">", `\u003e`).Replace(s)
		}
	}
	return s
}

// htmlDepth bounds the open elements; a tag beyond it becomes text.
const htmlDepth = 256

// The elements by how they nest; each name stands between spaces.
const (
	htmlVoid    = " area br col hr img input keygen link meta source "
	htmlDropped = " body head html " // leave nothing in a fragment
	htmlFormat  = " a b big code em font i s small strike strong tt u "
	htmlHeading = " h1 h2 h3 h4 h5 h6 "
	htmlPart    = " caption col colgroup tbody td tfoot th thead tr "
	htmlGrid    = " colgroup table tbody tfoot thead tr " // hold table parts but no text
	htmlOuter   = " address dialog div p "                // do not hide an open list item
	htmlBlock   = " article aside blockquote center dd details dir dl dt fieldset figcaption figure footer form" +
		" h1 h2 h3 h4 h5 h6 header hr li menu nav ol pre section summary table ul " // end a paragraph, as htmlOuter
	htmlScope   = " caption select table td th " // end the search for what a tag closes
	htmlSpecial = htmlBlock + htmlPart + " button select "
	htmlLeaf    = " desc mi mn mo mtext title " // hold only text inside <svg> and <math>
	htmlSVG     = ` a animate animateColor animateMotion animateTransform clipPath circle defs desc ellipse font-face
 font-face-name font-face-src g glyph hkern linearGradient line marker metadata missing-glyph mpath path polygon
 polyline radialGradient rect set stop svg switch text title tspan use `
	htmlMath = ` maction math merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow mspace
 msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none `
	htmlSpace = " \t\n\f"
	htmlAlnum = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// The listed elements, attributes, further attributes of <svg>, attributes with a URL and without a value; the
// CSS properties, the first words of more, and what no CSS value may contain. All are read only.
var (
	htmlElements = htmlNames(htmlVoid + htmlDropped + htmlFormat + htmlPart + htmlOuter + htmlBlock + htmlSVG +
		htmlMath + `abbr acronym audio button canvas cite command datagrid datalist del dfn event-source ins kbd
	label legend m map mark meter multicol nextid o:p optgroup option output progress q samp select sound spacer
	span sub sup textarea time var video`)
	htmlForeign    = map[string]map[string]string{"svg": htmlNames(htmlSVG), "math": htmlNames(htmlMath)}
	htmlAttributes = htmlNames(`
	abbr accept accept-charset accesskey action align allowfullscreen alt autocomplete autofocus axis background
	balance bgcolor bgproperties border bordercolor bordercolordark bordercolorlight bottompadding cellpadding
	cellspacing ch challenge char charoff charset checked choff cite class clear color cols colspan compact
	contenteditable controls coords data datafld datapagesize datasrc datetime default delay dir disabled draggable
	dynsrc enctype end face for form frame frameborder galleryimg gutter headers height hidden hidefocus high href
	hreflang hspace icon id inputmode ismap itemid itemprop itemref itemscope itemtype keytype label lang
	leftspacing list longdesc loop loopcount loopend loopstart low lowsrc max maxlength media method min multiple
	name nohref noshade nowrap open optimum pattern ping point-size poster pqg preload prompt radiogroup readonly
	rel repeat-max repeat-min replace required rev rightspacing role rows rowspan rules scope selected shape size
	span spellcheck src start step style summary suppress tabindex target template title toppadding type
	unselectable urn usemap valign value variable volume vrml vspace width wrap xml:lang`)
	htmlSVGAttributes = htmlNames(`baseProfile class color display fill fill-opacity fill-rule font-family font-size
	font-style font-weight opacity preserveAspectRatio stroke stroke-dasharray stroke-linecap stroke-linejoin
	stroke-miterlimit stroke-opacity stroke-width text-anchor transform version viewBox visibility x xmlns y`)
	htmlURLs = htmlNames(`action background cite data datasrc dynsrc href icon longdesc lowsrc ping poster src usemap
	vrml`)
	htmlFlags = htmlNames(`autofocus checked controls disabled ismap itemscope multiple noshade open readonly required
	selected`)
	cssNames = htmlNames(`all animation background border bottom caption-side clear clip clip-path color columns
	content cursor direction display empty-cells fill filter flex float font grid height hyphens isolation
	justify-content left letter-spacing line-break line-height list-style margin marks mask opacity order orphans
	outline overflow padding perspective pointer-events position quotes resize right scroll-behavior stroke tab-size
	table-layout top touch-action transform transition unicode-bidi unicode-range vertical-align visibility
	white-space widows width will-change writing-mode z-index`)
	cssFamilies = htmlNames(`align animation background border box break column counter fill flex font grid image list
	margin mask max min mix object outline overflow padding page perspective ruby shape stroke text transform
	transition word`)
	cssUnsafe = []string{"url(", "src(", "image(", "image-set(", "expression", "script:", "/*"}
)

// htmlNames returns the names in list by their lower-case form.
func htmlNames(list string) map[string]string {
	set := map[string]string{}
	for _, name := range strings.Fields(list) {
		set[strings.ToLower(name)] = name
	}
	return set
}

func listed(list, name string) bool { return strings.Contains(list, " "+name+" ") }

// htmlFrame is one open element.
type htmlFrame struct {
	name, tag string // tag is the start tag as it was written, for opening the element again
	foreign   string // "svg" or "math" inside those
}

// htmlCleaner is the state of one HTML.
type htmlCleaner struct {
	rest   string // the input still to be read
	out    strings.Builder
	stack  []htmlFrame
	again  []htmlFrame // ended with the formatting around them, to be opened before the next content
	fresh  int         // the length of out after a start tag whose first newline a browser skips
	spare  int         // so many bytes may still be spent on opening elements again, for linear time
	marked bool        // something in the input was not plain text
}

func (c *htmlCleaner) take(n int) string {
	s := c.rest[:n]
	c.rest = c.rest[n:]
	return s
}

func (c *htmlCleaner) top() htmlFrame {
	if len(c.stack) == 0 {
		return htmlFrame{}
	}
	return c.stack[len(c.stack)-1]
}

// inGrid reports whether the innermost element holds table parts only.
func (c *htmlCleaner) inGrid() bool { return c.top().foreign == "" && listed(htmlGrid, c.top().name) }

// find returns the innermost open HTML element of names, or -1 where one of barrier is met first.
func (c *htmlCleaner) find(names, barrier string) int {
	for i := len(c.stack) - 1; i >= 0; i-- {
		f := c.stack[i]
		if f.foreign == "" && listed(names, f.name) {
			return i
		} else if f.foreign == "" && listed(barrier, f.name) {
			break
		}
	}
	return -1
}

// popTo closes the elements from i on; a negative i closes none, so that it takes what find returns.
func (c *htmlCleaner) popTo(i int) {
	for n := len(c.stack) - 1; i >= 0 && n >= i; n-- {
		c.out.WriteString("</" + c.stack[n].name + ">")
		c.stack = c.stack[:n]
	}
}

// open writes a start tag and reports false where the depth does not allow it.
func (c *htmlCleaner) open(f htmlFrame) bool {
	void := f.foreign == "" && listed(htmlVoid, f.name)
	if len(c.stack) >= htmlDepth && !void {
		return false
	}
	c.out.WriteString(f.tag)
	if !void {
		c.stack = append(c.stack, f)
	}
	return true
}

// text writes s as text, in a cell of its own where a table has no place for it.
func (c *htmlCleaner) text(s string) {
	if s == "" {
		return
	}
	c.reopen()
	if c.inGrid() && strings.Trim(s, htmlSpace) != "" && !c.part("td", "<td>") {
		c.popTo(c.find(" table ", ""))
	}
	if c.fresh == c.out.Len() && s[0] == '\n' {
		c.out.WriteByte('\n')
	}
	writeEscaped(&c.out, s, 0)
}

// markup reads one tag or comment, or a '<' that begins neither.
func (c *htmlCleaner) markup() {
	s := c.rest
	at := strings.TrimPrefix(s[1:], "/")
	switch {
	case strings.HasPrefix(s, "<!") || strings.HasPrefix(s, "<?"):
		c.comment(s)
		return
	case at == "" || !isLetter(at[0]):
		c.marked = c.marked || len(at) < len(s)-1 // "</" begins a comment that swallows what follows.
		c.text(c.take(1))
		return
	}
	c.marked = true
	t, ok := readHTMLTag(s)
	if !ok { // It would swallow what follows it on a page.
		c.text(c.take(len(s)))
		return
	}
	c.take(len(t.raw))
	switch name := htmlElements[t.name]; {
	case name == "", name != t.name && c.top().foreign != "svg":
		c.text(t.raw)
	case listed(htmlDropped, name):
	case t.end:
		c.endTag(t.name)
	case !c.startTag(t):
		c.text(t.raw)
	}
}

// comment reads a comment and writes it if nothing in it could end it, anywhere; other declarations are left out.
func (c *htmlCleaner) comment(s string) {
	skip, end := len("<!--"), "-->"
	safe := strings.HasPrefix(s, "<!--") && !strings.HasPrefix(s, "<!-->") && !strings.HasPrefix(s, "<!--->")
	if !safe {
		skip, end = len("<!"), ">"
	}
	body, _, closed := strings.Cut(s[skip:], end)
	if early, _, found := strings.Cut(body, "--!>"); found && safe {
		body, end, closed = early, "--!>", false
	}
	c.take(min(len(s), skip+len(body)+len(end)))
	safe = safe && !strings.ContainsAny(body, "<>&\"'\x00") && !strings.Contains(body, "--") &&
		strings.Trim(body, "-") == body
	if safe {
		c.out.WriteString("<!--" + body + "-->")
	}
	c.marked = c.marked || !closed || !safe
}

// startTag opens an element after closing what a browser would close first, or leaves it out where a browser
// does. It reports false where the tag has to become text.
func (c *htmlCleaner) startTag(t *htmlTag) bool {
	c.reopen()
	if f := c.top(); f.foreign != "" && listed(htmlLeaf, f.name) {
		c.popTo(len(c.stack) - 1)
	}
	if in := c.top().foreign; htmlForeign[in][t.name] != "" {
		return c.openForeign(t, in)
	} else if in != "" {
		c.popTo(slices.IndexFunc(c.stack, func(f htmlFrame) bool { return f.foreign != "" }))
	}
	inSelect, table := c.find(" select ", ""), c.find(" table ", "")
	isPart := listed(htmlPart, t.name)
	if inSelect >= 0 && !listed(" optgroup option ", t.name) {
		if !isPart && !listed(" input keygen select textarea ", t.name) {
			return true
		}
		c.popTo(inSelect)
	}
	switch {
	case t.name == "select" && inSelect >= 0, isPart && table < 0, t.name == "form" && c.find(" form ", "") >= 0:
		return true
	case isPart:
		return c.part(t.name, t.write(t.name, ""))
	case c.inGrid() && t.name == "form":
		return true
	case c.inGrid() && t.name == "table":
		c.popTo(table)
	case c.inGrid() && !c.part("td", "<td>"):
		return false
	case htmlForeign[t.name] != nil:
		return c.openForeign(t, t.name)
	}
	c.makeRoom(t.name)
	if !c.open(htmlFrame{name: t.name, tag: t.write(t.name, "")}) {
		return false
	}
	c.content(t.name)
	return true
}

func (c *htmlCleaner) openForeign(t *htmlTag, in string) bool {
	name := htmlForeign[in][t.name]
	if !c.open(htmlFrame{name, t.write(name, in), in}) {
		return false
	}
	if t.selfClosing {
		c.popTo(len(c.stack) - 1)
	}
	return true
}

// makeRoom closes what cannot be around an element of the name.
func (c *htmlCleaner) makeRoom(name string) {
	switch name {
	case "li":
		c.popTo(c.find(" li ", htmlSpecial))
	case "dd", "dt":
		c.popTo(c.find(" dd dt ", htmlSpecial))
	case "a":
		c.popTo(c.find(" a ", " caption td th "))
	case "button":
		c.popTo(c.find(" button ", htmlScope))
	}
	if listed(htmlBlock+htmlOuter, name) {
		c.popTo(c.find(" p ", htmlScope+" button "))
	}
	siblings := map[string]string{"option": " option ", "optgroup": " optgroup option "}[name]
	if listed(htmlHeading, name) {
		siblings = htmlHeading
	}
	for siblings != "" && listed(siblings, c.top().name) {
		c.popTo(len(c.stack) - 1)
	}
}

// part opens a part of the innermost table, with the parts that must be around it.
func (c *htmlCleaner) part(name, tag string) bool {
	around, parent := " table ", ""
	switch name {
	case "td", "th":
		around, parent = " tr tbody thead tfoot table ", "tr"
	case "tr":
		around, parent = " tbody thead tfoot table ", "tbody"
	case "col":
		around, parent = " colgroup table ", "colgroup"
	}
	c.popTo(c.find(around, "") + 1)
	if top := c.top().name; parent == "tr" && top != "tr" || parent != "" && top == "table" {
		if !c.part(parent, "<"+parent+">") {
			return false
		}
	}
	return c.open(htmlFrame{name: name, tag: tag})
}

// content reads what is special after the start tag of the element name: its first newline, which a browser
// skips, and text that ends at the end tag only.
func (c *htmlCleaner) content(name string) {
	if name == "pre" || name == "textarea" {
		c.rest = strings.TrimPrefix(c.rest, "\n")
		c.fresh = c.out.Len()
	}
	if name != "title" && name != "textarea" {
		return
	}
	n, found := 0, false
	for !found && n < len(c.rest) {
		if i := strings.Index(c.rest[n:], "</"); i < 0 {
			n = len(c.rest)
		} else if tail := c.rest[n+i+2:]; len(tail) > len(name) && strings.EqualFold(tail[:len(name)], name) &&
			strings.IndexByte(htmlSpace+"/>", tail[len(name)]) >= 0 {
			n, found = n+i, true
		} else {
			n += i + 2
		}
	}
	c.text(c.take(n))
	c.popTo(len(c.stack) - 1)
	if !found {
		return
	}
	if t, ok := readHTMLTag(c.rest); ok {
		c.take(len(t.raw))
	} else {
		c.rest = ""
	}
}

// endTag closes the element that the end tag belongs to; one that belongs to none leaves nothing.
func (c *htmlCleaner) endTag(name string) {
	for i := len(c.stack) - 1; i >= 0 && c.stack[i].foreign != ""; i-- {
		if c.stack[i].name == htmlElements[name] {
			c.popTo(i)
			return
		}
	}
	for i := len(c.again) - 1; i >= 0; i-- {
		if c.again[i].name == name {
			c.again = slices.Delete(c.again, i, i+1)
			return
		}
	}
	c.reopen()
	names, barrier := " "+name+" ", htmlSpecial+htmlOuter
	switch {
	case name == "br":
		c.startTag(&htmlTag{name: name})
	case listed(htmlFormat, name):
		c.endFormat(names)
		return
	case listed(htmlPart+" table ", name):
		barrier = " table "
	case name == "p":
		if barrier = htmlScope + " button "; c.find(names, barrier) < 0 {
			c.startTag(&htmlTag{name: name})
		}
	case name == "li":
		barrier = htmlScope + " ol ul "
	case listed(htmlHeading, name):
		names, barrier = htmlHeading, htmlScope
	case listed(htmlBlock+htmlOuter+" button select ", name):
		barrier = htmlScope
	}
	c.popTo(c.find(names, barrier))
}

// endFormat ends a formatting element; what was opened inside it goes on after it.
func (c *htmlCleaner) endFormat(names string) {
	if i := c.find(names, htmlScope); i >= 0 {
		c.again = slices.Clone(c.stack[i+1:])
		c.popTo(i)
	}
}

// reopen opens the elements again that go on after the formatting around them.
func (c *htmlCleaner) reopen() {
	again := c.again
	c.again = nil
	for _, f := range again {
		if c.spare -= len(f.tag); c.spare < 0 || f.foreign != "" {
			return
		}
		c.makeRoom(f.name)
		c.open(f)
	}
}

// htmlTag is one tag of the input.
type htmlTag struct {
	name, raw        string // name is in lower case
	attrs            [][2]string
	end, selfClosing bool
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// readHTMLTag reads the tag that s begins with, and reports false where it is not finished.
func readHTMLTag(s string) (*htmlTag, bool) {
	i, t := 1, &htmlTag{end: strings.HasPrefix(s, "</")}
	run := func(in bool, set string) string {
		from := i
		for i < len(s) && strings.IndexByte(set, s[i]) >= 0 == in {
			i++
		}
		return s[from:i]
	}
	run(true, "/")
	t.name = strings.ToLower(run(false, htmlSpace+"/>"))
	for {
		gap := run(true, htmlSpace+"/")
		if i >= len(s) {
			return nil, false
		}
		if s[i] == '>' {
			t.raw, t.selfClosing = s[:i+1], strings.HasSuffix(gap, "/")
			return t, true
		}
		i++ // A name may begin with '='.
		attr := [2]string{strings.ToLower(s[i-1:i] + run(false, htmlSpace+"/>="))}
		run(true, htmlSpace)
		if strings.HasPrefix(s[i:], "=") {
			i++
			run(true, htmlSpace)
			if quote := s[i:min(i+1, len(s))]; quote == `"` || quote == "'" {
				i++
				attr[1] = run(false, quote)
				if i++; i > len(s) {
					return nil, false
				}
			} else {
				attr[1] = run(false, htmlSpace+">")
			}
		}
		t.attrs = append(t.attrs, attr)
	}
}

// write returns the start tag of the element name anew, with the attributes that are listed for it.
func (t *htmlTag) write(name, foreign string) string {
	var b strings.Builder
	b.WriteString("<" + name)
	seen := map[string]bool{}
	for _, attr := range t.attrs {
		key := htmlAttributes[attr[0]]
		if name == "svg" && key == "" {
			key = htmlSVGAttributes[attr[0]]
		}
		if strings.HasPrefix(attr[0], "data-") && strings.Trim(attr[0], htmlAlnum+"-_.") == "" {
			key = attr[0]
		}
		if key == "" || seen[key] {
			continue
		}
		seen[key] = true
		if htmlFlags[key] != "" {
			b.WriteString(" " + key)
		} else if value, quote, ok := htmlValue(name, foreign, key, attr[1]); ok {
			b.WriteString(" " + key + "=" + quote + value + quote)
		}
	}
	return b.String() + ">"
}

// htmlValue returns the escaped value of an attribute and the quote to put around it, or false where it must go.
func htmlValue(element, foreign, key, value string) (string, string, bool) {
	if key == "style" {
		value = strings.ReplaceAll(sanitizeCSS(html.UnescapeString(value)), "&", "&amp;")
	}
	quote := `"`
	if strings.Contains(value, `"`) && !strings.Contains(value, "'") {
		quote = "'"
	}
	var b strings.Builder
	writeEscaped(&b, value, quote[0])
	plain := html.UnescapeString(b.String())
	local := strings.HasPrefix(plain, "#")
	switch {
	case htmlURLs[key] != "" && !allowedURL(plain), key == "href" && element == "link",
		key == "href" && foreign != "" && element != "a" && !local,
		foreign != "" && key != "href" && strings.Contains(strings.ToLower(plain), "url"):
		return "", "", false
	}
	return b.String(), quote, true
}

// allowedURL reports whether s is relative or has one of Frappe's schemes, however a browser may squeeze it.
func allowedURL(s string) bool {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f && r <= 0xa0 || r == '`' || r >= 0x2000 && r <= 0x200f || r == 0x3000 || r >= 0xfff9 {
			return -1
		}
		return r
	}, strings.ToLower(s))
	scheme, _, found := strings.Cut(s, ":")
	if !found || scheme == "" || !isLetter(scheme[0]) || strings.Trim(scheme, htmlAlnum+"+-.") != "" {
		return true
	}
	return listed(" cid http https mailto tel ", scheme)
}

// sanitizeCSS keeps the declarations of a style attribute whose property is listed and whose value loads nothing.
func sanitizeCSS(s string) string {
	var out strings.Builder
	space := ""
	for s != "" {
		var decl string
		var ok bool
		decl, s, ok = cutCSS(s)
		body := strings.TrimLeft(decl, htmlSpace)
		if space == "" && out.Len() > 0 {
			space = decl[:len(decl)-len(body)]
		}
		name, value, found := strings.Cut(body, ":")
		name = strings.TrimRight(name, htmlSpace)
		key := strings.ToLower(name)
		for _, vendor := range []string{"-webkit-", "-moz-", "-ms-"} {
			key = strings.TrimPrefix(key, vendor)
		}
		family, _, _ := strings.Cut(key, "-")
		known := cssNames[key] != "" || cssFamilies[family] != "" && strings.Trim(key, htmlAlnum+"-") == ""
		if ok && found && known {
			out.WriteString(space + name + ":" + value + ";")
			space = ""
		}
	}
	return out.String()
}

// cutCSS splits the first declaration off s, with its strings in double quotes, and reports whether nothing in
// it could be read in two ways or load a resource.
func cutCSS(s string) (decl, rest string, ok bool) {
	var b strings.Builder
	depth, i := 0, 0
	for ok = true; i < len(s) && (s[i] != ';' || depth > 0); i++ {
		switch ch := s[i]; ch {
		case '"', '\'':
			n := strings.IndexByte(s[i+1:], ch)
			if n < 0 {
				return "", "", false
			}
			ok = ok && !strings.ContainsAny(s[i+1:i+1+n], "\"\\\n\f")
			b.WriteString(`"` + s[i+1:i+1+n] + `"`)
			i += n + 1
			continue
		case '(':
			depth++
		case ')':
			depth--
		case '\\', '{', '}', '<', '>', '@', 0:
			ok = false
		}
		b.WriteByte(s[i])
	}
	low := strings.ToLower(b.String())
	for _, bad := range cssUnsafe {
		ok = ok && !strings.Contains(low, bad)
	}
	return b.String(), s[min(i+1, len(s)):], ok && depth == 0
}

// writeEscaped writes s as text (quote is 0) or as an attribute's value. A character reference that Frappe would
// keep stays; the one rule of ours is that it must stand for a character that may also stand there itself.
func writeEscaped(b *strings.Builder, s string, quote byte) {
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; {
		case ch == '&' && !isReference(s[i+1:], quote != 0):
			b.WriteString("&amp;")
		case ch == '<':
			b.WriteString("&lt;")
		case ch == '>':
			b.WriteString("&gt;")
		case ch == '"' && quote == ch:
			b.WriteString("&quot;")
		case ch == 0 && quote != 0:
			b.WriteString("\uFFFD")
		case ch < ' ' && quote == 0 && !strings.ContainsRune(htmlSpace, rune(ch)):
			b.WriteByte('?')
		default:
			b.WriteByte(ch)
		}
	}
}

// isReference reports whether s begins, after its '&', with a character reference that ends in ';'. In
// attributes Frappe knows only the old names, those that a browser would know without the ';' too.
func isReference(s string, attribute bool) bool {
	n := strings.IndexByte(s[:min(len(s), 40)], ';')
	if n < 1 {
		return false
	}
	name := s[:n]
	if digits, ok := strings.CutPrefix(name, "#"); ok {
		base := 10
		if digits != "" && digits[0]|0x20 == 'x' {
			digits, base = digits[1:], 16
		}
		code, err := strconv.ParseUint(digits, base, 32)
		return err == nil && code < 0x110000 && (code >= ' ' || code == '\t' || code == '\n')
	}
	if strings.Trim(strings.ToLower(name), htmlAlnum) != "" {
		return false
	}
	known := html.UnescapeString("&" + name + ";")
	if attribute && known != html.UnescapeString("&"+name) {
		return false
	}
	return !strings.HasSuffix(known, ";") || name == "semi"
}
