package zoo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/safetensors"
	"github.com/gonas/gonas/nas/space"
)

func get(t *testing.T, name string) *Net {
	t.Helper()
	n, err := Get(name)
	require.NoError(t, err)
	return n
}

func newEngine(t *testing.T) *engine.Engine {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	return engine.New(b.Backend)
}

// TestNames wants every network that the papers and their baselines publish.
func TestNames(t *testing.T) {
	want := strings.Fields(`
		fairnas-a fairnas-b fairnas-c
		fairnas-a-se0.5 fairnas-b-se0.5 fairnas-c-se0.5 fairnas-a-se1.0 fairnas-b-se1.0 fairnas-c-se1.0
		fairnas-a-se0.5-cifar10 fairnas-b-se0.5-cifar10 fairnas-c-se0.5-cifar10
		fairnas-a-se1.0-cifar10 fairnas-b-se1.0-cifar10 fairnas-c-se1.0-cifar10
		moga-a moga-b moga-c scarlet-a scarlet-b scarlet-c
		fairdarts-a fairdarts-b fairdarts-c fairdarts-d fairdarts-e fairdarts-f fairdarts-g
		fairdarts-a-imagenet fairdarts-b-imagenet fairdarts-dco-edge fairdarts-dco-sparse
		noisydarts-a noisydarts-b noisydarts-c noisydarts-d noisydarts-e noisydarts-f noisydarts-g noisydarts-h
		noisydarts-i noisydarts-j noisydarts-k noisydarts-l noisydarts-m noisydarts-n
		noisydarts-a-imagenet noisydarts-a-imagenet-se
		dartsminus-cifar10-s0-0 dartsminus-cifar10-s0-1 dartsminus-cifar10-s0-2 dartsminus-cifar10-s0-3 dartsminus-cifar10-s0-4
		dartsminus-cifar100-s0-0 dartsminus-cifar100-s0-1 dartsminus-cifar100-s0-2 dartsminus-cifar100-s0-3
		darts-v1 darts-v2 darts-v1-imagenet darts-v2-imagenet pcdarts pcdarts-cifar-imagenet pcdarts-image-imagenet
		pdarts gdas snas nasnet amoebanet enas mdenas mobilenetv2
		tcresnet8 tcresnet8-1.5 tcresnet14 tcresnet14-1.5`)
	for _, classes := range []int{10, 100} {
		for s := 1; s <= 4; s++ {
			for seed := range 3 {
				want = append(want, fmt.Sprintf("dartsminus-cifar%d-s%d-%d", classes, s, seed))
			}
		}
	}
	names, err := Names()
	require.NoError(t, err)
	assert.Subset(t, names, want)
	assert.IsIncreasing(t, names)
}

func TestGetUnknown(t *testing.T) {
	for name, message := range map[string]string{
		"fairnas-d":              `no network "fairnas-d", perhaps "fairnas-a"; gonas zoo list shows all`,
		"nasbench201-15625":      `expected an index from 0 to 15624, got "15625"`,
		"nasbench201-x":          `expected an index from 0 to 15624, got "x"`,
		"nasbenchmacro-0000":     `expected 8 digits from 0 to 2, got "0000"`,
		"nasbenchmacro-00000003": `expected 8 digits from 0 to 2, got "00000003"`,
	} {
		_, err := Get(name)
		assert.ErrorContains(t, err, message)
	}
}

// stateDict are the number of a network's tensors and the SHA-256 of their names and shapes, a line each.
type stateDict struct {
	Entries int    `json:"entries"`
	Sum     string `json:"sha256"`
}

