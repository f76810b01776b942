// Package central connects a frappems service with its Central Site: the Frappe site that keeps the users, and the DocTypes that
// have not moved.
package central
