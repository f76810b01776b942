package orders

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/examples/orders/model"
)

// order is what a controller by hand needs of a Sales Order: rows by value, and not one field more.
type order struct {
	frappems.Document `doctype:"Sales Order"`

	OrderDate    string  `json:"order_date"`
	DeliveryDate string  `json:"delivery_date"`
	Status       string  `json:"status"`
	Items        []line  `json:"items"`
	Discount     float64 `json:"discount"`
	TotalQty     float64 `json:"total_qty"`
	Total        float64 `json:"total"`
	GrandTotal   float64 `json:"grand_total"`
}

type line struct {
	frappems.Document

	Item   string  `json:"item"`
	Qty    float64 `json:"qty"`
	Price  float64 `json:"price"`
	Amount float64 `json:"amount"`
}

type stocked struct {
	frappems.Document `doctype:"Item"`

	Name_ string  `json:"item_name"`
	Unit  string  `json:"unit"`
	Stock float64 `json:"stock"`
}

func (o *order) Validate(ctx context.Context, db *frappems.DB) error {
	if o.DeliveryDate != "" && o.DeliveryDate < o.OrderDate {
		return frappems.Invalid("The delivery on %s is before the order on %s", o.DeliveryDate, o.OrderDate)
	}
	o.TotalQty, o.Total = 0, 0
	for i := range o.Items {
		o.Items[i].Amount = math.Round(o.Items[i].Qty*o.Items[i].Price*100) / 100
		o.TotalQty += o.Items[i].Qty
		o.Total += o.Items[i].Amount
	}
	o.GrandTotal = math.Round(o.Total*(100-o.Discount)) / 100
	return nil
}

func (o *order) BeforeSubmit(ctx context.Context, db *frappems.DB) error {
	o.Status = "Confirmed"
	return nil
}

func (o *order) OnSubmit(ctx context.Context, db *frappems.DB) error { return o.move(ctx, db, -1) }

func (o *order) BeforeCancel(ctx context.Context, db *frappems.DB) error {
	o.Status = "Closed"
	return nil
}

func (o *order) OnCancel(ctx context.Context, db *frappems.DB) error { return o.move(ctx, db, 1) }

func (o *order) move(ctx context.Context, db *frappems.DB, sign float64) error {
	for _, line := range o.Items {
		item, err := frappems.Get[stocked](ctx, db, line.Item)
		if err != nil {
			return err
		}
		if item.Unit == "Hour" {
			continue
		}
		if item.Stock += sign * line.Qty; item.Stock < 0 {
			return frappems.Invalid("There are only %g of %s", item.Stock+line.Qty, item.Name_)
		}
		if err := frappems.Save(ctx, db, item); err != nil {
			return err
		}
	}
	return nil
}

// Controllers of generated structs and of structs by hand do the same.
func TestControllers(t *testing.T) {
	for name, register := range map[string]func(app *frappems.App){
		"generated": model.Register,
		"by hand": func(app *frappems.App) {
			frappems.Controller[order](app)
			frappems.Controller[stocked](app)
		},
	} {
		t.Run(name, func(t *testing.T) {
			app, err := frappems.New(frappems.Config{DocTypes: DocTypes(), Store: frappems.NewMemoryStore(), Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			register(app)
			if err := app.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			db, err := app.AsTenant(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			s := &scenario{T: t, db: db}
			s.run()
			want := []string{
				"insert: 5.5 64.25 57.83 Draft, stock 10, remark Back door; rows BOLT 10 left, GLUE 1.75 , WORK 52.5 ",
				"insert: ValidationError: The delivery on 2026-03-01 is before the order on 2026-03-15",
				"save: 7.5 84.25 75.83 Draft, stock 10, remark Back door; rows BOLT 30 left, GLUE 1.75 , WORK 52.5 ",
				"submit: 7.5 84.25 75.83 Confirmed, stock 7, remark Back door; rows BOLT 30 left, GLUE 1.75 , WORK 52.5 ",
				"submit: ValidationError: There are only 7 of Bolt, stock 7",
				"cancel: 7.5 84.25 75.83 Closed, stock 10, remark Back door; rows BOLT 30 left, GLUE 1.75 , WORK 52.5 ",
			}
			if !slices.Equal(s.log, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(s.log, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// scenario leads an order through its life, and notes what became of it.
type scenario struct {
	*testing.T
	db  *frappems.DB
	log []string
}

func (s *scenario) run() {
	s.insert("Customer Group", map[string]any{"group_name": "All"})
	s.insert("Customer", map[string]any{"customer_name": "Ada", "customer_group": "All"})
	for _, item := range []string{"BOLT Piece", "GLUE Kilogram", "WORK Hour"} {
		code, unit, _ := strings.Cut(item, " ")
		s.insert("Item", map[string]any{"item_code": code, "item_name": code[:1] + strings.ToLower(code[1:]), "unit": unit, "price": 1, "stock": 10})
	}
	values := map[string]any{"customer": "Ada", "order_date": "2026-03-15", "delivery_date": "2026-03-20", "discount": 10, "customer_remark": "Back door",
		"items": []map[string]any{{"item": "BOLT", "price": 10, "remark": "left"}, {"item": "GLUE", "qty": 3.5, "price": 0.5}, {"item": "WORK", "price": 52.5}}}
	d, err := s.db.Insert(s.Context(), "Sales Order", values)
	s.note("insert", d, err)
	if err != nil {
		return
	}
	values["delivery_date"] = "2026-03-01"
	_, err = s.db.Insert(s.Context(), "Sales Order", values)
	s.log = append(s.log, fmt.Sprintf("insert: %v", err))
	if err := d.Get("items").([]*frappems.Doc)[0].Set("qty", 3); err != nil {
		s.Fatal(err)
	}
	s.note("save", d, s.db.Save(s.Context(), d))
	submitted, err := s.db.Submit(s.Context(), "Sales Order", d.Name())
	s.note("submit", submitted, err)
	values["delivery_date"], values["items"] = nil, []map[string]any{{"item": "BOLT", "qty": 8}}
	if big, err := s.db.Insert(s.Context(), "Sales Order", values); err != nil {
		s.Fatal(err)
	} else {
		_, err = s.db.Submit(s.Context(), "Sales Order", big.Name())
		s.log = append(s.log, fmt.Sprintf("submit: %v, stock %v", err, s.stock()))
	}
	cancelled, err := s.db.Cancel(s.Context(), "Sales Order", d.Name())
	s.note("cancel", cancelled, err)
}

func (s *scenario) insert(doctype string, values map[string]any) {
	s.Helper()
	if _, err := s.db.Insert(s.Context(), doctype, values); err != nil {
		s.Fatal(err)
	}
}

func (s *scenario) stock() any {
	s.Helper()
	d, err := s.db.Get(s.Context(), "Item", "BOLT")
	if err != nil {
		s.Fatal(err)
	}
	return d.Get("stock")
}

func (s *scenario) note(what string, d *frappems.Doc, err error) {
	s.Helper()
	if err != nil {
		s.Errorf("%s: %v", what, err)
		return
	}
	var rows []string
	for _, row := range d.Get("items").([]*frappems.Doc) {
		remark, _ := row.Get("remark").(string)
		rows = append(rows, fmt.Sprint(row.Get("item"), " ", row.Get("amount"), " ", remark))
	}
	s.log = append(s.log, fmt.Sprintf("%s: %v %v %v %v, stock %v, remark %v; rows %s", what, d.Get("total_qty"), d.Get("total"),
		d.Get("grand_total"), d.Get("status"), s.stock(), d.Get("customer_remark"), strings.Join(rows, ", ")))
}
