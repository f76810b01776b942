package frappems

import (
	"net/http"
	"strings"
)

// versionTag is the ETag of a document that was modified at this time: its digits, down to the microsecond.
func versionTag(modified string) string {
	tag := []byte(`"00000000000000000000"`)
	for i, at := 0, 1; i < len(modified) && at < len(tag)-1; i++ {
		if c := modified[i]; c >= '0' && c <= '9' {
			tag[at] = c
			at++
		}
	}
	return string(tag)
}

func (d *Doc) tag() string { return versionTag(toText(d.values[slotModified])) }

// matchesTag says whether a header If-Match or If-None-Match names a tag. Proxies that compress make tags weak, which changes
// nothing here.
func matchesTag(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == tag {
			return true
		}
	}
	return false
}

// checkMatch refuses to change a document that is not the one which the header If-Match names. Who may not change it anyway is
// told that instead.
func (db *DB) checkMatch(r *http.Request, d *Doc, need right) error {
	header := r.Header.Get("If-Match")
	if header == "" || matchesTag(header, d.tag()) {
		return nil
	}
	if err := db.accessTo(d.meta).checkDoc(need, d); err != nil {
		return err
	}
	return Errorf(PreconditionFailedError, "%s %s has been modified: it is %s now, and not %s. Please refresh to get the latest document.",
		escapeHTML(d.meta.Name), bold(d.Name()), escapeHTML(d.tag()), quoteShort(header))
}
