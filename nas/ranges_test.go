package nas_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/train"
)

// numbers are the places of all numbers of a JSON value.
func numbers(at []string, v any) [][]string {
	var out [][]string
	switch v := v.(type) {
	case float64:
		out = append(out, slices.Clone(at))
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out = append(out, numbers(append(at, name), v[name])...)
		}
	case []any:
		for i := range v {
			out = append(out, numbers(append(at, fmt.Sprint(i)), v[i])...)
		}
	}
	return out
}

// with is a JSON value with another number in one place.
func with(v any, at []string, number float64) any {
	if len(at) == 0 {
		return number
	}
	switch v := v.(type) {
	case map[string]any:
		out := maps.Clone(v)
		out[at[0]] = with(v[at[0]], at[1:], number)
		return out
	case []any:
		out := slices.Clone(v)
		for i := range out {
			if fmt.Sprint(i) == at[0] {
				out[i] = with(v[i], at[1:], number)
			}
		}
		return out
	}
	return v
}

// beyond tries every number of a configuration far out of its range and returns the places where nobody refused.
func beyond(t *testing.T, config any, check func(text []byte) error) []string {
	t.Helper()
	text, err := json.Marshal(config)
	require.NoError(t, err)
	var tree any
	require.NoError(t, json.Unmarshal(text, &tree))
	var taken []string
	for _, at := range numbers(nil, tree) {
		if at[len(at)-1] == "seed" {
			continue // any number is a seed
		}
		far := 1e15
		if strings.HasPrefix(at[len(at)-1], "learning_rate") {
			far = 1e33 // what diverges may be asked for
		}
		for _, number := range []float64{-7, far} {
			changed, err := json.Marshal(with(tree, at, number))
			require.NoError(t, err)
			t.Logf("trying %s %g", strings.Join(at, "."), number)
			switch err := check(changed); {
			case err == nil:
				taken = append(taken, fmt.Sprintf("%s %g", strings.Join(at, "."), number))
			default:
				name := at[len(at)-1]
				if len(name) == 1 { // of a list
					name = at[len(at)-2]
				}
				assert.Contains(t, err.Error(), name, "the error names the field")
			}
		}
	}
	return taken
}

// TestEveryFieldHasARange: numbers far out of any sense are refused in every field of every configuration, by name. A new
// field without a range fails here.
func TestEveryFieldHasARange(t *testing.T) {
	for _, m := range nas.Methods() {
		t.Run(m.Name, func(t *testing.T) {
			for _, label := range labels(m) {
				c, err := m.Config(profile.Smoke, label)
				require.NoError(t, err)
				assert.Empty(t, beyond(t, c, func(text []byte) error {
					c := m.New()
					if err := method.Decode("config", text, c); err != nil {
						return err
					}
					return m.Check(c)
				}), label)
			}
		})
	}
	t.Run("train", func(t *testing.T) {
		assert.Empty(t, beyond(t, train.DefaultConfig(), func(text []byte) error {
			var c train.Config
			if err := method.Decode("config", text, &c); err != nil {
				return err
			}
			return c.Validate()
		}))
	})
}
