// Package nb is what a notebook needs and nothing else: figures, pictures, sound, tables and verdicts in place, runs of
// searches and trainings that show how far they are, and [Cached] for what a later cell needs.
//
// A cell of a Go notebook (GoNB) is a program of its own: values don't live on, files do. So long work goes through
// [Cached], [Search] or [Train], which keep it in a folder named by its configuration, and later cells ask for the same
// again and get it from there. Package-level initialisers run in every later cell: keep long work out of them.
//
// The same code runs as a plain program and prints text. What shows something returns nothing: where it cannot, it ends
// the program with a message, as [Check] does. What computes returns errors; [Must] and [Check] keep cells short.
//
//	r := nb.Must(nb.Search(nb.Method("fairdarts"), "quick"))
//	nb.Network(r)
package nb

import (
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
)

// Open returns the process's engine, on the backend that [backend.Open] finds, with its compile cache.
func Open() (*engine.Engine, error) { return openOnce() }

var openOnce = sync.OnceValues(func() (*engine.Engine, error) {
	b, err := backend.Open()
	if err != nil {
		return nil, err
	}
	return engine.New(b.Backend), nil
})

// exit ends the process; tests replace it.
var exit = os.Exit

// Check ends the program if there is an error: its message goes to the standard error, the exit code is 1, deferred
// functions don't run.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: "+err.Error())
		exit(1)
	}
}

// Must returns v, or ends the program as [Check] does if there is an error.
func Must[T any](v T, err error) T {
	Check(err)
	return v
}

// ParamPrefix begins the name of the environment variable of a parameter.
const ParamPrefix = "GONAS_NB_"

// Param is a notebook's parameter: the value of the environment variable GONAS_NB_NAME, name in capitals, and byDefault
// where that is not set or empty. Tests make notebooks small with it. A value of another type ends the program with a
// message that names the variable and what was expected.
func Param[T bool | int | uint64 | float64 | string | time.Duration](name string, byDefault T) T {
	return Must(param(name, byDefault))
}

func param[T bool | int | uint64 | float64 | string | time.Duration](name string, byDefault T) (T, error) {
	v := byDefault
	variable := ParamPrefix + strings.ToUpper(name)
	text := os.Getenv(variable)
	if text == "" {
		return v, nil
	}
	var err error
	var expected string
	switch p := any(&v).(type) {
	case *bool:
		expected = "true or false"
		*p, err = strconv.ParseBool(text)
	case *int:
		expected = "a whole number"
		*p, err = strconv.Atoi(text)
	case *uint64:
		expected = "a whole number of at least 0"
		*p, err = strconv.ParseUint(text, 10, 64)
	case *float64:
		expected = "a number"
		*p, err = strconv.ParseFloat(text, 64)
	case *time.Duration:
		expected = `a duration such as "90s"`
		*p, err = time.ParseDuration(text)
	case *string:
		*p = text
	default:
		err = fmt.Errorf("parameters cannot be of type %s", reflect.TypeFor[T]())
	}
	if err != nil {
		return byDefault, fmt.Errorf("%s=%q: expected %s", variable, text, expected)
	}
	return v, nil
}
