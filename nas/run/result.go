package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/evolve"
)

// Commands that make runs.
const (
	Search = "search"
	Train  = "train"
)

// Spec is all that a run is: runs of equal specifications give equal results.
type Spec struct {
	// Command is [Search] or [Train].
	Command string `json:"command"`
	Method  string `json:"method,omitempty"`
	// Variant is one of the method's controls, empty for the method itself.
	Variant string `json:"variant,omitempty"`
	// Code tells a method of a user's own from others of its name: what its functions give for some inputs.
	Code string `json:"code,omitempty"`
	// Name says what a training trains, Network is it.
	Name    string        `json:"name,omitempty"`
	Network *arch.Network `json:"network,omitempty"`
	// Instead says what is trained in the place of what was found, where that is no network: see [Result].
	Instead string            `json:"instead,omitempty"`
	Profile string            `json:"profile"`
	Seed    uint64            `json:"seed"`
	Space   string            `json:"space,omitempty"`
	Data    datasets.Identity `json:"data"`
	// Config is the method's configuration, or the training's recipe.
	Config json.RawMessage `json:"config"`
}

// Label names what runs of several seeds have in common: the method with its variant, or what is trained.
func (s Spec) Label() string {
	switch {
	case s.Command == Train:
		return s.Name
	case s.Variant == "":
		return s.Method
	}
	return s.Method + "-" + s.Variant
}

// Validate returns an error where the command is none, or where profile, seed or space are others than the configuration says.
func (s Spec) Validate() error {
	if s.Command != Search && s.Command != Train {
		return fmt.Errorf("command: expected %q or %q, got %q", Search, Train, s.Command)
	}
	if len(s.Config) == 0 {
		return nil
	}
	var own struct {
		Profile *string `json:"profile"`
		Seed    *uint64 `json:"seed"`
		Space   *string `json:"space"`
	}
	if err := json.Unmarshal(s.Config, &own); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	switch {
	case own.Profile != nil && *own.Profile != s.Profile:
		return fmt.Errorf("profile: is %q, but %q in config", s.Profile, *own.Profile)
	case own.Seed != nil && *own.Seed != s.Seed:
		return fmt.Errorf("seed: is %d, but %d in config", s.Seed, *own.Seed)
	case own.Space != nil && *own.Space != s.Space:
		return fmt.Errorf("space: is %q, but %q in config", s.Space, *own.Space)
	}
	return nil
}

// Differences names the fields in which two specifications differ, with both values, those of s first. How a network is
// cut into programs is no difference: it changes speed and rounding, not the mathematics.
func (s Spec) Differences(other Spec) ([]string, error) {
	a, err := s.plain()
	if err != nil {
		return nil, err
	}
	b, err := other.plain()
	if err != nil {
		return nil, err
	}
	return differences("", a, b), nil
}

// plain is the specification as JSON's own types.
func (s Spec) plain() (v any, err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if config, ok := v.(map[string]any)["config"].(map[string]any); ok {
		delete(config, "granularity")
	}
	return v, nil
}

