package model

import (
	"context"
	"math"

	"github.com/frappems/frappems"
)

// Validate refuses an order that would be delivered before it was made, and computes what follows from its rows.
func (o *SalesOrder) Validate(ctx context.Context, db *frappems.DB) error {
	if o.DeliveryDate != "" && o.DeliveryDate < o.OrderDate {
		return frappems.Invalid("The delivery on %s is before the order on %s", o.DeliveryDate, o.OrderDate)
	}
	o.TotalQty, o.Total = 0, 0
	for _, item := range o.Items {
		item.Amount = cents(item.Qty * item.Price)
		o.TotalQty += item.Qty
		o.Total += item.Amount
	}
	o.Total = cents(o.Total)
	o.GrandTotal = cents(o.Total * (1 - o.Discount/100))
	return nil
}

// BeforeSubmit confirms a draft.
func (o *SalesOrder) BeforeSubmit(ctx context.Context, db *frappems.DB) error {
	if o.Status == SalesOrderStatusDraft {
		o.Status = SalesOrderStatusConfirmed
	}
	return nil
}

// OnSubmit takes from the stock what was ordered.
func (o *SalesOrder) OnSubmit(ctx context.Context, db *frappems.DB) error {
	return o.moveStock(ctx, db, -1)
}

// BeforeCancel closes the order.
func (o *SalesOrder) BeforeCancel(ctx context.Context, db *frappems.DB) error {
	o.Status = SalesOrderStatusClosed
	return nil
}

// OnCancel puts back what OnSubmit took.
func (o *SalesOrder) OnCancel(ctx context.Context, db *frappems.DB) error {
	return o.moveStock(ctx, db, 1)
}

func (o *SalesOrder) moveStock(ctx context.Context, db *frappems.DB, sign float64) error {
	for _, row := range o.Items {
		item, err := frappems.Get[Item](ctx, db, row.Item)
		if err != nil {
			return err
		}
		if item.Unit == ItemUnitHour {
			continue // work has no stock
		}
		if item.Stock += sign * row.Qty; item.Stock < 0 {
			return frappems.Invalid("There are only %g of %s", item.Stock+row.Qty, item.ItemName)
		}
		if err := frappems.Save(ctx, db, item); err != nil {
			return err
		}
	}
	return nil
}

func cents(amount float64) float64 { return math.Round(amount*100) / 100 }
