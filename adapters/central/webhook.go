package central

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"

	"github.com/frappems/frappems"
)

const (
	// signatureHeader has the HMAC-SHA256 of the body, in base64, as Frappe's Webhook with "Enable Security" sends it.
	signatureHeader = "X-Frappe-Webhook-Signature"
	secretHeader    = "X-Revoke-Secret"
	minSecret       = 16
	maxNotice       = 1 << 20
)

// notice is what is posted to the handlers: what changed at Central, or what to revoke.
type notice struct {
	DocType string `json:"doctype"` // at Central
	Name    string `json:"name"`
	User    string `json:"user"` // whom it is about

	Credential string `json:"credential"`
	All        bool   `json:"all"`
}

// WebhookHandler receives Central's webhooks on User, User Permission, Role, DocPerm and the like, and revokes at once what they
// are about: one user where the body has {"doctype": "User", "name": …} or {"doctype": "User Permission", "user": …}, else
// everything. Secret is the webhooks' own, of at least 16 bytes; a shorter one is a mistake in the program, and panics. What is
// not signed with it gets 401.
func (a *Authenticator) WebhookHandler(secret string) http.Handler {
	mustSecret("WebhookHandler", secret)
	return frappems.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		body, err := readNotice(w, r)
		if err != nil {
			return err
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		signature, err := base64.StdEncoding.DecodeString(r.Header.Get(signatureHeader))
		if err != nil || !hmac.Equal(signature, mac.Sum(nil)) {
			return errRefused
		}
		var n notice
		if json.Unmarshal(body, &n) != nil {
			n = notice{} // it is Central's, and says that something changed
		}
		switch {
		case n.DocType == "User" && n.Name != "":
			a.Revoke(n.Name)
		case n.DocType == "User Permission" && n.User != "":
			a.Revoke(n.User)
		default:
			a.RevokeAll()
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

// RevokeHandler is Revoke, RevokeCredential and RevokeAll as an endpoint: it takes {"user": …}, {"credential": …} or
// {"all": true} by POST, from who has the secret in the header X-Revoke-Secret. A secret of less than 16 bytes is a mistake in
// the program, and panics.
func (a *Authenticator) RevokeHandler(secret string) http.Handler {
	mustSecret("RevokeHandler", secret)
	want := sha256.Sum256([]byte(secret))
	return frappems.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		got := sha256.Sum256([]byte(r.Header.Get(secretHeader)))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			return errRefused
		}
		body, err := readNotice(w, r)
		if err != nil {
			return err
		}
		var n notice
		if err := json.Unmarshal(body, &n); err != nil {
			return frappems.Invalid("The body is no JSON object")
		}
		switch {
		case n.All:
			a.RevokeAll()
		case n.User != "":
			a.Revoke(n.User)
		case n.Credential != "":
			a.RevokeCredential(n.Credential)
		default:
			return frappems.Invalid(`Want {"user": …}, {"credential": …} or {"all": true}`)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

// mustSecret refuses a secret that is none, such as that of an environment variable which is not set.
func mustSecret(method, secret string) {
	if len(secret) < minSecret {
		_, file, line, _ := runtime.Caller(2)
		panic(fmt.Sprintf("central: %s at %s:%d: the secret has %d bytes, want at least %d", method, file, line, len(secret), minSecret))
	}
}

// readNotice reads the body of a POST.
func readNotice(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, &frappems.Error{Code: frappems.MethodNotAllowedError}
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxNotice))
}
