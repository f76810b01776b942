package frappemstest

import (
	"context"

	"github.com/frappems/frappems"
)

// isolationSingle is the Single DocType.
const isolationSingle = "Depot Settings"

// isolationDocTypes have every way of naming, unique fields, links with what is fetched through them, Dynamic Links, two child
// tables, passwords, a tree, a Single, documents that are submitted and a field that shows the tenant. They come in an order in
// which each links to earlier ones only.
func isolationDocTypes() []*frappems.DocType {
	field := func(name, kind, options string) frappems.Field {
		return frappems.Field{Fieldname: name, Fieldtype: kind, Options: options}
	}
	unique := func(name string) frappems.Field {
		return frappems.Field{Fieldname: name, Fieldtype: "Data", Unique: true}
	}
	fetched := func(name, kind, from string) frappems.Field {
		return frappems.Field{Fieldname: name, Fieldtype: kind, FetchFrom: from}
	}
	remarks, points, secret := field("remarks", "Small Text", ""), field("points", "Int", ""), field("secret", "Password", "")
	rules := isolationRules()
	return []*frappems.DocType{
		{Name: "Region", Autoname: "prompt", AllowRename: true, Permissions: rules, Fields: []frappems.Field{remarks, points,
			field("parent_region", "Link", "Region"), field("lft", "Int", ""), field("rgt", "Int", "")}},
		{Name: "Party", Autoname: "field:party_name", AllowRename: true, Permissions: rules, SearchFields: "tax_id", Fields: []frappems.Field{
			field("party_name", "Data", ""), unique("tax_id"), remarks, points, secret, field("credit", "Currency", ""),
			field("region", "Link", "Region"), field("disabled", "Check", "")}},
		{Name: "Gadget", Autoname: "format:GAD-{kind}-{####}", Permissions: rules, Fields: []frappems.Field{
			field("kind", "Select", "A\nB"), unique("code"), remarks, points, field("price", "Currency", "")}},
		{Name: "Parcel Item", IsTable: true, Fields: []frappems.Field{unique("serial_no"), remarks, field("gadget", "Link", "Gadget"),
			fetched("gadget_code", "Data", "gadget.code"), fetched("price", "Currency", "gadget.price"), field("qty", "Int", "")}},
		{Name: "Parcel Tag", IsTable: true, Autoname: "autoincrement", Fields: []frappems.Field{remarks, field("region", "Link", "Region")}},
		{Name: "Parcel", Autoname: "naming_series:", IsSubmittable: true, Permissions: rules, Fields: []frappems.Field{
			field("naming_series", "Select", "PRC-.YYYY.-\nBOX-"), remarks, points, secret, field("party", "Link", "Party"),
			fetched("party_points", "Int", "party.points"), fetched("party_remarks", "Small Text", "party.remarks"),
			field("ref_type", "Select", "Region\nParty\nGadget"), field("ref_name", "Dynamic Link", "ref_type"),
			field("items", "Table", "Parcel Item"), field("tags", "Table", "Parcel Tag"), field("amended_from", "Link", "Parcel")}},
		{Name: "Ticket", Autoname: "autoincrement", Permissions: rules, Fields: []frappems.Field{
			remarks, points, field("tenant_id", "Data", ""), field("party", "Link", "Party")}},
		{Name: "Memo", AllowRename: true, Permissions: rules, Fields: []frappems.Field{remarks, points, field("ref_type", "Select", "Party\nParcel\nTicket"),
			field("ref_name", "Dynamic Link", "ref_type"), field("tags", "Table", "Parcel Tag")}},
		{Name: "Quota", Autoname: "QTA-.####", Permissions: rules, Fields: []frappems.Field{remarks, points, field("region", "Link", "Region")}},
		{Name: isolationSingle, IsSingle: true, Permissions: rules, Fields: []frappems.Field{remarks, points, secret,
			field("region", "Link", "Region"), field("tags", "Table", "Parcel Tag")}},
	}
}

