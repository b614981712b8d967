package run

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
)

// Value is a number with a name.
type Value struct {
	Name   string
	Number float64
}

// Values are numbers in an order; as JSON they are an object with its fields in that order.
type Values []Value

// Get is the number of a name; false where there is none.
func (v Values) Get(name string) (float64, bool) {
	for _, x := range v {
		if x.Name == name {
			return x.Number, true
		}
	}
	return math.NaN(), false
}

// Of is the number of a name, NaN where there is none.
func (v Values) Of(name string) float64 {
	x, _ := v.Get(name)
	return x
}

// MarshalJSON implements [json.Marshaler].
func (v Values) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, x := range v {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(x.Name)
		if err != nil {
			return nil, err
		}
		number, err := json.Marshal(x.Number)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.Name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(number)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (v *Values) UnmarshalJSON(text []byte) error {
	*v = nil
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return fmt.Errorf("expected an object of numbers, got %.40s", text)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var x float64
		if err := d.Decode(&x); err != nil {
			return fmt.Errorf("%v: expected a number: %w", name, err)
		}
		*v = append(*v, Value{name.(string), x})
	}
	return nil
}

// Log has a row of numbers for each epoch, in columns of a name each.
type Log struct {
	Columns []string    `json:"columns"`
	Rows    [][]float64 `json:"rows"`
}

// add appends a row, which has to have the columns of those before.
func (l *Log) add(v Values) error {
	if l.Columns == nil {
		for _, x := range v {
			l.Columns = append(l.Columns, x.Name)
		}
	}
	if len(v) != len(l.Columns) {
		return fmt.Errorf("an epoch's numbers: expected the columns %v, got %d numbers", l.Columns, len(v))
	}
	row := make([]float64, len(v))
	for i, x := range v {
		if x.Name != l.Columns[i] {
			return fmt.Errorf("an epoch's numbers: expected %q, got %q", l.Columns[i], x.Name)
		}
		row[i] = x.Number
	}
	l.Rows = append(l.Rows, row)
	return nil
}

// Column is a column's numbers, one an epoch; nil where the log has none of that name.
func (l Log) Column(name string) []float64 {
	for k, c := range l.Columns {
		if c != name {
			continue
		}
		out := make([]float64, len(l.Rows))
		for i, row := range l.Rows {
			out[i] = row[k]
		}
		return out
	}
	return nil
}

// Row is a row with the names of its columns; a negative i counts from the end. Nil where there is none.
func (l Log) Row(i int) Values {
	if i < 0 {
		i += len(l.Rows)
	}
	if i < 0 || i >= len(l.Rows) {
		return nil
	}
	v := make(Values, len(l.Columns))
	for k, name := range l.Columns {
		v[k] = Value{name, l.Rows[i][k]}
	}
	return v
}

// Last is a column's last number, NaN where there is none.
func (l Log) Last(name string) float64 { return l.Row(-1).Of(name) }

// Validate reports rows of another length than the columns.
func (l Log) Validate() error {
	for i, row := range l.Rows {
		if len(row) != len(l.Columns) {
			return fmt.Errorf("log: rows[%d]: expected a number for each of %d columns, got %d", i, len(l.Columns), len(row))
		}
	}
	return nil
}
