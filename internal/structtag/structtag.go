// Package structtag reads the tags from which a program's structs become DocTypes: values by commas, some of them in quotes.
package structtag

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Label makes a label of a name: "customer_name" is Customer Name.
func Label(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '_' })
	for i, word := range words {
		first, size := utf8.DecodeRuneInString(word)
		words[i] = string(unicode.ToUpper(first)) + word[size:]
	}
	return strings.Join(words, " ")
}

// Split cuts a tag at its commas. A value in single quotes, after = or :, may have some.
func Split(tag string) ([]string, error) {
	var parts []string
	for tag != "" {
		end := strings.IndexByte(tag, ',')
		quote := strings.IndexByte(tag, '\'')
		if quote <= 0 || end >= 0 && end < quote || !strings.ContainsRune("=:", rune(tag[quote-1])) {
			part, rest, _ := strings.Cut(tag, ",")
			parts, tag = append(parts, part), rest
			continue
		}
		text, rest := tag[:quote], tag[quote+1:]
		for {
			inside, after, closed := strings.Cut(rest, "'")
			text, rest = text+inside, after
			if !closed {
				return nil, fmt.Errorf("the tag ends within the quotes of %s", text)
			}
			if !strings.HasPrefix(rest, "'") {
				break
			}
			text, rest = text+"'", rest[1:]
		}
		if rest != "" && rest[0] != ',' {
			return nil, fmt.Errorf("after the quotes of %s a comma is missing", text)
		}
		parts, tag = append(parts, text), strings.TrimPrefix(rest, ",")
	}
	return parts, nil
}

// Fill sets the fields of a struct, to which to points, by their names in JSON: properties first, and then parts of a tag, such as
// reqd, which is 1, and label=Note. Slices are no properties.
func Fill(to any, properties map[string]any, parts []string) error {
	var known []string
	t := reflect.TypeOf(to).Elem()
	for i := range t.NumField() {
		if kind := t.Field(i).Type.Kind(); kind != reflect.Slice {
			known = append(known, t.Field(i).Tag.Get("json"))
		}
	}
	for _, part := range parts {
		name, value, given := strings.Cut(part, "=")
		if name = strings.TrimSpace(name); name == "" || !slices.Contains(known, name) {
			return fmt.Errorf("there is no property %q, there are %s", name, strings.Join(known, ", "))
		}
		if !given {
			value = "1"
		}
		properties[name] = value
	}
	body, err := json.Marshal(properties)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, to)
}