// isolationRules: managers may do everything, clerks delete only what they made and never submit, readers see names.
func isolationRules() []frappems.DocPerm {
	return []frappems.DocPerm{
		{Role: "Manager", Read: true, Write: true, Create: true, Delete: true, Submit: true, Cancel: true, Amend: true, Report: true},
		{Role: "Clerk", Read: true, Write: true, Create: true},
		{Role: "Clerk", IfOwner: true, Delete: true},
		{Role: "Reader", Select: true},
	}
}

// programInput is what the routes take that are written by hand.
type programInput struct {
	DocType string         `json:"doctype"`
	Name    string         `json:"name"`
	Fields  map[string]any `json:"fields"`
}

// handleProgram adds routes that reach documents as a program does, by the methods of [frappems.DB].
func handleProgram(app *frappems.App) {
	handle := func(pattern string, f func(ctx context.Context, db *frappems.DB, in programInput) (map[string]any, error)) {
		app.Handle(pattern, frappems.JSON(func(ctx context.Context, in programInput) (map[string]any, error) {
			db, err := app.DB(ctx)
			if err != nil {
				return nil, err
			}
			data, err := f(ctx, db, in)
			return map[string]any{"data": data}, err
		}))
	}
	touch := func(ctx context.Context, in programInput, remarks string) (map[string]any, error) {
		db, err := app.DB(ctx)
		if err != nil {
			return nil, err
		}
		if remarks != "" {
			d, err := db.SetValue(ctx, in.DocType, in.Name, map[string]any{"remarks": remarks})
			if err != nil {
				return nil, err
			}
			return map[string]any{"name": d.Name()}, nil
		}
		count, err := db.Count(ctx, in.DocType, map[string]any{"name": in.Name})
		return map[string]any{"count": count}, err
	}
	app.Method("isolation.touch", frappems.AllowSignedIn(), frappems.JSON(func(ctx context.Context, in struct {
		programInput
		Remarks string `json:"remarks"`
	}) (map[string]any, error) {
		return touch(ctx, in.programInput, in.Remarks)
	}))
	app.Method("isolation.look", frappems.AllowSignedIn(), frappems.JSON(func(ctx context.Context, in programInput) (map[string]any, error) {
		return touch(ctx, in, "")
	}), frappems.Safe())
	handle("GET /program/{doctype}", func(ctx context.Context, db *frappems.DB, in programInput) (map[string]any, error) {
		names := []any{}
		rows, err := db.List(ctx, in.DocType, frappems.ListOptions{OrderBy: "creation"})
		for _, row := range rows {
			names = append(names, row["name"])
		}
		return map[string]any{"names": names}, err
	})
	handle("GET /program/{doctype}/{name}", func(ctx context.Context, db *frappems.DB, in programInput) (map[string]any, error) {
		exists, err := db.Exists(ctx, in.DocType, in.Name)
		if err != nil {
			return nil, err
		}
		count, err := db.Count(ctx, in.DocType, map[string]any{"name": in.Name})
		return map[string]any{"exists": exists, "count": count}, err
	})
	handle("POST /program/{doctype}", func(ctx context.Context, db *frappems.DB, in programInput) (map[string]any, error) {
		d, err := db.Insert(ctx, in.DocType, in.Fields)
		if err != nil {
			return nil, err
		}
		return map[string]any{"name": d.Name(), "owner": d.Get("owner")}, nil
	})
	handle("PUT /program/{doctype}/{name}", func(ctx context.Context, db *frappems.DB, in programInput) (map[string]any, error) {
		d, err := db.Get(ctx, in.DocType, in.Name)
		if err != nil {
			return nil, err
		}
		for field, value := range in.Fields {
			if err := d.Set(field, value); err != nil {
				return nil, err
			}
		}
		return map[string]any{"remarks": d.Get("remarks")}, db.Save(ctx, d)
	})
	handle("DELETE /program/{doctype}/{name}", func(ctx context.Context, db *frappems.DB, in programInput) (map[string]any, error) {
		return nil, db.Delete(ctx, in.DocType, in.Name)
	})
}
