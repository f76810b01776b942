package orders

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/frappems/frappems"
)

// newShop serves the example with its samples from memory.
func newShop(t *testing.T) *frappems.App {
	t.Helper()
	users, err := frappems.NewTokens(bytes.NewReader(Users()))
	if err != nil {
		t.Fatal(err)
	}
	app, err := frappems.New(frappems.Config{
		DocTypes: DocTypes(), Store: frappems.NewMemoryStore(), Auth: users,
		RemoteLinks: frappems.RefuseRemoteLinks, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	doctypes, err := frappems.LoadDocTypes(DocTypes())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range doctypes {
		if !d.IsTable {
			app.Resource(d.Name)
		}
	}
	ctx := t.Context()
	if err := app.Start(ctx); err != nil {
		t.Fatal(err)
	}
	samples, err := Samples()
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range samples {
		db, err := app.AsTenant(ctx, s.Tenant)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Insert(ctx, s.DocType, s.Values); err != nil {
			t.Fatalf("sample %d, %s of %s: %v", i+1, s.DocType, s.Tenant, err)
		}
	}
	return app
}

// get asks as a user and returns status and data.
func get(t *testing.T, app *frappems.App, user, path string, query ...string) (int, any) {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	req := httptest.NewRequest(http.MethodGet, path+"?"+values.Encode(), nil)
	req.Header.Set("Authorization", "token "+user+":demo-"+user+"-secret")
	rec := httptest.NewRecorder()
	app.ServeHTTP(rec, req)
	var body struct{ Data any }
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v: %s", path, err, rec.Body)
	}
	return rec.Code, body.Data
}

func TestShop(t *testing.T) {
	app := newShop(t)
	list := func(user, doctype, filters string) int {
		t.Helper()
		status, data := get(t, app, user, "/api/resource/"+url.PathEscape(doctype), "filters", filters, "limit", "0")
		if status != http.StatusOK {
			t.Fatalf("%s as %s: status %d", doctype, user, status)
		}
		return len(data.([]any))
	}
	tests := []struct {
		name, user, doctype, filters string
		want                         int
	}{
		{"orders of the tenant", "clerk", "Sales Order", "", 12},
		{"and of the other one", "globex", "Sales Order", "", 3},
		{"by a filter", "clerk", "Sales Order", `{"status": "Draft"}`, 2},
		{"on a child field", "clerk", "Sales Order", `[["Sales Order Item", "item", "=", "CUSHION"]]`, 3},
		{"customers", "manager", "Customer", "", 10},
		{"customers of one group, by restriction", "offices", "Customer", "", 3},
		{"and their orders", "offices", "Sales Order", "", 3},
		{"items", "clerk", "Item", `{"active": 1}`, 14},
		{"payments", "manager", "Payment", "", 5},
		{"notes of others are not seen", "clerk", "Customer Note", "", 0},
		{"but by managers", "manager", "Customer Note", "", 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := list(test.user, test.doctype, test.filters); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

// TestPermlevel shows that clerks do not see the fields of permission level 1: as in Frappe, numbers are 0 for them.
func TestPermlevel(t *testing.T) {
	app := newShop(t)
	for user, want := range map[string]any{"clerk": 0.0, "manager": 12000.0} {
		_, data := get(t, app, user, "/api/resource/Customer/Okafor%20Architects")
		if got := data.(map[string]any)["credit_limit"]; got != want {
			t.Errorf("%s: got %v, want %v", user, got, want)
		}
	}
}

// TestFetched shows what an order takes over from its customer and its items.
func TestFetched(t *testing.T) {
	app := newShop(t)
	_, data := get(t, app, "clerk", "/api/resource/Sales%20Order", "fields", `["name", "customer_group", "grand_total"]`,
		"filters", `{"customer": "Café Amélie", "status": "Closed"}`)
	rows := data.([]any)
	if len(rows) != 1 {
		t.Fatalf("got %d orders, want 1", len(rows))
	}
	row := rows[0].(map[string]any)
	if row["customer_group"] != "Restaurants" || row["grand_total"] != 780.7 || !strings.HasPrefix(row["name"].(string), "WEB-") {
		t.Errorf("got %v", row)
	}
	_, data = get(t, app, "clerk", "/api/resource/sales-order/"+row["name"].(string))
	item := data.(map[string]any)["items"].([]any)[0].(map[string]any)
	got := []any{item["item_name"], item["unit"], item["amount"]}
	if want := []any{"Stool", "Piece", 495.0}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestSamples counts what there is to start with.
func TestSamples(t *testing.T) {
	samples, err := Samples()
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, s := range samples {
		count[s.Tenant+" "+s.DocType]++
	}
	for what, want := range map[string]int{"acme Customer": 10, "acme Item": 15, "acme Sales Order": 12, "globex Sales Order": 3} {
		if count[what] != want {
			t.Errorf("%s: got %d, want %d", what, count[what], want)
		}
	}
}
