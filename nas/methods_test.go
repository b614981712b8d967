package nas_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// embedded are the data in the binary that a method searches on.
func embedded(t *testing.T, m method.Method) *datasets.Set {
	t.Helper()
	d, err := datasets.OpenKind(datasets.KindOf(m.Data), "")
	require.NoError(t, err)
	return d
}

func newEngine(t *testing.T) *engine.Engine {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	return engine.New(b.Backend)
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// labels are a method's variants, the method itself first.
func labels(m method.Method) []string {
	list := []string{""}
	for _, v := range m.Variants {
		list = append(list, v.Label)
	}
	return list
}

// TestEveryMethod is the contract of the registry: it needs no change for a new method.
func TestEveryMethod(t *testing.T) {
	require.NotEmpty(t, nas.Methods())
	e := newEngine(t)
	for _, m := range nas.Methods() {
		t.Run(m.Name, func(t *testing.T) {
			data := embedded(t, m)
			id, err := data.Identity()
			require.NoError(t, err)
			search := func(ctx context.Context, seed uint64, o run.Options) (*run.Result, error) {
				c, err := m.Config(profile.Smoke, "")
				require.NoError(t, err)
				c.Shared().Seed = seed
				s, _, err := m.Spec(c, "", id)
				require.NoError(t, err)
				return m.Search(ctx, method.Env{Engine: e, Train: data.Train, Spec: s, Options: o}, c)
			}
			var kinds []string
			whole, err := search(t.Context(), 3, run.Options{Listeners: []run.Listener{func(ev run.Event) {
				kinds = append(kinds, ev.Kind)
				if ev.Kind == run.EventStep {
					assert.NotEmpty(t, ev.Values, "a step has numbers")
				}
			}}})
			require.NoError(t, err)
			assert.Equal(t, run.EventStart, kinds[0])
			assert.Equal(t, run.EventEnd, kinds[len(kinds)-1])
			checkResult(t, m, whole)

			again, err := search(t.Context(), 3, run.Options{})
			require.NoError(t, err)
			assert.Equal(t, marshal(t, whole), marshal(t, again), "the same seed gives the same result")
			other, err := search(t.Context(), 4, run.Options{})
			require.NoError(t, err)
			other.Spec = whole.Spec
			assert.NotEqual(t, marshal(t, whole), marshal(t, other), "another seed gives another result")

			resumed, straight := t.TempDir(), t.TempDir()
			_, err = search(t.Context(), 3, run.Options{Dir: straight})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			_, err = search(ctx, 3, run.Options{Dir: resumed, Listeners: []run.Listener{func(ev run.Event) {
				if ev.Kind == run.EventStep && ev.Epoch == 2 && ev.Step == 2 {
					cancel()
				}
			}}})
			cancel()
			require.ErrorIs(t, err, run.ErrInterrupted)
			rest, err := search(t.Context(), 3, run.Options{Dir: resumed})
			require.NoError(t, err)
			assert.Equal(t, marshal(t, whole), marshal(t, rest), "a resumed search gives the unbroken one's result")
			a, err := os.ReadFile(filepath.Join(straight, run.CheckpointFile))
			require.NoError(t, err)
			b, err := os.ReadFile(filepath.Join(resumed, run.CheckpointFile))
			require.NoError(t, err)
			assert.True(t, string(a) == string(b), "and its checkpoint, byte for byte")

			_, err = search(t.Context(), 5, run.Options{Dir: resumed})
			assert.ErrorContains(t, err, "was written by another run; what differs, its value first: config.seed (3, not 5), seed (3, not 5)")
		})
	}
}

// checkResult looks at what every search gives: whatever it has is whole and fits together.
func checkResult(t *testing.T, m method.Method, r *run.Result) {
	t.Helper()
	require.NoError(t, r.Validate())
	var back run.Result
	require.NoError(t, json.Unmarshal([]byte(marshal(t, r)), &back))
	assert.Equal(t, marshal(t, r), marshal(t, back), "a result is plain data")
	c := m.New()
	require.NoError(t, json.Unmarshal(r.Spec.Config, c))
	common := c.Shared()
	assert.Equal(t, m.Name, r.Spec.Method)
	assert.Equal(t, []any{run.Search, profile.Smoke, uint64(3), common.Space}, []any{r.Spec.Command, r.Spec.Profile, r.Spec.Seed, r.Spec.Space})
	assert.Equal(t, float64(common.Epochs*common.StepsPerEpoch), r.Numbers.Of("steps"))

	require.Len(t, r.Log.Rows, common.Epochs)
	assert.Equal(t, "epoch", r.Log.Columns[0])
	for i := range r.Log.Rows {
		row := r.Log.Row(i)
		assert.Equal(t, float64(i+1), row.Of("epoch"))
		assert.Greater(t, row.Of("train_loss"), 0.0)
		accuracy := row.Of("train_accuracy")
		assert.True(t, accuracy >= 0 && accuracy <= 1, accuracy)
	}
	require.NotEmpty(t, r.Tables)
	names := map[string]bool{}
	for _, table := range r.Tables {
		assert.False(t, names[table.Name], "two tables are named %s", table.Name)
		names[table.Name] = true
		require.NotEmpty(t, table.Epochs, table.Name)
		require.Contains(t, []string{run.Softmax, run.Sigmoid, run.Counts, run.Cosines}, table.Kind)
		if table.Kind == run.Cosines {
			for _, row := range table.Last().Values {
				assert.True(t, len(row) == 0 || slices.Min(row) >= -1.001 && slices.Max(row) <= 1.001, table.Name)
			}
		}
		if table.Kind == run.Counts || table.Kind == run.Cosines {
			continue
		}
		require.Len(t, table.Epochs, common.Epochs+1, table.Name)
		for i, s := range table.Epochs {
			assert.Equal(t, i, s.Epoch)
			require.NotNil(t, s.Weights, "%s: what the relaxation makes of the parameters", table.Name)
			for row, weights := range s.Weights {
				sum := 0.0
				for _, w := range weights {
					sum += w
					assert.True(t, w >= 0 && w <= 1, w)
				}
				if table.Kind == run.Softmax {
					assert.InDelta(t, 1, sum, 1e-5, "%s, row %d", table.Name, row)
				}
			}
		}
		assert.NotEqual(t, table.Epochs[0].Values, table.Last().Values, "the architecture moves")
	}
	assert.NotEmpty(t, r.DerivedBy)
	if r.Network != nil {
		_, err := space.Network(*r.Network, space.NetworkOptions{})
		assert.NoError(t, err)
	}
	if r.Genotype != nil {
		assert.True(t, r.Network == nil || reflect.DeepEqual(*r.Genotype, r.Network.Cells.Genotype))
	}
	if r.Genotype == nil && r.Front == nil && r.Network == nil {
		assert.Fail(t, "a search derives something")
	}
	if f := r.Front; f != nil {
		require.NotEmpty(t, f.Members)
		assert.Len(t, f.Generations[len(f.Generations)-1].Front, len(f.Members))
		assert.NotNil(t, r.Network)
		codes := map[string]bool{}
		for _, m := range f.Members {
			assert.False(t, codes[m.Code], "%s is in the front twice", m.Code)
			codes[m.Code] = true
		}
		for _, o := range f.Objectives {
			assert.NotEmpty(t, o.Name)
			assert.NotZero(t, o.Scale)
		}
	}
}

// Every variant of every method gives the results that it is there for: at the sizes of a moment, with a ranking where it
// ranks, and another result than the method's own.
func TestEveryVariant(t *testing.T) {
	e := newEngine(t)
	for _, m := range nas.Methods() {
		data := embedded(t, m)
		id, err := data.Identity()
		require.NoError(t, err)
		seen := map[string]string{}
		for _, label := range labels(m) {
			t.Run(m.Label(label), func(t *testing.T) {
				c, err := m.Config(profile.Smoke, label)
				require.NoError(t, err)
				s, note, err := m.Spec(c, label, id)
				require.NoError(t, err)
				v, err := m.Variant(label)
				require.NoError(t, err)
				assert.Equal(t, cmp.Or(v.Notes[profile.Smoke], m.Note(profile.Smoke)), note)
				r, err := m.Search(t.Context(), method.Env{Engine: e, Train: data.Train, Spec: s}, c)
				require.NoError(t, err)
				require.NoError(t, r.Validate())
				assert.Equal(t, m.Label(label), r.Spec.Label())
				if k := r.Ranking; k != nil {
					assert.NotEmpty(t, k.Name)
					require.NotEmpty(t, k.Trained)
					if space.HasTruth(r.Spec.Space) {
						truth, err := space.TrueAccuracies(r.Spec.Space, k.Codes)
						require.NoError(t, err)
						assert.Len(t, truth, len(k.Trained))
					}
				}
				assert.False(t, r.Ranking == nil && r.Genotype == nil && r.Network == nil && r.Front == nil, "a search gives something")
				r.Spec = run.Spec{}
				text := marshal(t, r)
				was, twice := seen[text]
				assert.False(t, twice, "%q gives what %q gives", label, was)
				seen[text] = label
			})
		}
	}
}

// What a method is: names, papers, spaces and profiles that commands and claims rely on.
func TestMethodsAreWhole(t *testing.T) {
	known := slices.Concat(diff.Spaces(), diff.SpeechSpaces(), space.PathSpaces())
	runs := map[string]bool{}
	for _, m := range nas.Methods() {
		t.Run(m.Name, func(t *testing.T) {
			assert.Regexp(t, `^[a-z0-9]+$`, m.Name)
			assert.NotEmpty(t, m.Title)
			assert.Regexp(t, `^\d{4}\.\d{5}$`, m.Paper.ArXiv)
			assert.NotEmpty(t, m.Paper.Title)
			assert.Subset(t, known, m.Spaces)
			assert.NotEmpty(t, m.Spaces)
			assert.Contains(t, datasets.Names(), m.Data)
			found, err := nas.Lookup(m.Name)
			require.NoError(t, err)
			assert.Equal(t, m.Paper, found.Paper)
			for name := range m.Profiles {
				assert.NoError(t, profile.Check(name))
			}
			for _, label := range labels(m) {
				v, err := m.Variant(label)
				require.NoError(t, err)
				assert.NotEmpty(t, v.Title)
				assert.Regexp(t, `^[a-z0-9-]*$`, label)
				assert.False(t, runs[m.Label(label)], "two kinds of runs are named %s", m.Label(label))
				runs[m.Label(label)] = true
				of, variant, ok := nas.Labelled(m.Label(label))
				assert.True(t, ok)
				assert.Equal(t, []string{m.Name, label}, []string{of.Name, variant})
				for name := range v.At {
					assert.NoError(t, profile.Check(name))
				}
				for _, p := range profile.Names() {
					c, err := m.Config(p, label)
					require.NoError(t, err)
					require.NoError(t, m.Check(c), "%s at %s", label, p)
					assert.Equal(t, p, c.Shared().Profile)
					assert.Zero(t, c.Shared().Seed)
					// A round trip through JSON into the configuration of another profile leaves nothing of that one.
					other, err := m.Config(profile.Smoke, "")
					require.NoError(t, err)
					require.NoError(t, json.Unmarshal([]byte(marshal(t, c)), other))
					assert.Equal(t, marshal(t, c), marshal(t, other), p)
					// Nor of the published protocol, over which a run that resumes reads its own.
					resumed := m.New()
					require.NoError(t, json.Unmarshal([]byte(marshal(t, c)), resumed))
					assert.Equal(t, marshal(t, c), marshal(t, resumed), p)
				}
			}
			for _, p := range profile.Names() {
				assert.NotEmpty(t, m.Note(p), p)
				assert.GreaterOrEqual(t, m.Seconds(p, ""), 0.0)
			}
		})
	}
}

// sizes are what a note may say of a profile.
var sizes = map[string]func(method.Config) string{
	`(\d+)×\d+ pixels`: func(c method.Config) string { return fmt.Sprint(c.Shared().Image) },
	`(\d+) epochs`:     func(c method.Config) string { return fmt.Sprint(c.Shared().Epochs) },
	`epochs of (\d+) steps`: func(c method.Config) string {
		return fmt.Sprint(c.Shared().StepsPerEpoch)
	},
	`batch (\d+)`: func(c method.Config) string { return fmt.Sprint(c.Shared().Batch) },
}

// The notes say what the profiles have.
func TestNotesAreTrue(t *testing.T) {
	for _, m := range nas.Methods() {
		for _, label := range labels(m) {
			v, err := m.Variant(label)
			require.NoError(t, err)
			for _, p := range profile.Names() {
				what := m.Label(label) + " at " + p
				c, err := m.Config(p, label)
				require.NoError(t, err)
				s, note, err := m.Spec(c, label, datasets.Identity{Name: cmp.Or(v.Data, m.Data), Published: true})
				require.NoError(t, err)
				assert.Equal(t, p, s.Profile, what)
				require.NotEmpty(t, note, what)
				if p == profile.Paper {
					continue
				}
				found := 0
				for pattern, of := range sizes {
					if match := regexp.MustCompile(pattern).FindStringSubmatch(note); match != nil {
						found++
						assert.Equal(t, of(c), match[1], "%s: %s", what, note)
					}
				}
				assert.NotZero(t, found, "%s: %s", what, note)
				// A supernet of single paths and a chain have no cells, and its notes say what its profiles have instead.
				assert.Equal(t, slices.Contains(diff.Spaces(), c.Shared().Space), regexp.MustCompile(`\bcells?\b`).MatchString(note), "%s: %s", what, note)
			}
		}
	}
}

func TestUnknownNames(t *testing.T) {
	_, err := nas.Lookup("dart")
	assert.ErrorContains(t, err, `method "dart": expected one of darts, `)
	_, err = nas.Methods()[0].Config("huge", "")
	assert.ErrorContains(t, err, `profile "huge": expected one of smoke, quick, gpu, day, paper`)
	_, err = nas.Methods()[0].Config(profile.Smoke, "loud")
	assert.ErrorContains(t, err, `darts: variant "loud": expected one of second, noise`)
	for _, label := range []string{"", "dart", "darts-", "darts-loud", "fairdarts-second"} {
		_, _, ok := nas.Labelled(label)
		assert.False(t, ok, label)
	}
}

func TestForeignAndBadConfigurations(t *testing.T) {
	for _, m := range nas.Methods() {
		for _, foreign := range nas.Methods() {
			if foreign.Name == m.Name {
				continue
			}
			c, err := foreign.Config(profile.Smoke, "")
			require.NoError(t, err)
			_, err = m.Search(t.Context(), method.Env{}, c)
			assert.ErrorContains(t, err, fmt.Sprintf("%s: expected a configuration of the type %T, got %T", m.Name, m.New(), c))
		}
		c, err := m.Config(profile.Smoke, "")
		require.NoError(t, err)
		c.Shared().Epochs = 0
		_, err = m.Search(t.Context(), method.Env{}, c)
		assert.ErrorContains(t, err, m.Name+": config: epochs: expected at least 1, got 0")
		c.Shared().Epochs, c.Shared().Space = 1, "S9"
		_, err = m.Search(t.Context(), method.Env{}, c)
		assert.ErrorContains(t, err, `"S9"`)
	}
}

// overwritten is JSON's own value with every number, text and truth in it changed, lists and objects kept.
func overwritten(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = overwritten(v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = overwritten(v[i])
		}
		return v
	case float64:
		return v + 1
	case string:
		return v + " changed"
	case bool:
		return !v
	}
	return v
}

