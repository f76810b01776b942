// Central is a Central Site with one user, ada@example.com of the tenant acme with the API key ada:secret, for scripts that try a service
// which lets in the users of one. It prints its address, and serves until it is ended.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
)

// answers are what it says to the user, by path.
var answers = map[string]string{
	"/api/method/frappe.auth.get_logged_user":                                              `{"message": "ada@example.com"}`,
	"/api/method/frappe.core.doctype.user.user.get_roles":                                  `{"message": ["Sales User", "All", "Guest", "Desk User"]}`,
	"/api/method/frappe.core.doctype.user_permission.user_permission.get_user_permissions": `{"message": {}}`,
	"/api/resource/User/ada@example.com":                                                   `{"data": {"name": "ada@example.com", "enabled": 1, "full_name": "Ada", "tenant_id": "acme"}}`,
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(answer)))
}

func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	body, known := answers[r.URL.Path]
	switch {
	case r.Header.Get("Authorization") != "token ada:secret":
		w.WriteHeader(http.StatusUnauthorized)
		body = `{"exc_type": "AuthenticationError"}`
	case !known:
		w.WriteHeader(http.StatusNotFound)
		body = `{"exc_type": "DoesNotExistError"}`
	}
	fmt.Fprint(w, body)
}
