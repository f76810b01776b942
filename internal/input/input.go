// Package input fills a program's Go values from requests. Fields are named as in encoding/json.
package input

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/frappems/frappems/internal/message"
)

// Decode fills in, a pointer, from a request: from its body, its query and the wildcards of its pattern; the last of these wins.
// What of it does not fit, and a key of the body that in does not have, is a [message.Error]; another key of the query is only
// if strict.
func Decode(r *http.Request, in any, strict bool) error {
	body, form, err := readBody(r)
	if err != nil {
		return err
	}
	if body, err = merge(r, body, form, reflect.TypeOf(in).Elem(), strict); err != nil || body == nil {
		return err
	}
	return decodeStrict(body, in)
}

// DecodeArguments fills in, a pointer, with arguments by their names, of which a number or a bool may be in a string.
func DecodeArguments(args map[string]json.RawMessage, in any) error {
	t := reflect.TypeOf(in).Elem()
	fitting := make(map[string]json.RawMessage, len(args))
	for key, raw := range args {
		var text string
		if json.Unmarshal(raw, &text) == nil && string(raw) != "null" {
			raw = value([]string{text}, Field(t, key))
		}
		fitting[key] = raw
	}
	body, err := json.Marshal(fitting)
	if err != nil {
		return problem(err)
	}
	return decodeStrict(body, in)
}

// decodeStrict fills in, a pointer, from JSON that has nothing else.
func decodeStrict(body []byte, in any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(in); err != nil {
		return problem(err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return message.Invalid("The body has something after the JSON value")
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
			return nil, nil, message.Invalid("The form cannot be read: %s", message.Escape(err.Error()))
		}
		return nil, form, nil
	case kind == "" || kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return body, nil, nil
	default:
		return nil, nil, &message.Error{Type: "UnsupportedMediaType", Text: "The body is " + message.Escape(kind) + ", want application/json"}
	}
}

// merge adds form, query and path values to a body, each in the JSON form that the field of its name has in t.
func merge(r *http.Request, body []byte, form url.Values, t reflect.Type, strict bool) ([]byte, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, message.Invalid("The query cannot be read: %s", message.Escape(err.Error()))
	}
	path := url.Values{}
	for _, name := range Wildcards(r.Pattern) {
		path.Set(name, r.PathValue(name))
	}
	if !strict {
		maps.DeleteFunc(query, func(key string, _ []string) bool { return Field(t, key) == nil })
	}
	if len(form)+len(query)+len(path) == 0 {
		return body, nil
	}
	object := map[string]json.RawMessage{}
	if body != nil {
		if err := json.Unmarshal(body, &object); err != nil {
			return nil, problem(err)
		}
	}
	if object == nil { // the body is null
		object = map[string]json.RawMessage{}
	}
	for _, values := range []url.Values{form, query, path} {
		for _, key := range slices.Sorted(maps.Keys(values)) {
			// encoding/json takes keys in any case, so that another spelling would win over this one.
			maps.DeleteFunc(object, func(other string, _ json.RawMessage) bool { return strings.EqualFold(other, key) })
			object[key] = value(values[key], Field(t, key))
		}
	}
	return json.Marshal(object)
}

// Wildcards are the names in a pattern of net/http's.
func Wildcards(pattern string) (names []string) {
	for _, part := range strings.Split(pattern, "{")[1:] {
		name, _, _ := strings.Cut(part, "}")
		if name = strings.TrimSuffix(name, "..."); name != "$" {
			names = append(names, name)
		}
	}
	return names
}

// Field is the type of a field by its JSON name, or nil.
func Field(t reflect.Type, name string) reflect.Type {
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

// value is a parameter in the JSON form of a type: of text the string, of a list what was repeated, of anything
// else what the parameter holds, if that is JSON.
func value(list []string, t reflect.Type) json.RawMessage {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	text := list[len(list)-1]
	quoted := marshal(text)
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
				items[i] = value(list[i:i+1], t.Elem())
			}
			return marshal(items)
		}
	}
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return quoted
}

// problem says what of an input does not fit, in words for the client.
func problem(err error) error {
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return message.Invalid("The body is not valid JSON, at byte %d: %s", syntax.Offset, message.Escape(syntax.Error()))
	case errors.As(err, &shape):
		what := "The body"
		if shape.Field != "" {
			what = "Field " + message.Bold(shape.Field)
		}
		return message.Invalid("%s is %s, want %s", what, shape.Value, cmp.Or(kindNames[shape.Type.Kind()], "a whole number"))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return message.Invalid("The body is not valid JSON: it ends too early")
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return message.Invalid("There is no field %s", message.Bold(shorten(strings.Trim(field, `"`))))
	}
	reason := message.Escape(shorten(strings.TrimPrefix(err.Error(), "json: ")))
	return &message.Error{Text: "The input does not fit: " + reason, Cause: err}
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

// marshal makes JSON of texts, of which it does not fail.
func marshal(v any) json.RawMessage {
	body, _ := json.Marshal(v)
	return body
}
