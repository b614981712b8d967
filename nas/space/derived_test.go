package space

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
)

// stateEntry is [name, shape].
type stateEntry struct {
	Name  string
	Shape []int
}

func (s *stateEntry) UnmarshalJSON(b []byte) error {
	var parts [2]json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if err := json.Unmarshal(parts[0], &s.Name); err != nil {
		return err
	}
	return json.Unmarshal(parts[1], &s.Shape)
}

type derivedCase struct {
	Genotype arch.Genotype `json:"genotype"`
	Size     Size          `json:"size"`
	Params   struct {
		All     int `json:"all"`
		Without int `json:"without_auxiliary_head"`
	} `json:"params"`
	MACs    int64 `json:"macs"`
	Forward map[string]struct {
		Gain      float64     `json:"gain"`
		Logits    [][]float64 `json:"logits"`
		LogitsStd float64     `json:"logits_std"`
		AuxLogits [][]float64 `json:"aux_logits"`
	} `json:"forward"`
	StateDict *struct {
		Entries int          `json:"entries"`
		Sum     string       `json:"sha256_of_lines"`
		Part    []stateEntry `json:"part"`
	} `json:"state_dict"`
}

func readDerived(t *testing.T, name string) derivedCase {
	t.Helper()
	data, err := os.ReadFile("testdata/derived/" + name + ".json")
	require.NoError(t, err)
	var c derivedCase
	require.NoError(t, json.Unmarshal(data, &c))
	return c
}

var derivedFixtures = []string{"fairdarts_a", "fairdarts_b", "darts_v2_cifar10"}

func specEntries(specs []nn.Spec) []stateEntry {
	out := make([]stateEntry, len(specs))
	for i, s := range specs {
		out[i] = stateEntry{s.Name, s.Shape}
	}
	return out
}

func imageShape(batch, side int) shapes.Shape {
	return shapes.Make(dtypes.Float32, batch, side, side, 3)
}

func TestDerivedNames(t *testing.T) {
	for _, name := range derivedFixtures {
		c := readDerived(t, name)
		if c.StateDict == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for _, dropPath := range []bool{false, true} {
				net, err := Derived(c.Size, c.Genotype, NetworkOptions{Auxiliary: true, DropPath: dropPath})
				require.NoError(t, err)
				var part []stateEntry
				h := sha256.New()
				for _, e := range specEntries(net.Specs()) {
					_, _ = fmt.Fprintf(h, "%s [%s]\n", e.Name, strings.ReplaceAll(strings.Trim(fmt.Sprint(e.Shape), "[]"), " ", ","))
					if !strings.HasPrefix(e.Name, "cells.") || strings.HasPrefix(e.Name, "cells.0.") || strings.HasPrefix(e.Name, "cells.6.") {
						part = append(part, e)
					}
				}
				require.Equal(t, c.StateDict.Part, part)
				assert.Len(t, net.Specs(), c.StateDict.Entries)
				assert.Equal(t, c.StateDict.Sum, hex.EncodeToString(h.Sum(nil)))
			}
		})
	}
}

func TestDerivedCounts(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	for _, name := range derivedFixtures {
		t.Run(name, func(t *testing.T) {
			c := readDerived(t, name)
			checkCounts(t, b, c)
		})
	}
}

func checkCounts(t *testing.T, b *backend.Backend, c derivedCase) {
	t.Helper()
	with, err := Derived(c.Size, c.Genotype, NetworkOptions{Auxiliary: true})
	require.NoError(t, err)
	without, err := Derived(c.Size, c.Genotype, NetworkOptions{})
	require.NoError(t, err)
	assert.Equal(t, c.Params.All, nn.Params(with.Specs()))
	assert.Equal(t, c.Params.Without, nn.Params(without.Specs()))
	macs, err := nn.MACs(b.Backend, without, imageShape(1, 32))
	require.NoError(t, err)
	assert.Equal(t, c.MACs, macs)
	twice, err := nn.MACs(b.Backend, without, imageShape(2, 32))
	require.NoError(t, err)
	assert.Equal(t, 2*c.MACs, twice)
}

