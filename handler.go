package frappems

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"

	"github.com/frappems/frappems/internal/input"
)

// JSON makes a handler of a function that takes and returns Go values. In is filled from the body, which is JSON or a
// form, from the query, and from the wildcards of the pattern; the last of these wins. Its fields are named as in
// encoding/json. What does not fit In is answered with 417 and the name of the field, and so is a key of the body that In
// does not have; other keys of the query are ignored unless Config.StrictQuery is set. Out is answered as JSON; an error
// is answered in Frappe's form.
func JSON[In, Out any](f func(ctx context.Context, in In) (Out, error)) http.Handler {
	if f == nil {
		return nil
	}
	return typed{reflect.TypeFor[In](), reflect.TypeFor[Out](), func(w http.ResponseWriter, r *http.Request) error {
		var in In
		x := exchangeFrom(r.Context())
		if err := input.Decode(r, &in, x == nil || x.app.config.StrictQuery); err != nil {
			return worded(err)
		}
		out, err := f(r.Context(), in)
		if err != nil {
			return err
		}
		body, err := json.Marshal(out)
		if err != nil {
			return fmt.Errorf("encoding the answer: %w", err)
		}
		w.Header()["Content-Type"] = contentJSON
		w.Write(body)
		return nil
	}}
}

// typed is the handler that JSON makes, with the types of its input, against which wildcards are checked when it is
// registered, and of its output: together they describe the route.
type typed struct {
	in, out reflect.Type
	HandlerFunc
}
