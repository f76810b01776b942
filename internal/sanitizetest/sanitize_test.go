package sanitizetest

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/frappems/frappems"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// The lists of Frappe 15 as this test knows them, apart from the core's own tables.
const (
	elements = ` a abbr acronym address area article aside audio b big blockquote br button canvas caption center cite
 code col colgroup command datagrid datalist dd del details dfn dialog dir div dl dt em event-source fieldset
 figcaption figure footer font form header h1 h2 h3 h4 h5 h6 hr i img input ins keygen kbd label legend li link m map
 mark menu meta meter multicol nav nextid o:p ol output optgroup option p pre progress q s samp section select small
 sound source spacer span strike strong sub summary sup table tbody td textarea time tfoot th thead tr tt u ul var
 video `
	foreign = ` a animate animateColor animateMotion animateTransform clipPath circle defs desc ellipse font-face
 font-face-name font-face-src g glyph hkern linearGradient line marker metadata missing-glyph mpath path polygon
 polyline radialGradient rect set stop svg switch text title tspan use maction math merror mfrac mi mmultiscripts mn
 mo mover mpadded mphantom mprescripts mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder
 munderover none `
	attributes = ` abbr accept accept-charset accesskey action align alt autocomplete autofocus axis background balance
 bgcolor bgproperties border bordercolor bordercolordark bordercolorlight bottompadding cellpadding cellspacing ch
 challenge char charoff choff charset checked cite class clear color cols colspan compact contenteditable controls
 coords data datafld datapagesize datasrc datetime default delay dir disabled draggable dynsrc enctype end face for
 form frame galleryimg gutter headers height hidefocus hidden high href hreflang hspace icon id inputmode ismap keytype
 label leftspacing lang list longdesc loop loopcount loopend loopstart low lowsrc max maxlength media method min
 multiple name nohref noshade nowrap open optimum pattern ping point-size poster pqg preload prompt radiogroup
 readonly rel repeat-max repeat-min replace required rev rightspacing rows rowspan rules scope selected shape size
 span src start step style summary suppress tabindex target template title toppadding type unselectable usemap urn
 valign value variable volume vspace vrml width wrap xml:lang role frameborder allowfullscreen spellcheck itemprop
 itemscope itemtype itemid itemref `
	svgAttributes = ` baseProfile display fill fill-opacity fill-rule font-family font-size font-style font-weight
 opacity preserveAspectRatio stroke stroke-dasharray stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity
 stroke-width text-anchor transform version viewBox visibility x xmlns y `
	urls = " action background cite data datasrc dynsrc href icon longdesc lowsrc ping poster src usemap vrml "
	void = " area br col hr img input keygen link meta source "
)

func in(list, name string) bool {
	return strings.Contains(" "+strings.Join(strings.Fields(list), " ")+" ", " "+name+" ")
}

// parse reads s as a browser reads what is assigned to innerHTML of an element, or of the body of a quirks-mode
// page if the element is "".
func parse(t *testing.T, s, element string) *html.Node {
	root := &html.Node{Type: html.ElementNode, Data: element, DataAtom: atom.Lookup([]byte(element))}
	if element == "" {
		page, err := html.Parse(strings.NewReader("<html><head></head><body>" + s))
		if err != nil {
			t.Fatal(err)
		}
		return page.FirstChild.LastChild
	}
	nodes, err := html.ParseFragment(strings.NewReader(s), root)
	if err != nil {
		t.Fatalf("%v in %q", err, s)
	}
	for _, n := range nodes {
		root.AppendChild(n)
	}
	return root
}

// events lists the start and end tags of the tree below n.
func events(n *html.Node) string {
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode {
			b.WriteString("<" + c.Data + ">" + events(c))
			if !in(void, c.Data) {
				b.WriteString("</" + c.Data + ">")
			}
		}
	}
	return b.String()
}

// tags lists the start and end tags in the text s.
func tags(s string) string {
	var b strings.Builder
	for z := html.NewTokenizer(strings.NewReader(s)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.StartTagToken, html.EndTagToken:
			raw := strings.TrimRight(string(z.Raw()), ">")
			raw, _, _ = strings.Cut(raw, " ")
			b.WriteString(raw + ">")
		}
	}
}

func render(t *testing.T, n *html.Node) string {
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if err := html.Render(&b, c); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// checkURL squeezes s as a browser does before it looks for the scheme.
func checkURL(t *testing.T, s, from string) {
	s = strings.TrimLeftFunc(s, func(r rune) bool { return r <= ' ' })
	s = strings.ToLower(strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s))
	scheme, _, found := strings.Cut(s, ":")
	if !found || scheme == "" || scheme[0] < 'a' || scheme[0] > 'z' ||
		strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
		return
	}
	if !in(" cid http https mailto tel ", scheme) {
		t.Fatalf("URL %q from %q", s, from)
	}
}

