package central_test

import (
	"context"
	"expvar"
	"log"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/central"
)

// A service of Sales Orders before a Frappe site, which has everything else.
func ExampleNewProxy() {
	proxy := central.NewProxy(central.ProxyConfig{URL: "https://erp.example.com"})
	app, err := frappems.New(frappems.Config{
		Name:     "orders",
		Types:    []*frappems.DocType{{Name: "Sales Order", Fields: []frappems.Field{{Fieldname: "customer", Fieldtype: "Link", Options: "Customer"}}}},
		Store:    frappems.NewMemoryStore(),
		Fallback: proxy,
	})
	if err != nil {
		log.Fatal(err)
	}
	app.Resource("Sales Order")
	expvar.Publish("orders", expvar.Func(func() any { return app.Stats() }))
	expvar.Publish("central", expvar.Func(func() any { return proxy.Stats() }))
	log.Fatal(app.Run(context.Background()))
}

// Before Sales Orders move, Central's answers are compared with those of an App beside it.
func ExampleShadowConfig() {
	config := frappems.Config{Types: []*frappems.DocType{{Name: "Sales Order"}}, Store: frappems.NewMemoryStore()}
	shadow, err := frappems.New(config)
	if err != nil {
		log.Fatal(err)
	}
	shadow.Resource("Sales Order")
	if err := shadow.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	config.Fallback = central.NewProxy(central.ProxyConfig{URL: "https://erp.example.com",
		Shadow: central.ShadowConfig{Handler: shadow, DocTypes: []string{"Sales Order"}, Ignore: []string{"modified"}}})
	app, err := frappems.New(config) // without app.Resource("Sales Order")
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(app.Run(context.Background()))
}