func differences(at string, a, b any) []string {
	x, okX := a.(map[string]any)
	y, okY := b.(map[string]any)
	if okX && okY {
		names := slices.Collect(maps.Keys(x))
		for name := range y {
			if _, both := x[name]; !both {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		var out []string
		for _, name := range names {
			out = append(out, differences(strings.TrimPrefix(at+"."+name, "."), x[name], y[name])...)
		}
		return out
	}
	if reflect.DeepEqual(a, b) {
		return nil
	}
	show := func(v any) string {
		if v == nil {
			return "none"
		}
		text, _ := json.Marshal(v)
		if len(text) > 60 {
			text = append(text[:57:57], "..."...)
		}
		return string(text)
	}
	return []string{fmt.Sprintf("%s (%s, not %s)", at, show(a), show(b))}
}

// Result is what a run gave, as plain data: no times, no paths, so that equal runs give equal files.
type Result struct {
	Spec Spec `json:"spec"`
	// Log has a row an epoch.
	Log Log `json:"log"`
	// Numbers are what was measured at the end, of a training the accuracy of the test.
	Numbers Values `json:"numbers,omitempty"`
	// Tables are architecture parameters over the epochs, and counts.
	Tables []Table `json:"tables,omitempty"`
	// Genotype are the cells that were derived; they may be empty. Network is what was derived, by any method; nil where
	// no network can be built of it. DerivedBy names the rule.
	Genotype  *arch.Genotype `json:"genotype,omitempty"`
	Network   *arch.Network  `json:"network,omitempty"`
	DerivedBy string         `json:"derived_by,omitempty"`
	// Ranking is what a supernet says of some networks, Front what an evolutionary search found on it.
	Ranking *Ranking `json:"ranking,omitempty"`
	Front   *Front   `json:"front,omitempty"`
	// Landscape is what was measured around the parameters that the search ended with.
	Landscape *Landscape `json:"landscape,omitempty"`
	// Classes are the names of the classes of a folder of images, in the order of the network's outputs.
	Classes []string `json:"classes,omitempty"`
	// ROC is how a network that was trained on words detects those of the test.
	ROC *ROC `json:"roc,omitempty"`
}

// Kinds of tables.
const (
	// Softmax has weights that sum to 1 over a row, Sigmoid each by itself, Counts whole numbers, Cosines how alike the two
	// things of a column are, from -1 to 1.
	Softmax = "softmax"
	Sigmoid = "sigmoid"
	Counts  = "counts"
	Cosines = "cosines"
)

// Table has numbers by row and column: a cell's edges and their operations, a supernet's layers and their choices.
type Table struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Rows are named by what they are, such as an edge 0→2.
	Rows []string `json:"rows"`
	// Columns are the names of a row's columns: one list for all rows, or one for each.
	Columns [][]string `json:"columns"`
	// Threshold is the weight that the rule of derivation asks for, 0 where it asks for none.
	Threshold float64 `json:"threshold,omitempty"`
	// Epochs has a snapshot before the first epoch and one after each; of counts only the last.
	Epochs []Snapshot `json:"epochs"`
}

// Snapshot is a table at one moment.
type Snapshot struct {
	// Epoch counts from 0, before the first step.
	Epoch int `json:"epoch"`
	// Values are the raw parameters by row and column, or the counts; Weights are what the relaxation makes of them.
	Values  [][]float64 `json:"values"`
	Weights [][]float64 `json:"weights,omitempty"`
}

// Ops are the columns of a row.
func (t Table) Ops(row int) []string {
	if len(t.Columns) == 1 {
		return t.Columns[0]
	}
	return t.Columns[row]
}

// Last is the last snapshot, empty where there is none.
func (t Table) Last() Snapshot {
	if len(t.Epochs) == 0 {
		return Snapshot{}
	}
	return t.Epochs[len(t.Epochs)-1]
}

// Validate reports the first thing that does not fit together.
func (t Table) Validate() error {
	if len(t.Columns) != 1 && len(t.Columns) != len(t.Rows) {
		return fmt.Errorf("table %s: columns: expected one list or one for each of %d rows, got %d", t.Name, len(t.Rows), len(t.Columns))
	}
	for i, s := range t.Epochs {
		for what, values := range map[string][][]float64{"values": s.Values, "weights": s.Weights} {
			if what == "weights" && values == nil {
				continue
			}
			if len(values) != len(t.Rows) {
				return fmt.Errorf("table %s: epochs[%d].%s: expected %d rows, got %d", t.Name, i, what, len(t.Rows), len(values))
			}
			for row, v := range values {
				if len(v) != len(t.Ops(row)) {
					return fmt.Errorf("table %s: epochs[%d].%s[%d]: expected %d columns, got %d", t.Name, i, what, row, len(t.Ops(row)), len(v))
				}
			}
		}
	}
	return nil
}

// Ranking is what a supernet says of some networks of its space before and after it is trained.
type Ranking struct {
	// Name says how the supernet was trained, in a word.
	Name  string   `json:"name"`
	Codes []string `json:"codes"`
	// Untrained and Trained are one-shot accuracies, 0 to 1; Untrained may be left out.
	Untrained []float64 `json:"untrained,omitempty"`
	Trained   []float64 `json:"trained"`
}

// Objective is one of the numbers that an evolutionary search improves.
type Objective struct {
	Name string `json:"name"`
	// Unit is that of the values times Scale, for people: "%" with 100, "M" with 1e-6.
	Unit      string           `json:"unit,omitempty"`
	Scale     float64          `json:"scale"`
	Direction evolve.Direction `json:"direction"`
}

// Label is the objective's name with its unit.
func (o Objective) Label() string {
	if o.Unit == "" {
		return o.Name
	}
	return o.Name + ", " + o.Unit
}

// Member is one of a front; its values are in the order of the objectives.
type Member struct {
	Code   string    `json:"code"`
	Values []float64 `json:"values"`
}

// Front is what an evolutionary search found.
type Front struct {
	Objectives  []Objective `json:"objectives"`
	Evaluations int         `json:"evaluations"`
	// Generations are the first fronts after each generation.
	Generations []evolve.Snapshot `json:"generations"`
	// Members are the last first front, the best by the first objective first.
	Members []Member `json:"members"`
	// Chosen is the number of the member that became the result's network.
	Chosen int `json:"chosen"`
}

// Best is the chosen member.
func (f Front) Best() Member { return f.Members[f.Chosen] }

// Table is the table of a name; false where there is none.
func (r Result) Table(name string) (Table, bool) {
	for _, t := range r.Tables {
		if t.Name == name {
			return t, true
		}
	}
	return Table{}, false
}

// Weights are the tables of architecture parameters, those of counts and of cosines left out.
func (r Result) Weights() []Table {
	var out []Table
	for _, t := range r.Tables {
		if t.Kind == Softmax || t.Kind == Sigmoid {
			out = append(out, t)
		}
	}
	return out
}

// Validate reports the first thing that does not fit together.
func (r Result) Validate() error {
	if err := r.Spec.Validate(); err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	if err := r.Log.Validate(); err != nil {
		return err
	}
	for _, t := range r.Tables {
		if err := t.Validate(); err != nil {
			return err
		}
	}
	if k := r.Ranking; k != nil && (len(k.Trained) != len(k.Codes) || k.Untrained != nil && len(k.Untrained) != len(k.Codes)) {
		return fmt.Errorf("ranking: expected an accuracy for each of %d codes, got %d, and %d before training", len(k.Codes), len(k.Trained), len(k.Untrained))
	}
	if f := r.Front; f != nil {
		if f.Chosen < 0 || f.Chosen >= len(f.Members) {
			return fmt.Errorf("front: chosen: expected one of %d members, got %d", len(f.Members), f.Chosen)
		}
		for i, m := range f.Members {
			if len(m.Values) != len(f.Objectives) {
				return fmt.Errorf("front: members[%d]: expected a value for each of %d objectives, got %d", i, len(f.Objectives), len(m.Values))
			}
		}
	}
	if r.ROC != nil {
		if err := r.ROC.Validate(); err != nil {
			return err
		}
	}
	if r.Landscape != nil {
		if err := r.Landscape.Validate(); err != nil {
			return err
		}
	}
	if r.Network != nil {
		return r.Network.Validate()
	}
	return nil
}

// ErrNothingDerived is the error of building a network of what derived none.
var ErrNothingDerived = errors.New("no network can be built of what was derived: in one of its cells nothing was kept")
