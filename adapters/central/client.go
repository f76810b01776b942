package central

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/frappems/frappems"
)

// Get reads a document of Central into a T, a struct with JSON tags or a map. Errors are those of [frappems.Central.GetDoc].
func Get[T any](ctx context.Context, c *frappems.Central, doctype, name string) (doc T, err error) {
	err = c.GetDoc(ctx, doctype, name, &doc)
	return doc, err
}

// List reads documents of Central into Ts. A Limit of zero is all of them, at once.
func List[T any](ctx context.Context, c *frappems.Central, doctype string, o frappems.ListOptions) (docs []T, err error) {
	err = c.GetList(ctx, doctype, o, &docs)
	return docs, err
}

// pageSize is how many documents All asks for at once.
const pageSize = 500

// All reads a long list, page by page as the loop goes on; the page that is looped over is all that is held. Without
// o.OrderBy documents come by name, each page behind the last name of the one before: what comes or goes meanwhile hides or repeats
// no other. With o.OrderBy pages are counted, and it may. Filters are an object, or a list of conditions. Limit ends the list,
// zero does not. An error ends the loop: it comes last, with a T that is zero.
func All[T any](ctx context.Context, c *frappems.Central, doctype string, o frappems.ListOptions) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if err := all(ctx, c, doctype, o, yield); err != nil {
			var none T
			yield(none, err)
		}
	}
}

func all[T any](ctx context.Context, c *frappems.Central, doctype string, o frappems.ListOptions, yield func(T, error) bool) error {
	where, err := conditions(o.Filters)
	if err != nil {
		return err
	}
	byName, left := o.OrderBy == "", o.Limit
	if byName {
		o.OrderBy = "name asc"
		if !slices.Contains(o.Fields, "name") && !slices.Contains(o.Fields, "*") {
			o.Fields = append(slices.Clip(o.Fields), "name")
		}
	}
	o.Filters = where
	for {
		o.Limit = pageSize
		if left > 0 {
			o.Limit = min(left, pageSize)
		}
		var page []row[T]
		if err := c.GetList(ctx, doctype, o, &page); err != nil {
			return err
		}
		for i := range page {
			if !yield(page[i].doc, nil) {
				return nil
			}
		}
		if left -= len(page); len(page) < o.Limit || left == 0 {
			return nil
		}
		if byName {
			o.Filters, o.Start = append(slices.Clip(where), []any{"name", ">", page[len(page)-1].name}), 0
		} else {
			o.Start += len(page)
		}
	}
}

// row is a document of a page, with its name.
type row[T any] struct {
	doc  T
	name any
}

// UnmarshalJSON decodes both.
func (r *row[T]) UnmarshalJSON(data []byte) error {
	var key struct {
		Name any `json:"name"`
	}
	if err := json.Unmarshal(data, &key); err != nil {
		return err
	}
	if r.name = key.Name; r.name == nil {
		return errors.New("central: a document of a list has no name")
	}
	return json.Unmarshal(data, &r.doc)
}

// conditions are filters as a list, so that one more can be added.
func conditions(filters any) ([][]any, error) {
	if filters == nil {
		return nil, nil
	}
	text, err := json.Marshal(filters)
	if err != nil {
		return nil, fmt.Errorf("central: filters: %w", err)
	}
	var list [][]any
	if json.Unmarshal(text, &list) == nil {
		return list, nil
	}
	var object map[string]any
	if json.Unmarshal(text, &object) != nil {
		return nil, fmt.Errorf("central: filters %s: want an object, or a list of conditions", text)
	}
	for field, value := range object {
		condition := []any{field, "=", value}
		if pair, ok := value.([]any); ok && len(pair) == 2 {
			condition = []any{field, pair[0], pair[1]}
		}
		list = append(list, condition)
	}
	return list, nil
}
