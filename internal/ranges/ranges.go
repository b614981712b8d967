// Package ranges says of a number of a configuration whether it lies where it has a sense, by the field's name. Upper ends are
// far beyond what anybody wants and below what no machine can hold.
package ranges

import "fmt"

// In returns an error unless the number of a field lies between two, both allowed.
func In[T ~int | ~int64 | ~uint64 | ~float64](field string, value, low, high T) error {
	switch {
	case value < low:
		return fmt.Errorf("%s: expected at least %v, got %v", field, low, value)
	case value > high:
		return fmt.Errorf("%s: expected at most %v, got %v", field, high, value)
	case value != value: // no number
		return fmt.Errorf("%s: expected %v to %v, got %v", field, low, high, value)
	}
	return nil
}

// Above is [In] without the lower end itself.
func Above(field string, value, low, high float64) error {
	if value == low {
		return fmt.Errorf("%s: expected more than %v, got %v", field, low, value)
	}
	return In(field, value, low, high)
}

// Below is [In] without the upper end itself.
func Below(field string, value, low, high float64) error {
	if value == high {
		return fmt.Errorf("%s: expected less than %v, got %v", field, high, value)
	}
	return In(field, value, low, high)
}
