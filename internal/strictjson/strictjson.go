// Package strictjson reads the JSON of files that people and programs write: names are matched letter by letter, a name that
// stands twice, a field that is not known, null in the place of a value and text behind the end are errors, and an error says
// file, line (where there are several) and field in the file's own words.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gonas/gonas/internal/near"
)

// Decode reads text over v, which keeps what the text does not name; from is what errors call the text. A byte order mark in
// front is passed over.
func Decode(from string, text []byte, v any) error {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	err := json.Unmarshal(text, v, json.RejectUnknownMembers(true), json.WithUnmarshalers(noNull))
	var syntactic *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%s: %sthe text ends in the middle of a value", from, line(text, int64(len(text))))
	case errors.As(err, &syntactic):
		return fmt.Errorf("%s: %s%s%s", from, line(text, syntactic.ByteOffset), at(syntactic.JSONPointer), syntax(syntactic))
	case errors.As(err, &semantic):
		return fmt.Errorf("%s: %s%w", from, line(text, semantic.ByteOffset), meaning(semantic, text, v))
	}
	return fmt.Errorf("%s: %w", from, err)
}

// noNull refuses null where a value has no such state; a type that reads JSON itself knows.
var noNull = json.UnmarshalFromFunc(func(d *jsontext.Decoder, v any) error {
	if _, reads := v.(interface{ UnmarshalJSON([]byte) error }); !reads && d.PeekKind() == jsontext.KindNull {
		switch t := reflect.TypeOf(v).Elem(); t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		default:
			return &json.SemanticError{JSONKind: jsontext.KindNull, GoType: t}
		}
	}
	return errors.ErrUnsupported
})

// line names that of an offset, where a text has several.
func line(text []byte, offset int64) string {
	if !bytes.Contains(bytes.TrimSpace(text), []byte("\n")) {
		return ""
	}
	return fmt.Sprintf("line %d: ", 1+bytes.Count(text[:min(offset, int64(len(text)))], []byte("\n")))
}

// at is the place that a pointer names, with a colon behind it.
func at(p jsontext.Pointer) string {
	if place := Place(p); place != "" {
		return place + ": "
	}
	return ""
}

// Place is what a pointer names, such as normal.edges[3].
func Place(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if _, err := strconv.Atoi(token); err == nil {
			fmt.Fprintf(&b, "[%s]", token)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	return b.String()
}

func syntax(e *jsontext.SyntacticError) string {
	switch {
	case errors.Is(e.Err, jsontext.ErrDuplicateName):
		return "the name stands twice"
	case e.Err == nil:
		return "no JSON"
	}
	return strings.TrimPrefix(e.Err.Error(), "jsontext: ")
}

// Unknown is the error within those of [Decode] that names a field which is not known.
type Unknown struct {
	Field string
	// Known are the names of all fields.
	Known []string
}

func (e *Unknown) Error() string {
	return fmt.Sprintf("unknown field %q%s", e.Field, near.Hint(e.Field, e.Known))
}

// fields are the names that a type's values have in JSON, those of values within them too.
func fields(t reflect.Type, seen map[reflect.Type]bool) (names []string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return fields(t.Elem(), seen)
	case reflect.Struct:
	default:
		return nil
	}
	if seen[t] {
		return nil
	}
	seen[t] = true
	for i := range t.NumField() {
		f := t.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
		names = append(names, fields(f.Type, seen)...)
	}
	return names
}

func meaning(e *json.SemanticError, text []byte, v any) error {
	if errors.Is(e.Err, json.ErrUnknownName) {
		parent := at(e.JSONPointer.Parent())
		return fmt.Errorf("%s%w", parent, &Unknown{e.JSONPointer.LastToken(), fields(reflect.TypeOf(v), map[reflect.Type]bool{})})
	}
	if e.Err != nil && !errors.Is(e.Err, strconv.ErrSyntax) && !errors.Is(e.Err, strconv.ErrRange) {
		return fmt.Errorf("%s%w", at(e.JSONPointer), e.Err)
	}
	want := "another value"
	if e.GoType != nil {
		want = wanted(e.GoType)
	}
	return fmt.Errorf("%sexpected %s, got %s", at(e.JSONPointer), want, got(e, text))
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number of at least 0"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Pointer:
		return wanted(t.Elem())
	}
	return "an object"
}

// got is the value that an error is of: a short one as it stands in the text.
func got(e *json.SemanticError, text []byte) string {
	const most = 40
	value := string(e.JSONValue)
	if value == "" && e.ByteOffset < int64(len(text)) {
		rest := bytes.TrimLeft(text[e.ByteOffset:], " \t\r\n:,")
		raw, _ := jsontext.NewDecoder(bytes.NewReader(rest)).ReadValue()
		value = string(raw)
	}
	if len(value) > most {
		value = value[:most] + "..."
	}
	switch e.JSONKind {
	case jsontext.KindString:
		return strings.TrimSpace("the text " + value)
	case jsontext.KindNumber:
		return strings.TrimSpace("the number " + value)
	case jsontext.KindBeginArray:
		return "a list"
	case jsontext.KindBeginObject:
		return "an object"
	}
	return e.JSONKind.String()
}
