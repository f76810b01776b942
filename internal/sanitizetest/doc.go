// Package sanitizetest checks frappems.SanitizeHTML against an HTML parser that works as a browser does. It is a
// module of its own, so that the core needs no other module.
package sanitizetest
