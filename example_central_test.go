package frappems_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/frappems/frappems"
)

// centralSite stands in for a Frappe site that has the customers Fritz Laden and Ada's Garage.
func centralSite() *httptest.Server {
	app := newApp(frappems.Config{DocTypes: customers})
	app.Resource("Customer")
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	db, err := app.AsTenant(context.Background(), "acme")
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"Fritz Laden", "Ada's Garage"} {
		if _, err := db.Insert(context.Background(), "Customer", map[string]any{"customer_name": name, "credit_limit": 500}); err != nil {
			log.Fatal(err)
		}
	}
	return httptest.NewServer(app)
}

// Documents are read into structs or maps, and written from them. Names may hold any character.
func ExampleCentral() {
	site := centralSite()
	defer site.Close()
	erp, err := frappems.NewCentral(frappems.CentralConfig{URL: site.URL, APIKey: "ada", APISecret: "adasecret"})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	var customer struct {
		Name        string  `json:"name"`
		CreditLimit float64 `json:"credit_limit"`
	}
	if err := erp.GetDoc(ctx, "Customer", "Ada's Garage", &customer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(customer.Name, customer.CreditLimit)

	if err := erp.Update(ctx, "Customer", customer.Name, map[string]any{"credit_limit": 750}); err != nil {
		log.Fatal(err)
	}
	var names []map[string]string
	above := frappems.ListOptions{Filters: map[string]any{"credit_limit": []any{">", 600}}}
	if err := erp.GetList(ctx, "Customer", above, &names); err != nil {
		log.Fatal(err)
	}
	fmt.Println(names)

	err = erp.Insert(ctx, "Customer", map[string]any{"customer_name": "Bob", "kind": "Robot"})
	var refusal *frappems.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Code, refusal.Message)
	}
	// Output:
	// Ada's Garage 500
	// [map[name:Ada's Garage]]
	// ValidationError  Kind cannot be "Robot". It should be one of "Company", "Individual"
}

// A hook runs in a transaction, which a write to Central waits for. Links to customers, who are left at Central, are checked there.
func ExampleApp_Central() {
	site := centralSite()
	defer site.Close()
	orders := frappems.DocType{Name: "Order", Autoname: "prompt", Fields: []frappems.Field{
		{Fieldname: "customer", Fieldtype: "Link", Options: "Customer", Label: "Customer"}, {Fieldname: "total", Fieldtype: "Currency"}},
		Permissions: []frappems.DocPerm{{Role: "Sales User", Read: true, Create: true}}}
	app := newApp(frappems.Config{
		Types:       []*frappems.DocType{&orders},
		Central:     frappems.CentralConfig{URL: site.URL, APIKey: "ada", APISecret: "adasecret"},
		RemoteLinks: frappems.CheckRemoteLinks,
	})
	app.Resource("Order")
	app.On("Order", frappems.AfterInsert, func(ctx context.Context, db *frappems.DB, d *frappems.Doc) error {
		customer := fmt.Sprint(d.Get("customer"))
		db.AfterCommit(ctx, func(ctx context.Context) {
			if err := app.Central().SetValue(ctx, "Customer", customer, map[string]any{"credit_limit": 450}); err != nil {
				log.Print(err)
			}
		})
		return nil
	})
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	for _, customer := range []string{"fritz laden", "Nobody"} {
		r := httptest.NewRequest("POST", "/api/resource/Order", strings.NewReader(`{"__newname": "O-1", "customer": "`+customer+`", "total": 50}`))
		r.Header.Set("Authorization", "token ada:adasecret")
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		var answer struct {
			Data      struct{ Customer string }
			Exception string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			log.Fatal(err)
		}
		fmt.Println(w.Code, cmp.Or(answer.Data.Customer, answer.Exception))
	}
	var limit float64
	if err := app.Central().GetValue(context.Background(), "Customer", "Fritz Laden", "credit_limit", &limit); err != nil {
		log.Fatal(err)
	}
	fmt.Println("credit:", limit)
	// Output:
	// 200 Fritz Laden
	// 417 frappe.exceptions.LinkValidationError: Could not find Customer: Nobody
	// credit: 450
}

// In the name of who calls: Central sees the caller's own token or session, and decides by it.
func ExampleCentral_AsCaller() {
	site := centralSite()
	defer site.Close()
	app := newApp(frappems.Config{Central: frappems.CentralConfig{URL: site.URL}})
	app.Handle("GET /customers", frappems.JSON(func(ctx context.Context, _ struct{}) (list []map[string]any, err error) {
		err = app.Central().AsCaller().GetList(ctx, "Customer", frappems.ListOptions{OrderBy: "name"}, &list)
		return list, err
	}))
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	call(app, "GET", "/customers", "")
	// Output:
	// 200 [{"name":"Ada's Garage"},{"name":"Fritz Laden"}]
}
