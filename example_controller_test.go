package frappems_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/frappems/frappems"
)

// SalesOrder is this class of Frappe's, method by method:
//
//	class SalesOrder(Document):
//	    def validate(self):
//	        if not self.delivery_date or self.delivery_date < self.transaction_date:
//	            frappe.throw(_("Delivery Date is before the order"))
//	        self.calculate_totals()
//	        self.set_status()
//	    def on_submit(self):
//	        self.update_reserved_qty(1)
//	    def before_cancel(self):
//	        self.set_status("Cancelled")
//	    def on_cancel(self):
//	        self.update_reserved_qty(-1)
type SalesOrder struct {
	frappems.Document `doctype:"Sales Order" frappe:"autoname=SO-.#####,is_submittable"`

	Customer        string       `json:"customer" frappe:"Data,reqd"`
	TransactionDate string       `json:"transaction_date" frappe:"Date,default=Today"`
	DeliveryDate    string       `json:"delivery_date" frappe:"Date"`
	Status          string       `json:"status" frappe:"Select:Draft\nTo Deliver\nCancelled,read_only"`
	Items           []*OrderItem `json:"items" frappe:",reqd"`
	TotalQty        float64      `json:"total_qty" frappe:",read_only"`
	GrandTotal      float64      `json:"grand_total" frappe:"Currency,read_only"`
}

// OrderItem is a row of a SalesOrder.
type OrderItem struct {
	frappems.Document `doctype:"Sales Order Item" frappe:"istable"`

	Item   string  `json:"item" frappe:"Link:Bin,reqd"`
	Qty    float64 `json:"qty" frappe:",default=1"`
	Rate   float64 `json:"rate" frappe:"Currency"`
	Amount float64 `json:"amount" frappe:"Currency,read_only"`
}

// Bin is what there is of an item.
type Bin struct {
	frappems.Document `doctype:"Bin" frappe:"autoname=field:item"`

	Item        string  `json:"item"`
	ActualQty   float64 `json:"actual_qty"`
	ReservedQty float64 `json:"reserved_qty"`
}

// Validate refuses an order that cannot be delivered, and computes what follows from its rows.
func (o *SalesOrder) Validate(ctx context.Context, db *frappems.DB) error {
	if o.DeliveryDate < o.TransactionDate {
		return frappems.Invalid("The delivery on %s is before the order", o.DeliveryDate)
	}
	o.TotalQty, o.GrandTotal = 0, 0
	for _, item := range o.Items {
		item.Amount = item.Qty * item.Rate
		o.TotalQty += item.Qty
		o.GrandTotal += item.Amount
	}
	o.Status = "Draft"
	return nil
}

// BeforeSubmit sets the status that goes with it.
func (o *SalesOrder) BeforeSubmit(ctx context.Context, db *frappems.DB) error {
	o.Status = "To Deliver"
	return nil
}

// OnSubmit reserves what was ordered.
func (o *SalesOrder) OnSubmit(ctx context.Context, db *frappems.DB) error {
	return o.reserve(ctx, db, 1)
}

// BeforeCancel sets the status that goes with it.
func (o *SalesOrder) BeforeCancel(ctx context.Context, db *frappems.DB) error {
	o.Status = "Cancelled"
	return nil
}

// OnCancel gives back what OnSubmit reserved.
func (o *SalesOrder) OnCancel(ctx context.Context, db *frappems.DB) error {
	return o.reserve(ctx, db, -1)
}

func (o *SalesOrder) reserve(ctx context.Context, db *frappems.DB, sign float64) error {
	for _, item := range o.Items {
		bin, err := frappems.Get[Bin](ctx, db, item.Item)
		if err != nil {
			return err
		}
		bin.ReservedQty += sign * item.Qty
		if bin.ReservedQty > bin.ActualQty {
			return frappems.Invalid("There are only %g of %s", bin.ActualQty, bin.Name)
		}
		if err := frappems.Save(ctx, db, bin); err != nil {
			return err
		}
	}
	return nil
}

// A controller is a Go struct with the methods of a Frappe controller. This one brings its DocTypes, too; where there is JSON
// of them, frappems gen writes the structs.
func ExampleController() {
	app, err := frappems.New(frappems.Config{
		Store:  frappems.NewMemoryStore(),
		Logger: slog.New(slog.DiscardHandler),
		Types:  []*frappems.DocType{frappems.DocTypeOf[SalesOrder](), frappems.DocTypeOf[OrderItem](), frappems.DocTypeOf[Bin]()},
	})
	if err != nil {
		log.Fatal(err)
	}
	frappems.Controller[SalesOrder](app)
	frappems.Controller[Bin](app)
	ctx := context.Background()
	if err := app.Start(ctx); err != nil {
		log.Fatal(err)
	}
	db, err := app.AsTenant(ctx, "acme")
	if err != nil {
		log.Fatal(err)
	}
	for _, item := range []string{"Bolt", "Nut"} {
		if err := frappems.Insert(ctx, db, &Bin{Item: item, ActualQty: 100}); err != nil {
			log.Fatal(err)
		}
	}
	reserved := func() string {
		bolt, err := frappems.Get[Bin](ctx, db, "Bolt")
		if err != nil {
			log.Fatal(err)
		}
		return fmt.Sprintf("%g of %g bolts are reserved", bolt.ReservedQty, bolt.ActualQty)
	}

	order := &SalesOrder{Customer: "Ada", TransactionDate: "2026-03-15", DeliveryDate: "2026-03-01",
		Items: []*OrderItem{{Item: "Bolt", Qty: 40, Rate: 0.25}, {Item: "Nut", Rate: 1.5}}}
	fmt.Println(frappems.Insert(ctx, db, order))
	order.DeliveryDate = "2026-03-20"
	if err := frappems.Insert(ctx, db, order); err != nil {
		log.Fatal(err)
	}
	fmt.Println(order.Name, order.Status, order.TotalQty, order.GrandTotal)

	submitted, err := db.Submit(ctx, "Sales Order", order.Name)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(submitted.Get("status"), reserved())

	big := &SalesOrder{Customer: "Bob", DeliveryDate: "2999-12-31", Items: []*OrderItem{{Item: "Bolt", Qty: 61}}}
	if err := frappems.Insert(ctx, db, big); err != nil {
		log.Fatal(err)
	}
	_, err = db.Submit(ctx, "Sales Order", big.Name)
	fmt.Println(err, "-", reserved())

	cancelled, err := db.Cancel(ctx, "Sales Order", order.Name)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cancelled.Get("status"), reserved())
	// Output:
	// ValidationError: The delivery on 2026-03-01 is before the order
	// SO-00001 Draft 41 11.5
	// To Deliver 40 of 100 bolts are reserved
	// ValidationError: There are only 100 of Bolt - 40 of 100 bolts are reserved
	// Cancelled 0 of 100 bolts are reserved
}
