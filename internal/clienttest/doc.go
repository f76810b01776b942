// Package clienttest has the clients that people use drive a service: frappe-js-sdk of npm and frappe-client of PyPI, as they
// are published. Its test needs Node and Python, and gets the packages from their registries.
package clienttest