// TestGoldenStateDicts compares names, shapes and order of all tensors with the official networks'.
func TestGoldenStateDicts(t *testing.T) {
	data, err := os.ReadFile("testdata/state_dicts.json")
	require.NoError(t, err)
	var want map[string]stateDict
	require.NoError(t, json.Unmarshal(data, &want))
	names, err := Names()
	require.NoError(t, err)
	seen := 0
	for _, name := range names {
		n := get(t, name)
		reference, ok := want[n.Reference]
		if !ok {
			continue
		}
		seen++
		specs, err := n.Specs()
		require.NoError(t, err)
		h := sha256.New()
		for _, s := range specs {
			_, _ = fmt.Fprintf(h, "%s [%s]\n", s.Name, strings.ReplaceAll(strings.Trim(fmt.Sprint(s.Shape), "[]"), " ", ","))
		}
		assert.Equal(t, reference, stateDict{len(specs), hex.EncodeToString(h.Sum(nil))}, name)
	}
	assert.Greater(t, seen, 60)
}

// TestGoldenNetworks compares one network of each family with the official code's logits and intermediate results.
func TestGoldenNetworks(t *testing.T) {
	e := newEngine(t)
	files, err := filepath.Glob("testdata/golden/*.json")
	require.NoError(t, err)
	require.Len(t, files, 10)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) { checkFile(t, e, file) })
	}
}

func checkFile(t *testing.T, e *engine.Engine, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	r, err := Check(e, data)
	require.NoError(t, err)
	assert.Empty(t, r.Problems)
	require.NotNil(t, r.OK)
	assert.True(t, *r.OK)
	assert.Len(t, r.MaxRelErr, 2)
}

// TestGoldenAll does the same for all networks of the reference folder.
func TestGoldenAll(t *testing.T) {
	root := referenceFolder(t)
	e := newEngine(t)
	files, err := filepath.Glob(filepath.Join(root, "*", "*.json"))
	require.NoError(t, err)
	checked := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		r, err := Check(e, data)
		if !assert.NoError(t, err, file) || r.OK == nil {
			continue
		}
		checked++
		assert.True(t, *r.OK, "%s: %v", file, r.Problems)
	}
	assert.GreaterOrEqual(t, checked, 42)
}

func referenceFolder(t *testing.T) string {
	root := os.Getenv("GONAS_GOLDEN")
	if root == "" {
		t.Skip("GONAS_GOLDEN is not set: the reference folder of the official code's numbers")
	}
	return root
}

// A file that disagrees with the network must not pass.
func TestCheckFindsDifferences(t *testing.T) {
	e := newEngine(t)
	data, err := os.ReadFile("testdata/golden/FairDARTS_g.json")
	require.NoError(t, err)
	for what, change := range map[string]func(map[string]any){
		"params.all":           func(f map[string]any) { f["params"].(map[string]any)["all"] = 1 },
		"conv_plus_linear":     func(f map[string]any) { f["macs_per_sample"].(map[string]any)["conv_plus_linear"] = 1 },
		"logits_f64 is off":    func(f map[string]any) { first(f, "logits_f64")[3] = 7 },
		"aux_logits_eval_mode": func(f map[string]any) { first(f, "aux_logits_eval_mode")[3] = 7 },
		"cells.19 is off": func(f map[string]any) {
			f["forward"].(map[string]any)["intermediates"].(map[string]any)["cells.19"].(map[string]any)["last4"].([]any)[3] = 3
		},
		"forward_W4": func(f map[string]any) {
			f["spec"].(map[string]any)["genotype"].(map[string]any)["normal"].(map[string]any)["edges_op_from_to"].([]any)[0].([]any)[1] = 1
		},
	} {
		var f map[string]any
		require.NoError(t, json.Unmarshal(data, &f))
		change(f)
		changed, err := json.Marshal(f)
		require.NoError(t, err)
		r, err := Check(e, changed)
		require.NoError(t, err)
		require.NotNil(t, r.OK, what)
		assert.False(t, *r.OK, what)
		assert.Contains(t, strings.Join(r.Problems, "\n"), what)
	}
	for what, content := range map[string]string{
		"spec.kind":         `{"spec": {"kind": "transformer"}}`,
		"input: expected":   `{"spec": {"kind": "block_chain", "input": [3]}}`,
		"genotype: style":   `{"spec": {"kind": "darts_cells_cifar", "input": [3, 32, 32], "classes": 10, "init_channels": 4, "layers": 2}}`,
		"unexpected end of": `{"spec": `,
	} {
		_, err := Check(e, []byte(content))
		assert.ErrorContains(t, err, what)
	}
	for _, content := range []string{`[["stem.weight", [1]]]`, `{"alphas": 1}`} {
		r, err := Check(e, []byte(content))
		require.NoError(t, err)
		assert.Nil(t, r.OK)
		assert.NotEmpty(t, r.Skipped)
	}
}