// TestDerivedReference compares every CIFAR cell network of the reference folder: names, shapes, order and counts.
func TestDerivedReference(t *testing.T) {
	root := os.Getenv("GONAS_GOLDEN")
	if root == "" {
		t.Skip("GONAS_GOLDEN is not set: the reference folder of the official code's numbers")
	}
	b, err := backend.Open()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(root, "*", "*.json"))
	require.NoError(t, err)
	seen := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var f struct {
			Spec struct {
				Kind     string       `json:"kind"`
				Cells    int          `json:"layers"`
				Channels int          `json:"init_channels"`
				Classes  int          `json:"classes"`
				Genotype golden.Genes `json:"genotype"`
			} `json:"spec"`
			Params struct {
				All     int `json:"all"`
				Without int `json:"without_auxiliary_head"`
			} `json:"params"`
			MACs struct {
				Sum int64 `json:"conv_plus_linear"`
			} `json:"macs_per_sample"`
		}
		// Other kinds of files have other fields of these names.
		if json.Unmarshal(data, &f) != nil || f.Spec.Kind != "darts_cells_cifar" {
			continue
		}
		seen++
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			c := derivedCase{Genotype: f.Spec.Genotype.Genotype, Size: Size{Cells: f.Spec.Cells, Channels: f.Spec.Channels, Classes: f.Spec.Classes, InputChannels: 3}}
			net, err := Derived(c.Size, c.Genotype, NetworkOptions{Auxiliary: true})
			require.NoError(t, err)
			data, err := os.ReadFile(strings.TrimSuffix(file, ".json") + ".state_dict.json")
			require.NoError(t, err)
			var want []stateEntry
			require.NoError(t, json.Unmarshal(data, &want))
			require.Equal(t, want, specEntries(net.Specs()))
			if f.Params.All > 0 {
				c.Params.All, c.Params.Without, c.MACs = f.Params.All, f.Params.Without, f.MACs.Sum
				checkCounts(t, b, c)
			}
		})
	}
	assert.Greater(t, seen, 30)
}

func fillWithGain(t *testing.T, m *engine.Model, gain float64) {
	t.Helper()
	state := map[string][]float64{}
	for _, s := range m.Specs() {
		state[s.Name] = golden.Tensor(s.Name, s.Shape, gain)
	}
	require.NoError(t, m.LoadFloat64(state))
}

// TestDerivedForward compares logits with the official networks' at two granularities: small ones on the backend that
// users have, the whole network in float64 on the pure-Go one, which need not compile it.
func TestDerivedForward(t *testing.T) {
	fast, err := backend.Open()
	require.NoError(t, err)
	plain, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	require.NoError(t, err)
	float32Engine, float64Engine := engine.New(fast.Backend), engine.NewFloat64(plain.Backend)
	for _, name := range derivedFixtures {
		c := readDerived(t, name)
		net, err := Derived(c.Size, c.Genotype, NetworkOptions{Auxiliary: true})
		require.NoError(t, err)
		for _, on := range []struct {
			engine      *engine.Engine
			granularity nn.Level
		}{{float32Engine, nn.Operation}, {float32Engine, nn.Cell}, {float64Engine, nn.Network}} {
			if on.granularity == nn.Cell && name != "fairdarts_a" {
				continue // a cell takes seconds to compile
			}
			t.Run(fmt.Sprintf("%s/%s", name, on.granularity), func(t *testing.T) {
				if on.engine == float64Engine {
					t.Parallel()
				}
				m, err := on.engine.NewModel(net, on.granularity)
				require.NoError(t, err)
				x := goldenImages(on.engine, "input", 2, 32, 32, 3)
				require.Len(t, c.Forward, 2)
				for _, want := range c.Forward {
					fillWithGain(t, m, want.Gain)
					out, err := m.Run(nn.Mode{}, x)
					require.NoError(t, err)
					require.Len(t, out, 2)
					logits := numbers(t, out[0])
					for i, w := range flatten(want.Logits) {
						assert.InDelta(t, w, logits[i], tolerance*want.LogitsStd, "W=%g logit %d", want.Gain, i)
					}
					requireNear(t, "auxiliary logits", flatten(want.AuxLogits), numbers(t, out[1]))
				}
			})
		}
	}
}

// A node whose only edge comes from a node that lost its own has no value either.
func TestDerivedWithoutANode(t *testing.T) {
	cell := arch.Cell{Edges: []arch.Edge{{Op: nn.SkipConnect, From: 0, To: 2}, {Op: nn.DilConv3x3, From: 3, To: 4}, {Op: nn.SepConv3x3, From: 4, To: 5}, {Op: nn.SepConv3x3, From: 1, To: 5}}, Concat: []int{2, 4, 5}}
	assert.Equal(t, []bool{true, true, true, false, false, true}, cell.Exists())
	assert.Equal(t, []int{2, 5}, cell.Outputs())
	g := arch.Genotype{Style: arch.StyleThreshold, Normal: cell, Reduce: cell}
	size := Size{Cells: 3, Channels: 2, Classes: 10, InputChannels: 3}
	net, err := Derived(size, g, NetworkOptions{})
	require.NoError(t, err)
	var names []string
	for _, s := range net.Specs() {
		names = append(names, s.Name)
	}
	assert.Contains(t, names, "cells.0._ops.4.3.0.op.1.weight", "its parameters exist")
	b, err := backend.Open()
	require.NoError(t, err)
	m, err := engine.New(b.Backend).NewModel(net, nn.Operation)
	require.NoError(t, err)
	fillWithGain(t, m, 3)
	out, err := m.Run(nn.Mode{}, nhwcInput("input", 2, 8, 8, 3))
	require.NoError(t, err)
	assert.Equal(t, []int{2, 10}, out[0].Shape().Dimensions)

	g.Normal = arch.Cell{Edges: []arch.Edge{{Op: nn.SkipConnect, From: 3, To: 4}}, Concat: []int{4}}
	_, err = Derived(size, g, NetworkOptions{})
	assert.ErrorContains(t, err, "genotype: normal: no node of concat [4]")
}

