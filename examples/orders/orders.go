// Package orders is a whole example service: the sales orders of a small shop, as DocTypes, users and sample documents.
// The command frappems serves it when it is started without flags.
package orders

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed doctypes samples users.json
var files embed.FS

// DocTypes is a directory of Frappe's own DocType JSON, one file for each, as Config.DocTypes takes it.
func DocTypes() fs.FS {
	dir, err := fs.Sub(files, "doctypes")
	if err != nil {
		panic(err) // only an invalid name is an error, and this one is a constant
	}
	return dir
}

// Users is a users file: an administrator, a manager and two clerks of tenant acme, a manager of tenant globex. The
// secrets in it are public, so it is for trying things out only.
func Users() []byte {
	data, err := files.ReadFile("users.json")
	if err != nil {
		panic(err) // the file is part of the binary
	}
	return data
}

// Sample is one document to start with.
type Sample struct {
	Tenant  string
	DocType string
	Values  map[string]any // as a client would send them to create it
}

// Samples are documents for both tenants, each after those that it links to. They are to be created in this order.
func Samples() ([]Sample, error) {
	names, err := fs.Glob(files, "samples/*.json")
	if err != nil {
		return nil, err
	}
	var samples []Sample
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var docs []map[string]any
		if err := json.Unmarshal(data, &docs); err != nil {
			return nil, fmt.Errorf("orders: %s: %w", name, err)
		}
		tenant := strings.TrimSuffix(path.Base(name), ".json")
		for i, values := range docs {
			doctype, _ := values["doctype"].(string)
			if doctype == "" {
				return nil, fmt.Errorf("orders: %s: document %d has no doctype", name, i+1)
			}
			delete(values, "doctype")
			samples = append(samples, Sample{Tenant: tenant, DocType: doctype, Values: values})
		}
	}
	return samples, nil
}
