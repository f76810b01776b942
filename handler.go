package frappems

import (
	"bytes"
	"cmp"
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
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
		if err := decodeInput(r, &in); err != nil {
			return err
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

// decodeInput fills in, a pointer, from a request.
func decodeInput(r *http.Request, in any) error {
	body, form, err := readBody(r)
	if err != nil {
		return err
	}
	if body, err = mergeInput(r, body, form, reflect.TypeOf(in).Elem()); err != nil || body == nil {
		return err
	}
	return decodeStrict(body, in)
}

// decodeStrict fills in, a pointer, from JSON that has nothing else.
func decodeStrict(body []byte, in any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(in); err != nil {
		return inputError(err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Invalid("The body has something after the JSON value")
	}
	return nil
}

// readBody reads a body of JSON, or a form.
func readBody(r *http.Request) (body []byte, form url.Values, err error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Body == nil {
		return nil, nil, nil
	}
	if body, err = io.ReadAll(r.Body); err != nil || len(bytes.TrimSpace(body)) == 0 {
		return nil, nil, err
	}
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case kind == "application/x-www-form-urlencoded":
		if form, err = url.ParseQuery(string(body)); err != nil {
			return nil, nil, Invalid("The form cannot be read: %s", escapeHTML(err.Error()))
		}
		return nil, form, nil
	case kind == "" || kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return body, nil, nil
	default:
		return nil, nil, Errorf(UnsupportedMediaTypeError, "The body is %s, want application/json", escapeHTML(kind))
	}
}

// mergeInput adds form, query and path values to a body, each in the JSON form that the field of its name has in t.
func mergeInput(r *http.Request, body []byte, form url.Values, t reflect.Type) ([]byte, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, Invalid("The query cannot be read: %s", escapeHTML(err.Error()))
	}
	path := url.Values{}
	for _, name := range wildcards(r.Pattern) {
		path.Set(name, r.PathValue(name))
	}
	x := exchangeFrom(r.Context())
	if x == nil || !x.app.config.StrictQuery {
		maps.DeleteFunc(query, func(key string, _ []string) bool { return inputField(t, key) == nil })
	}
	if len(form)+len(query)+len(path) == 0 {
		return body, nil
	}
	object := map[string]json.RawMessage{}
	if body != nil {
		if err := json.Unmarshal(body, &object); err != nil {
			return nil, inputError(err)
		}
	}
	if object == nil { // the body is null
		object = map[string]json.RawMessage{}
	}
	for _, values := range []url.Values{form, query, path} {
		for _, key := range slices.Sorted(maps.Keys(values)) {
			// encoding/json takes keys in any case, so that another spelling would win over this one.
			maps.DeleteFunc(object, func(other string, _ json.RawMessage) bool { return strings.EqualFold(other, key) })
			object[key] = inputValue(values[key], inputField(t, key))
		}
	}
	return json.Marshal(object)
}

// wildcards are the names in a pattern of net/http's.
func wildcards(pattern string) (names []string) {
	for _, part := range strings.Split(pattern, "{")[1:] {
		name, _, _ := strings.Cut(part, "}")
		if name = strings.TrimSuffix(name, "..."); name != "$" {
			names = append(names, name)
		}
	}
	return names
}

// inputField is the type of a field by its JSON name, or nil.
func inputField(t reflect.Type, name string) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Map {
		return t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for _, field := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.IsExported() && strings.EqualFold(cmp.Or(tag, field.Name), name) {
			return field.Type
		}
	}
	return nil
}

// inputValue is a parameter in the JSON form of a type: of text the string, of a list what was repeated, of anything
// else what the parameter holds, if that is JSON.
func inputValue(list []string, t reflect.Type) json.RawMessage {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	text := list[len(list)-1]
	quoted := json.RawMessage(marshalText(text))
	if t == nil || t.Kind() == reflect.String || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return quoted
	}
	switch t.Kind() {
	case reflect.Bool:
		switch strings.ToLower(text) {
		case "1", "true", "yes", "on":
			return json.RawMessage("true")
		case "", "0", "false", "no", "off":
			return json.RawMessage("false")
		}
	case reflect.Slice:
		if t.Elem().Kind() != reflect.Uint8 && (len(list) > 1 || !json.Valid([]byte(text))) {
			items := make([]json.RawMessage, len(list))
			for i := range list {
				items[i] = inputValue(list[i:i+1], t.Elem())
			}
			return json.RawMessage(marshalText(items))
		}
	}
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return quoted
}

// inputError says what of an input does not fit, in words for the client.
func inputError(err error) error {
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return Invalid("The body is not valid JSON, at byte %d: %s", syntax.Offset, escapeHTML(syntax.Error()))
	case errors.As(err, &shape):
		what := "The body"
		if shape.Field != "" {
			what = "Field " + bold(shape.Field)
		}
		return Invalid("%s is %s, want %s", what, shape.Value, cmp.Or(kindNames[shape.Type.Kind()], "a whole number"))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return Invalid("The body is not valid JSON: it ends too early")
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return Invalid("There is no field %s", bold(shorten(strings.Trim(field, `"`))))
	}
	reason := escapeHTML(shorten(strings.TrimPrefix(err.Error(), "json: ")))
	return &Error{Code: ValidationError, Message: "The input does not fit: " + reason, Cause: err}
}

// shorten keeps an answer from echoing whatever was sent.
func shorten(s string) string {
	if len(s) <= 140 {
		return s
	}
	return strings.ToValidUTF8(s[:140], "") + "…"
}

// kindNames are Go types in JSON's words, but for whole numbers.
var kindNames = map[reflect.Kind]string{
	reflect.Bool: "true or false", reflect.String: "a string", reflect.Slice: "a list", reflect.Array: "a list",
	reflect.Struct: "an object", reflect.Map: "an object", reflect.Float32: "a number", reflect.Float64: "a number",
}