func first(f map[string]any, field string) []any {
	return f["forward"].(map[string]any)[field].([]any)[0].([]any)
}

// variants are compact records of further genotypes.
type variants struct {
	Archs map[string]struct {
		Genotype golden.Genes `json:"genotype"`
		Classes  int          `json:"classes"`
		Noise    bool         `json:"has_noise_op"`
		variant
		Configs map[string]variant `json:"configs"`
	} `json:"archs"`
}

type variant struct {
	Params int         `json:"params_without_aux"`
	All    int         `json:"params_all"`
	MACs   int64       `json:"macs_conv_plus_linear"`
	Logits [][]float64 `json:"logits_f64"`
	Std    float64     `json:"logits_std"`
}

func checkVariants(t *testing.T, e *engine.Engine, data []byte) (records int) {
	t.Helper()
	var v variants
	require.NoError(t, json.Unmarshal(data, &v))
	for _, name := range slices.Sorted(maps.Keys(v.Archs)) {
		a := v.Archs[name]
		configs := a.Configs
		if configs == nil {
			configs = map[string]variant{"C36_L20": a.variant}
		}
		for _, config := range slices.Sorted(maps.Keys(configs)) {
			want := configs[config]
			cells := arch.CellNetwork{Stem: arch.StemCIFAR, Genotype: a.Genotype.Genotype}
			_, err := fmt.Sscanf(config, "C%d_L%d", &cells.Channels, &cells.Cells)
			require.NoError(t, err)
			classes := max(a.Classes, 10)
			n, err := New(name, arch.Network{Input: [3]int{32, 32, 3}, Classes: classes, Cells: &cells})
			require.NoError(t, err)
			params, err := n.Params()
			require.NoError(t, err)
			macs, err := n.MACs(0)
			require.NoError(t, err)
			assert.Equal(t, []int64{int64(want.Params), int64(want.All), want.MACs}, []int64{int64(params.WithoutHead()), int64(params.All), macs}, "%s %s", name, config)
			records++
			if a.Noise {
				continue // drawn anew at each evaluation
			}
			f := forwarder{net: n, engine: e}
			logits, _, _, err := f.run(3, "input", []int{2, 3, 32, 32})
			require.NoError(t, err)
			worst, err := farthest(append(append([]float64(nil), want.Logits[0]...), want.Logits[1]...), logits)
			require.NoError(t, err)
			assert.LessOrEqual(t, worst/want.Std, Tolerance, "%s %s", name, config)
			require.NoError(t, f.close())
		}
	}
	return records
}

func TestGoldenVariants(t *testing.T) {
	data, err := os.ReadFile("testdata/variants.json")
	require.NoError(t, err)
	var files map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &files))
	e := newEngine(t)
	for name, file := range files {
		t.Run(name, func(t *testing.T) { assert.NotZero(t, checkVariants(t, e, file)) })
	}
}

// TestGoldenAllVariants takes every record of the reference folder.
func TestGoldenAllVariants(t *testing.T) {
	root := referenceFolder(t)
	e := newEngine(t)
	for name, least := range map[string]int{"noisydarts": 98, "dartsminus": 54} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(root, name, "variants.json"))
			require.NoError(t, err)
			assert.GreaterOrEqual(t, checkVariants(t, e, data), least)
		})
	}
}

