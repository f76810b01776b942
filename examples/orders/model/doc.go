// Package model has the example's DocTypes as Go structs, which "frappems gen" wrote, and the controllers that were written
// for them by hand. Register gives them to an App.
package model
