package central

import (
	"bytes"
	"html"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/frappems/frappems"
)

// uploadBody is the body of an upload, on its way to Central. It breaks off where the upload says that the file belongs to a document
// that is not there but in this service: at Central the file would be attached to nothing, or to what the document was before.
type uploadBody struct {
	io.ReadCloser
	r        *http.Request
	boundary []byte
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
	return &uploadBody{ReadCloser: r.Body, r: r, boundary: []byte("--" + params["boundary"])}
}

// Read reads. What names a document of the service is never handed on.
func (b *uploadBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p)
	b.window = append(b.window, p[:n]...)
	// A part ends with a boundary, and only one that has just come can end one that has not been looked at.
	if fresh := max(0, len(b.window)-n-len(b.boundary)); bytes.Contains(b.window[fresh:], b.boundary) {
		parts := bytes.Split(b.window, b.boundary)
		for _, part := range parts[1 : len(parts)-1] {
			if doctype := doctypeOf(part); doctype != "" && frappems.Keeps(b.r.Context(), doctype) {
				b.err = frappems.Invalid("Documents of <strong>%s</strong> are not kept at the Central Site, which keeps the files: "+
					"upload the file without doctype and docname, and set the field of the document to its file_url", html.EscapeString(doctype))
				return 0, b.err
			}
		}
	}
	if drop := len(b.window) - maxPart; drop > 0 {
		b.window = b.window[:copy(b.window, b.window[drop:])]
	}
	return n, err
}

// doctypeOf is the value of a part that is the field doctype, and empty for every other part.
func doctypeOf(part []byte) string {
	head, value, ok := bytes.Cut(part, []byte("\r\n\r\n"))
	if !ok || len(part) > maxPart || !bytes.Contains(head, []byte("doctype")) {
		return ""
	}
	for line := range strings.Lines(string(head)) {
		key, field, _ := strings.Cut(strings.TrimSpace(line), ":")
		if _, params, err := mime.ParseMediaType(field); strings.EqualFold(key, "Content-Disposition") && err == nil && params["name"] == "doctype" {
			return strings.TrimSuffix(string(value), "\r\n")
		}
	}
	return ""
}