// TestPublishedCounts asserts every printed count under the convention that it names; that those marked as fitting none
// do fit none is asserted too.
func TestPublishedCounts(t *testing.T) {
	names, err := Names()
	require.NoError(t, err)
	asserted := 0
	for _, name := range names {
		n := get(t, name)
		for _, p := range n.Published {
			if p.Confidence == "low" {
				continue
			}
			label := fmt.Sprintf("%s %s %s: %s", name, p.Count, p.Value, p.Convention)
			if p.Convention != ConventionNone {
				c, err := n.Check(p)
				require.NoError(t, err)
				assert.True(t, c.Agrees, "%s, counted %d", label, c.Count)
				asserted++
				continue
			}
			for _, p.Convention = range p.conventions() {
				for _, p.Cut = range []bool{false, true} {
					c, err := n.Check(p)
					require.NoError(t, err)
					assert.False(t, c.Agrees, "%s fits %s, %d", label, p.Convention, c.Count)
				}
			}
		}
	}
	assert.Greater(t, asserted, 70)
}

func TestPublishedEquals(t *testing.T) {
	for _, c := range []struct {
		value  string
		cut    bool
		count  int64
		equals bool
	}{{"3.37", false, 3368782, true}, {"3.36", false, 3368782, false}, {"3.36", true, 3368782, true}, {"3.4", false, 3368782, true},
		{"388", false, 388122848, true}, {"389", false, 388122848, false}, {"x", false, 1, false}} {
		assert.Equal(t, c.equals, Published{Value: c.value, Cut: c.cut}.Equals(c.count), "%+v", c)
	}
}

// TestMacroCounts compares parameters and multiply-adds of all 6,561 networks with the benchmark's table.
func TestMacroCounts(t *testing.T) {
	table, err := datasets.NASBenchMacro()
	require.NoError(t, err)
	require.Len(t, table, 6561)
	c, err := counter()
	require.NoError(t, err)
	for code, row := range table {
		n := get(t, "nasbenchmacro-"+code)
		m, err := n.Module(space.NetworkOptions{})
		require.NoError(t, err)
		params := 0
		for _, s := range m.Specs() {
			if !s.Buffer && !s.Counter {
				params += s.Size()
			}
		}
		cost, err := c.Count(m, shapes.Make(dtypes.Float32, 1, 32, 32, 3))
		require.NoError(t, err)
		require.Equal(t, []int64{row.Params, row.FLOPs}, []int64{int64(params), cost.MACs}, code)
	}
}

// The reference counts of TC-ResNet: 8 and 14, plain and 1.5 times as wide, by hand from the official definition.
func TestTCResNetCounts(t *testing.T) {
	for name, want := range map[string][2]int64{"tcresnet8": {65168, 0}, "tcresnet8-1.5": {144264, 0}, "tcresnet14": {135856, 3030528}, "tcresnet14-1.5": {303000, 6677136}} {
		n := get(t, name)
		p, err := n.Params()
		require.NoError(t, err)
		assert.EqualValues(t, want[0], p.All, name)
		if want[1] > 0 {
			macs, err := n.MACs(0)
			require.NoError(t, err)
			assert.Equal(t, want[1], macs, name)
		}
	}
}

// The cells of NAS-Bench-201: the best one's index is public, and there are no two alike.
func TestNASBench201(t *testing.T) {
	seen := map[[6]string]bool{}
	for i := range NASBench201Size {
		seen[get(t, fmt.Sprintf("nasbench201-%d", i)).Network.Grid.Cell] = true
	}
	assert.Len(t, seen, NASBench201Size)
	n := get(t, "nasbench201-0")
	assert.Equal(t, [6]string{"avg_pool_3x3", "nor_conv_1x1", "skip_connect", "nor_conv_1x1", "skip_connect", "skip_connect"}, n.Network.Grid.Cell)
	e := newEngine(t)
	for _, index := range []int{0, 4, 1462} {
		n := get(t, fmt.Sprintf("nasbench201-%d", index))
		n.Engine = e
		w, err := n.InitialWeights(1)
		require.NoError(t, err)
		require.NoError(t, n.Use(w))
		logits, err := n.Predict(tensors.FromShape(shapes.Make(dtypes.Float32, 2, 32, 32, 3)))
		require.NoError(t, err)
		assert.Len(t, logits, 2)
		assert.Len(t, logits[0], 10)
	}
}