func TestDerivedDropPath(t *testing.T) {
	c := readDerived(t, "darts_v2_cifar10")
	size := Size{Cells: 3, Channels: 4, Classes: 10, InputChannels: 3}
	edges := DropPathEdges(c.Genotype)
	require.Equal(t, 8, edges)
	b, err := backend.Open()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	run := func(o NetworkOptions, granularity nn.Level, in ...*tensors.Tensor) []float32 {
		net, err := Derived(size, c.Genotype, o)
		require.NoError(t, err)
		m, err := e.NewModel(net, granularity)
		require.NoError(t, err)
		fillWithGain(t, m, 3)
		out, err := m.Run(nn.Mode{}, in...)
		require.NoError(t, err)
		return values(t, out[0])
	}
	x := nhwcInput("input", 2, 8, 8, 3)
	factors := func(second float32) *tensors.Tensor {
		flat := make([]float32, size.Cells*edges*2)
		for i := range flat {
			flat[i] = 1
			if i%2 == 1 {
				flat[i] = second
			}
		}
		return tensors.FromFlatDataAndDimensions(flat, size.Cells, edges, 2)
	}
	plain := run(NetworkOptions{}, nn.Operation, x)
	for _, granularity := range []nn.Level{nn.Operation, nn.Edge, nn.Network} {
		kept := run(NetworkOptions{DropPath: true}, granularity, x, factors(1))
		dropped := run(NetworkOptions{DropPath: true}, granularity, x, factors(0))
		for i := range plain {
			assert.InDelta(t, plain[i], kept[i], 1e-5, "factors of 1 change nothing")
			if i < 10 {
				assert.InDelta(t, plain[i], dropped[i], 1e-5, "the first sample keeps its paths")
			}
		}
		assert.NotEqual(t, plain[10:], dropped[10:], "the second sample lost its paths")
	}
}

// The gradients of a derived network with drop-path do not depend on the granularity, in float64 to rounding.
func TestDerivedGradientsAtEveryGranularity(t *testing.T) {
	b, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	require.NoError(t, err)
	e := engine.NewFloat64(b.Backend)
	g := readDerived(t, "fairdarts_a").Genotype
	size := Size{Cells: 3, Channels: 4, Classes: 10, InputChannels: 3}
	net, err := Derived(size, g, NetworkOptions{DropPath: true})
	require.NoError(t, err)
	loss := engine.LossModule(0)
	root := nn.NewComposite("test|"+net.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
		return e.Call("", loss, nn.Call1(e, "", net, in[0], in[2]), in[1])
	})
	const batch = 3
	factors := make([]float64, size.Cells*DropPathEdges(g)*batch)
	for i := range factors {
		if golden.Uniform("factors", i) > 0.3 {
			factors[i] = 1 / 0.7
		}
	}
	var want map[string][]float64
	for _, granularity := range []nn.Level{nn.Network, nn.Cell, nn.Edge, nn.Operation} {
		m, err := e.NewModel(root, granularity)
		require.NoError(t, err)
		fill(t, m)
		grads, err := m.Gradient(nn.Mode{Train: true}, true, nil, goldenImages(e, "input", batch, 8, 8, 3), tensors.FromFlatDataAndDimensions([]int32{1, 5, 9}, batch),
			e.Tensor(factors, size.Cells, DropPathEdges(g), batch))
		require.NoError(t, err)
		got, err := m.WeightGradients(grads)
		require.NoError(t, err)
		if want == nil {
			want = got
			continue
		}
		require.Len(t, got, len(want))
		for name := range want {
			for i := range want[name] {
				require.InDelta(t, want[name][i], got[name][i], 1e-10, "%s of %s", name, granularity)
			}
		}
	}
}

func TestAuxiliaryFits(t *testing.T) {
	for side := 4; side <= 64; side++ {
		assert.Equal(t, side >= 29 && side <= 40, AuxiliaryFits(side), "side %d", side)
	}
}
