// Package differential sends the same to all stores, and wants the same bytes: random statements, Frappe's recorded traffic, and
// the lives of generated documents of all of Frappe's DocTypes.
package differential
