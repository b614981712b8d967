package strictjson

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type size struct {
	Cells int     `json:"cells"`
	Share float64 `json:"share"`
}

type common struct {
	Seed uint64 `json:"seed"`
}

type config struct {
	common
	Name  string         `json:"name"`
	Size  size           `json:"size"`
	Edges [][]float64    `json:"edges"`
	More  *size          `json:"more"`
	On    bool           `json:"on"`
	Free  map[string]int `json:"free"`
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{"name": "a"} {}`:                    "f.json: invalid character '{' after top-level value",
		`{"name": "a"}]`:                      "f.json: invalid character ']' after top-level value",
		"{\n\"name\": ":                       "f.json: line 2: the text ends in the middle of a value",
		``:                                    "f.json: the text ends in the middle of a value",
		"{\"name\": \"a\",\n\"name\": \"b\"}": "f.json: line 2: name: the name stands twice",
		`{"Name": "a"}`:                       `f.json: unknown field "Name" (did you mean "name"?)`,
		`{"size": {"cell": 1}}`:               `f.json: size: unknown field "cell" (did you mean "cells"?)`,
		`{"size": {"cells": null}}`:           "f.json: size.cells: expected a whole number, got null",
		`{"size": null}`:                      "f.json: size: expected an object, got null",
		`{"size": {"cells": 2.5}}`:            "f.json: size.cells: expected a whole number, got the number 2.5",
		`{"size": {"cells": "three"}}`:        `f.json: size.cells: expected a whole number, got the text "three"`,
		`{"size": []}`:                        "f.json: size: expected an object, got a list",
		`{"seed": -1}`:                        "f.json: seed: expected a whole number of at least 0, got the number -1",
		`{"edges": [[1], [2, "x"]]}`:          `f.json: edges[1][1]: expected a number, got the text "x"`,
		`{"on": 1}`:                           "f.json: on: expected true or false, got the number 1",
		`{"name": 1}`:                         "f.json: name: expected a text, got the number 1",
		`{"size": {"share": 1e999}}`:          "f.json: size.share: expected a number, got the number 1e999",
		`{"more": {"cells": true}}`:           "f.json: more.cells: expected a whole number, got true",
	} {
		var c config
		assert.EqualError(t, Decode("f.json", []byte(text), &c), want, text)
	}
	c := config{Name: "kept", More: &size{}}
	require.NoError(t, Decode("f.json", []byte("\ufeff{\"size\": {\"cells\": 3}, \"more\": null, \"edges\": null, \"free\": {\"a\": 1}}"), &c))
	assert.Equal(t, config{Name: "kept", Size: size{Cells: 3}, Free: map[string]int{"a": 1}}, c)
	var unknown *Unknown
	require.ErrorAs(t, Decode("f.json", []byte(`{"nam": 1}`), &c), &unknown)
	assert.Equal(t, "nam", unknown.Field)
}
