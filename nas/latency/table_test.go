package latency_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/latency"
	"github.com/gonas/gonas/nas/space"
)

const header = "block,input,output,ms,spread,device\n"

func TestBlockText(t *testing.T) {
	squeeze := &arch.SqueezeExcite{Squeeze: "a", Excite: "b", Reduced: 12, Activation: "relu", Gate: "hsigmoid"}
	for want, b := range map[string]arch.Block{
		"inverted_bottleneck k3 h48 s2 relu":                               {Name: "x", Op: arch.OpBottleneck, Kernel: 3, Hidden: 48, Stride: 2, Activation: "relu"},
		"inverted_bottleneck k5 h48 s1 hswish se12/relu/hsigmoid residual": {Op: arch.OpBottleneck, Kernel: 5, Hidden: 48, Stride: 1, Activation: "hswish", Squeeze: squeeze, Residual: true},
		"multi_path k3+7 h48 s1 relu6":                                     {Op: arch.OpMultiPath, Kernels: []int{3, 7}, Hidden: 48, Stride: 1, Activation: "relu6"},
		"depthwise_separable k3 s1 relu6":                                  {Op: arch.OpSeparable, Kernel: 3, Stride: 1, Activation: "relu6"},
		"identity s1":                                                      {Op: arch.OpIdentity, Stride: 1},
		"projection s2":                                                    {Op: arch.OpProjection, Stride: 2},
	} {
		assert.Equal(t, want, latency.BlockText(b))
	}
	assert.Equal(t, "classifier h1280 hswish", latency.ClassifierText(arch.Conv{Out: 1280, Activation: "hswish"}))
}

func TestReadCSV(t *testing.T) {
	const row = "projection s2,8x8x4,4x4x8,0.5,0.01,d\n"
	table, err := latency.ReadCSV("t.csv", strings.NewReader(header+row))
	require.NoError(t, err)
	assert.Equal(t, latency.Table{{Key: latency.Key{Block: "projection s2", Input: "8x8x4", Output: "4x4x8"}, MS: 0.5, Spread: 0.01, Device: "d"}}, table)
	for want, text := range map[string]string{
		"t.csv: line 1: expected the header block,input,output,ms,spread,device, got block,input,output,ms,device":       "block,input,output,ms,device\n",
		"t.csv: line 1: expected the header block,input,output,ms,spread,device: EOF":                                    "",
		"t.csv: expected at least one row below the header":                                                              header,
		"t.csv: record on line 3: wrong number of fields":                                                                header + row + "a,b\n",
		`t.csv: line 3: block: expected each block once, got "projection s2" from 8x8x4 to 4x4x8 again, which is line 2`: header + row + row,
		`t.csv: line 2: block and device: expected a text each, got "" and "d"`:                                          header + ",8x8x4,4x4x8,0.5,0,d\n",
		`t.csv: line 2: input: expected a shape such as 56x56x24, got "8x8"`:                                             header + "a,8x8,4x4x8,0.5,0,d\n",
		`t.csv: line 2: output: expected a shape such as 56x56x24, got "4x0x8"`:                                          header + "a,8x8x4,4x0x8,0.5,0,d\n",
		`t.csv: line 2: ms: expected a number of milliseconds, got "fast"`:                                               header + "a,8x8x4,4x4x8,fast,0,d\n",
		"t.csv: line 2: ms: expected a finite number above 0, got NaN":                                                   header + "a,8x8x4,4x4x8,NaN,0,d\n",
		"t.csv: line 2: ms: expected a finite number above 0, got -1":                                                    header + "a,8x8x4,4x4x8,-1,0,d\n",
		"t.csv: line 2: ms: expected a finite number above 0, got +Inf":                                                  header + "a,8x8x4,4x4x8,Inf,0,d\n",
		"t.csv: line 2: spread: expected a finite number of at least 0, got -0.1":                                        header + "a,8x8x4,4x4x8,1,-0.1,d\n",
	} {
		_, err := latency.ReadCSV("t.csv", strings.NewReader(text))
		assert.ErrorContains(t, err, want)
	}
}

func TestSave(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.csv")
	good := latency.Row{Key: latency.Key{Block: "a, b", Input: "8x8x4", Output: "4x4x8"}, MS: 0.123456, Device: "d"}
	require.NoError(t, latency.Table{good}.Save(file))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, header+"\"a, b\",8x8x4,4x4x8,0.123456,0,d\n", string(data))
	bad := good
	bad.MS = math.NaN()
	for want, table := range map[string]latency.Table{
		"rows: expected at least one, got none":                  nil,
		"rows[1]: ms: expected a finite number above 0, got NaN": {good, bad},
		`rows[1]: block: expected each block once, got "a, b"`:   {good, good},
	} {
		assert.ErrorContains(t, table.Save(file), want)
	}
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(data, after), "what was there stays")
}

func TestSumsNameWhatIsMissing(t *testing.T) {
	p := small()
	table := latency.Table{{Key: latency.Key{Block: "stem k3 s1 relu6", Input: "8x8x3", Output: "8x8x4"}, MS: 1, Device: "d"}}
	_, err := table.Sums(p)
	assert.EqualError(t, err, `nasbenchmacro ×0.125: the table has no row for the block "last k1 s1 relu" from 4x4x8 to 4x4x160`)
	c, err := table.Cover(p)
	require.NoError(t, err)
	stem := latency.Key{Block: "stem k3 s1 relu", Input: "8x8x3", Output: "8x8x4"}
	assert.Equal(t, latency.Table{{Key: stem, MS: 1, Device: "d"}}, c.Matched)
	assert.Equal(t, []latency.Key{stem}, c.Clamps, "relu6 stands for relu")
	assert.Len(t, c.Missing, 7)
	assert.True(t, math.IsNaN(latency.Sums{}.Of([]int{1})))
	assert.True(t, math.IsNaN(latency.Sums{Layers: [][]float64{{1}}}.Of([]int{1})))
	_, err = latency.Open("nothing.csv")
	assert.ErrorContains(t, err, `latency table "nothing.csv": expected`)
}

// Each space of paths is one whose blocks can be told apart.
func TestSpaces(t *testing.T) {
	for _, name := range space.PathSpaces() {
		p, err := space.LookupPaths(name)
		require.NoError(t, err)
		c, err := latency.Table{}.Cover(p)
		require.NoError(t, err)
		seen := map[latency.Key]bool{}
		for _, k := range c.Missing {
			assert.False(t, seen[k], "%s", k)
			seen[k] = true
		}
	}
}