// A file of tensors gives the reference's logits, and comes back bit for bit.
func TestWeightsRoundTrip(t *testing.T) {
	e := newEngine(t)
	data, err := os.ReadFile("testdata/golden/FairDARTS_g.json")
	require.NoError(t, err)
	n := get(t, "fairdarts-g")
	w, err := n.GoldenWeights(4)
	require.NoError(t, err)
	w["stem.1.num_batches_tracked"] = safetensors.FromInt64([]int{}, []int64{7})
	path := filepath.Join(t.TempDir(), "w.safetensors")
	require.NoError(t, WriteWeights(path, w))
	back, err := n.ReadWeights(path)
	require.NoError(t, err)
	assert.Equal(t, w, back)
	r, err := CheckWeights(e, data, path, 4)
	require.NoError(t, err)
	assert.Empty(t, r.Problems)
	assert.Len(t, r.MaxRelErr, 1)
	r, err = CheckWeights(e, data, path, 3)
	require.NoError(t, err)
	assert.NotEmpty(t, r.Problems, "other weights than the file's")
	_, err = CheckWeights(e, data, path, 5)
	assert.ErrorContains(t, err, "no forward has weight_gain_W 5")
}

func TestReadWeightsRefuses(t *testing.T) {
	n := get(t, "fairdarts-g")
	path := filepath.Join(t.TempDir(), "w.safetensors")
	for message, change := range map[string]func(Weights){
		`missing tensor "stem.0.weight", shape [108 3 3 3]`:                      func(w Weights) { delete(w, "stem.0.weight") },
		`missing tensor "auxiliary_head.features.2.weight", shape [128 576 1 1]`: func(w Weights) { delete(w, "auxiliary_head.features.2.weight") },
		`unexpected tensor "stem.2.weight", shape [1]`:                           func(w Weights) { w["stem.2.weight"] = safetensors.FromFloat32([]int{1}, []float32{1}) },
		`tensor "classifier.bias": expected shape [10], got [2]`:                 func(w Weights) { w["classifier.bias"] = safetensors.FromFloat32([]int{2}, []float32{1, 2}) },
	} {
		w, err := n.InitialWeights(1)
		require.NoError(t, err)
		change(w)
		require.NoError(t, WriteWeights(path, w))
		_, err = n.ReadWeights(path)
		require.ErrorContains(t, err, message)
		assert.ErrorContains(t, err, path)
	}
	w, err := n.InitialWeights(1)
	require.NoError(t, err)
	for name := range w {
		if strings.HasPrefix(name, "auxiliary_head.") || strings.HasSuffix(name, "num_batches_tracked") {
			delete(w, name)
		}
	}
	require.NoError(t, WriteWeights(path, w))
	_, err = n.ReadWeights(path)
	assert.NoError(t, err, "the auxiliary head and the counters may be absent")
}

// A network with the operation noise runs, though its numbers are not the official code's.
func TestNoiseNetworkRuns(t *testing.T) {
	n := get(t, "dartsminus-cifar10-s4-0")
	level := nn.Edge
	n.Engine, n.Granularity = newEngine(t), &level
	w, err := n.InitialWeights(1)
	require.NoError(t, err)
	require.NoError(t, n.Use(w))
	logits, err := n.Predict(tensors.FromShape(shapes.Make(dtypes.Float32, 1, 32, 32, 3)))
	require.NoError(t, err)
	for _, v := range logits[0] {
		assert.False(t, math.IsNaN(float64(v)))
	}
}

func TestDocumentIsCurrent(t *testing.T) {
	want, err := Document()
	require.NoError(t, err)
	got, err := os.ReadFile("../../docs/zoo.md")
	require.NoError(t, err)
	assert.Equal(t, want, string(got), "docs/zoo.md is stale: gonas zoo doc > docs/zoo.md")
}
