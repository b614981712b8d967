package golden

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/arch"
)

//go:embed reference/fairdarts_search_parse.json
var fairDARTSParse []byte

// ParseCase is one derivation of cells by FairDARTS's official code.
type ParseCase struct {
	// Name is the reference's key: scale, method, threshold.
	Name       string
	Primitives []string
	// Scale multiplies the filled tables "alphas_normal" and "alphas_reduce", [14 edges][primitives]; the weights are
	// the sigmoids of that.
	Scale     float64
	Method    string
	Threshold float64
	// WantNormal and WantReduce are the edges of the result, in order.
	WantNormal, WantReduce []arch.Edge
}

// FairDARTSParse returns the reference's derivations, in the order of their names.
func FairDARTSParse() ([]ParseCase, error) {
	var ref struct {
		Primitives []string `json:"primitives"`
		Results    map[string]struct {
			Normal []parsedEdge `json:"normal"`
			Reduce []parsedEdge `json:"reduce"`
		} `json:"results"`
	}
	if err := json.Unmarshal(fairDARTSParse, &ref); err != nil {
		return nil, fmt.Errorf("fairdarts_search_parse.json: %w", err)
	}
	var out []ParseCase
	for _, name := range slices.Sorted(maps.Keys(ref.Results)) {
		c := ParseCase{Name: name, Primitives: ref.Primitives}
		parts := strings.Split(name, "|")
		if len(parts) != 3 {
			return nil, fmt.Errorf("fairdarts_search_parse.json: %q: expected scale|method|threshold", name)
		}
		var err error
		if c.Scale, err = strconv.ParseFloat(strings.TrimPrefix(parts[0], "scale"), 64); err != nil {
			return nil, fmt.Errorf("fairdarts_search_parse.json: %q: scale: %w", name, err)
		}
		if c.Threshold, err = strconv.ParseFloat(parts[2], 64); err != nil {
			return nil, fmt.Errorf("fairdarts_search_parse.json: %q: threshold: %w", name, err)
		}
		c.Method = parts[1]
		c.WantNormal, c.WantReduce = edges(ref.Results[name].Normal), edges(ref.Results[name].Reduce)
		out = append(out, c)
	}
	return out, nil
}

// parsedEdge is [op, from], two a node in order, or [op, to, from].
type parsedEdge struct {
	op      string
	numbers []int
}

func (e *parsedEdge) UnmarshalJSON(b []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if len(parts) != 2 && len(parts) != 3 {
		return fmt.Errorf("edge: expected 2 or 3 elements, got %d", len(parts))
	}
	if err := json.Unmarshal(parts[0], &e.op); err != nil {
		return err
	}
	e.numbers = make([]int, len(parts)-1)
	for i := range e.numbers {
		if err := json.Unmarshal(parts[i+1], &e.numbers[i]); err != nil {
			return err
		}
	}
	return nil
}

func edges(list []parsedEdge) []arch.Edge {
	var out []arch.Edge
	for i, e := range list {
		if len(e.numbers) == 1 {
			out = append(out, arch.Edge{Op: e.op, From: e.numbers[0], To: 2 + i/2})
		} else {
			out = append(out, arch.Edge{Op: e.op, From: e.numbers[1], To: e.numbers[0]})
		}
	}
	return out
}
