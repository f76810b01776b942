package central

import (
	"bytes"
	"html"
	"io"
	"mime"
	"net/http"
	"regexp"

	"github.com/frappems/frappems"
)

// uploadBody is the body of an upload, on its way to Central. It breaks off where the upload says that the file belongs to a document
// that is not there but in this service: at Central the file would be attached to nothing, or to what the document was before.
type uploadBody struct {
	io.ReadCloser
	r        *http.Request
	boundary []byte
	about    *regexp.Regexp
	window   []byte // the end of what was read before, and what has just been read
	err      error
}

// maxPart is how long the part of an upload that names a DocType can be, with its boundaries.
const maxPart = 2 << 10

// newUploadBody makes one of a request with a multipart body; of any other request it is the body itself.
func newUploadBody(r *http.Request) io.ReadCloser {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return r.Body
	}
	line := "--" + params["boundary"]
	boundary := regexp.QuoteMeta(line)
	const fields = `(?:[^\r\n]+\r\n)*`
	about, err := regexp.Compile(boundary + `\r\n` + fields + `(?i:content-disposition: *form-data; *name="?doctype"?)\r\n` + fields +
		`\r\n([^\r\n]{1,140})\r\n` + boundary)
	if err != nil {
		return r.Body
	}
	return &uploadBody{ReadCloser: r.Body, r: r, boundary: []byte(line), about: about}
}

// Read reads. What names a document of the service is never handed on.
func (b *uploadBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p)
	b.window = append(b.window, p[:n]...)
	var all [][][]byte
	if bytes.Contains(b.window, b.boundary) {
		all = b.about.FindAllSubmatch(b.window, -1)
	}
	for _, found := range all {
		if doctype := string(found[1]); frappems.Keeps(b.r.Context(), doctype) {
			b.err = frappems.Invalid("Documents of <strong>%s</strong> are not kept at the Central Site, which keeps the files: "+
				"upload the file without doctype and docname, and set the field of the document to its file_url", html.EscapeString(doctype))
			return 0, b.err
		}
	}
	if drop := len(b.window) - maxPart; drop > 0 {
		b.window = b.window[:copy(b.window, b.window[drop:])]
	}
	return n, err
}