// A configuration is its caller's own: reading JSON over all of it, into every list and behind every pointer, changes no
// other one, and no method.
func TestConfigurationsShareNothing(t *testing.T) {
	for _, m := range nas.Methods() {
		t.Run(m.Name, func(t *testing.T) {
			before := map[string]string{}
			all := func(keep func(name, text string)) {
				keep("new", marshal(t, m.New()))
				for _, p := range profile.Names() {
					for _, label := range labels(m) {
						c, err := m.Config(p, label)
						require.NoError(t, err)
						keep(p+" "+label, marshal(t, c))
					}
				}
			}
			all(func(name, text string) { before[name] = text })
			made := []method.Config{m.New()}
			for _, p := range profile.Names() {
				for _, label := range labels(m) {
					c, err := m.Config(p, label)
					require.NoError(t, err)
					made = append(made, c)
				}
			}
			for _, c := range made {
				var v any
				require.NoError(t, json.Unmarshal([]byte(marshal(t, c)), &v))
				was := marshal(t, c)
				require.NoError(t, method.Decode("test", []byte(marshal(t, overwritten(v))), c))
				require.NotEqual(t, was, marshal(t, c))
			}
			all(func(name, text string) { assert.Equal(t, before[name], text, name) })
		})
	}
	assert.Equal(t, []string{"none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"}, space.DARTSPrimitives)
	assert.Equal(t, space.DARTSPrimitives[1:], space.FairDARTSPrimitives)
}

// What a caller does with a method's lists and maps stays with that caller.
func TestMethodsShareNothing(t *testing.T) {
	before := marshal(t, nas.Methods())
	var notes []string
	all := func() (list []string) {
		for _, m := range nas.Methods() {
			for _, p := range profile.Names() {
				list = append(list, m.Note(p))
				for _, label := range labels(m) {
					v, err := m.Variant(label)
					require.NoError(t, err)
					list = append(list, fmt.Sprint(m.Seconds(p, label)), v.Notes[p])
					c, err := m.Config(p, label)
					require.NoError(t, err)
					list = append(list, marshal(t, c))
				}
			}
		}
		return list
	}
	notes = all()
	for _, m := range nas.Methods() {
		m.Spaces[0] = "changed"
		clear(m.Profiles)
		for i := range m.Variants {
			clear(m.Variants[i].At)
			clear(m.Variants[i].Seconds)
			clear(m.Variants[i].Notes)
			m.Variants[i].Label = "changed"
		}
	}
	assert.Equal(t, before, marshal(t, nas.Methods()))
	assert.Equal(t, notes, all())
}