func checkNode(t *testing.T, n *html.Node, from string) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode {
			if !in(elements, c.Data) && !in(foreign, c.Data) || c.Namespace != "" && !in(foreign, c.Data) {
				t.Fatalf("element %q from %q", c.Data, from)
			}
			for _, a := range c.Attr {
				key := a.Key
				if a.Namespace != "" {
					key = a.Namespace + ":" + key
				}
				if !in(attributes, key) && !strings.HasPrefix(key, "data-") && (c.Data != "svg" || !in(svgAttributes, key)) {
					t.Fatalf("attribute %q from %q", key, from)
				}
				if in(urls, key) {
					checkURL(t, a.Val, from)
				}
				low := strings.ToLower(a.Val)
				if key == "style" && (strings.Contains(low, "url(") || strings.Contains(low, "expression(") ||
					strings.Contains(low, `\`) || strings.Contains(low, "/*")) {
					t.Fatalf("style %q from %q", a.Val, from)
				}
			}
		}
		checkNode(t, c, from)
	}
}

// check is the property: what a browser makes of the sanitised s holds listed markup only, is nested exactly as
// the text says, and does not change by being written out, sanitised and read again.
func check(t *testing.T, s string) {
	out := frappems.SanitizeHTML(s)
	if again := frappems.SanitizeHTML(out); again != out {
		t.Fatalf("not idempotent\n   in %q\n once %q\ntwice %q", s, out, again)
	}
	for _, element := range []string{"body", "div", "td", ""} {
		tree := parse(t, out, element)
		checkNode(t, tree, s)
		if got, want := events(tree), tags(out); got != want {
			t.Fatalf("in <%s> read in another way\n  in %q\n out %q\ntree %s\ntags %s", element, s, out, got, want)
		}
		first := render(t, tree)
		if second := render(t, parse(t, frappems.SanitizeHTML(first), element)); second != first {
			t.Fatalf("in <%s> mutates\n   in %q\n  out %q\nfirst %q\n then %q", element, s, out, first, second)
		}
	}
}

var seeds = []string{
	"<b>ok</b><script>alert(1)</script>", "xss <img src=x onerror=alert(1)>", "<a href='javascript:x'>l</a>",
	"<table><tr><td>x<table>y", "<table>x<caption><b>y<td>z</table>w", "<p><b>x</p>y</b>", "<b><i>x</b>y</i>z",
	"<b>1<p>2</b>3</p>", "<ul><li><div><li>x", "<dd><p><dt>", "<a><div><a>x</a>", "<button><p><button>",
	"<select><option>a<optgroup><option>b<select>c", "<form><div><form></div></form>x", "<pre>\n\nx</pre>",
	"<textarea>\n\n</textarea>", "<title></textarea></title>", "<svg><title><b>x</b></title><path/></svg>",
	"<svg><desc><title></desc><a><a>", "<math><mi><mrow><mtext>x</p>y", "<svg></br>", "<math><svg><mi>",
	"<math><mtext><table><mglyph><style><!--</style><img title=\"--><img src=x onerror=alert(1)>\">",
	"<svg></p><style><a id=\"</style><img src=x onerror=alert(1)>\">", "<noscript><p title=\"</noscript><img src=x>\">",
	"<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>", "<!--><img>-->", "<!--a--!><b>-->",
	"<b style='color:\"&quot;;x:u\\rl(y)\"'>", "<a href='&#106;ava&Tab;script:x' href=y>", "<svg viewbox=1 fill='url(x)'>",
	"<img src=\"`><script>\" alt='\"'>", "<b\x00c>\x00</b>\x01", "<h1><h2><b><h3>", "<colgroup><table><colgroup> <col>x",
	"<b><b><b><b><b>x</b></b></b></b></b>", "<o:p><keygen><command><event-source>", "<a href=1>a<div>b<a href=2>c</a></div>",
}

func FuzzAgainstBrowserParser(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(check)
}

// TestRandomMarkup tries many mixtures of tags, which a fuzzer of bytes finds slowly.
func TestRandomMarkup(t *testing.T) {
	names := strings.Fields(elements + foreign + foreign + ` html head body script style template noscript iframe xmp
		plaintext image ruby rt object marquee frameset nobr table tr td select option p li a b svg math form`)
	odd := []string{"x", " ", "\n", "<!--c-->", "<!--<-->", "&amp;", "&#10;", "\n\n", "<", "</", "<![CDATA[", "]]>", "<?x>", "\x00"}
	attrs := []string{"", "", "", " id=a", " href='javascript:x'", " href=#x", " title='<b>\"&quot;'", " /", " type=hidden"}
	rounds := 30_000
	if testing.Short() {
		rounds = 5_000
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		var b strings.Builder
		few := names[random.IntN(len(names)-8):]
		for range 2 + random.IntN(14) {
			from := names
			if random.IntN(2) == 0 {
				from = few[:8]
			}
			switch name := from[random.IntN(len(from))]; random.IntN(8) {
			case 0:
				b.WriteString(odd[random.IntN(len(odd))])
			case 1, 2:
				b.WriteString("</" + name + ">")
			case 3:
				b.WriteString("x")
			default:
				b.WriteString("<" + name + attrs[random.IntN(len(attrs))] + ">")
			}
		}
		check(t, b.String())
	}
}
