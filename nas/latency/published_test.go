package latency_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/latency"
	"github.com/gonas/gonas/nas/space"
)

func TestPublished(t *testing.T) {
	type row = latency.Row
	type key = latency.Key
	const pixel, xeon, titan = "Google Pixel 1, CPU, mean of calls", "Intel Xeon Gold 6130, 1 thread, PyTorch 1.1, mean of calls", "NVIDIA Titan RTX, batch 32, PyTorch 1.1, mean of calls"
	for _, c := range []struct {
		name string
		rows int
		some []row
	}{
		{"pixel1", 72, []row{
			{Key: key{Block: "stem k3 s2 relu6", Input: "224x224x3", Output: "112x112x32"}, MS: 4.397038, Device: pixel},
			{Key: key{Block: "classifier", Input: "7x7x1280", Output: "1x1x1000"}, MS: 0.934826, Device: pixel},
			{Key: key{Block: "depthwise_separable k3 s1 relu6", Input: "112x112x32", Output: "112x112x16"}, MS: 4.03571, Device: pixel},
			{Key: key{Block: "inverted_bottleneck k7 h72 s2 relu6", Input: "56x56x24", Output: "28x28x40"}, MS: 3.7918, Device: pixel},
			{Key: key{Block: "inverted_bottleneck k3 h480 s1 relu6 residual", Input: "14x14x80", Output: "14x14x80"}, MS: 3.352612, Device: pixel},
		}},
		{"xeon6130", 3877, []row{
			{Key: key{Block: "inverted_bottleneck k3 h96 s2 relu", Input: "112x112x16", Output: "56x56x24"}, MS: 7.97693, Device: xeon},
		}},
		{"titanrtx", 3877, []row{
			{Key: key{Block: "inverted_bottleneck k5 h1536 s1 swish se384/swish/sigmoid", Input: "7x7x192", Output: "7x7x320"}, MS: 0.90826, Device: titan},
		}},
	} {
		table, err := latency.Open(c.name)
		require.NoError(t, err)
		require.NoError(t, table.Validate())
		assert.Equal(t, c.rows, len(table), c.name)
		for _, want := range c.some {
			got, clamp, ok := table.Find(want.Key)
			assert.True(t, ok, "%s", want.Key)
			assert.False(t, clamp)
			assert.Equal(t, want, got)
		}
	}
}

// What a published table has of a space: equal blocks alone, relu for relu6.
func TestPublishedCover(t *testing.T) {
	for _, c := range []struct {
		table                    string
		space                    space.Paths
		matched, clamps, missing int
	}{
		{"pixel1", space.FairNAS(), 52, 0, 18},
		{"xeon6130", space.FairNAS(), 0, 0, 70},
		{"pixel1", space.MoGA(), 24, 24, 100},
		{"xeon6130", space.MoGA(), 8, 0, 116},
		{"titanrtx", space.MoGA(), 8, 0, 116},
	} {
		table, err := latency.Open(c.table)
		require.NoError(t, err)
		got, err := table.Cover(c.space)
		require.NoError(t, err)
		assert.Equal(t, [3]int{c.matched, c.clamps, c.missing}, [3]int{len(got.Matched), len(got.Clamps), len(got.Missing)}, "%s of %s", c.table, c.space.Name)
	}
}

func TestReadersOfPublishedTables(t *testing.T) {
	for want, text := range map[string]string{
		"p: line 1: expected the header key,mean_ms,var,count":     "key,ms\n",
		`p: line 2: key: expected expanded_conv-input:HxWxC`:       "key,mean_ms,var,count\nskip,1,1,1\n",
		`p: line 2: mean_ms: expected a number, got "fast"`:        "key,mean_ms,var,count\nLogits-input:7x7x1280-output:1000,fast,1,1\n",
		`p: rows[0]: ms: expected a finite number above 0, got -1`: "key,mean_ms,var,count\nLogits-input:7x7x1280-output:1000,-1,1,1\n",
		"p: record on line 2: wrong number of fields":              "key,mean_ms,var,count\nx,1\n",
	} {
		_, err := latency.ReadProxylessNAS("p", strings.NewReader(text), "d")
		assert.ErrorContains(t, err, want)
	}
	const key = "MBInvertedResBlock_56_24_0_40_k3_s2_swish"
	for want, text := range map[string]string{
		"t: unexpected EOF": `{"base":1`,
		"t: MBConv: expected base, or MBInvertedResBlock_": `{"MBConv":{}}`,
		"t: base: json:": `{"base":"fast"}`,
		"t: " + key + ": ms: expected 32 numbers, one for each of 1 to 32 hidden channels, got 1": `{"` + key + `":{"mid_channels":[1,32],"ms":[1]}}`,
		"t: rows[0]: ms: expected a finite number above 0, got -0.5":                              `{"` + key + `":{"mid_channels":[32,32],"ms":[-0.5]}}`,
		"t: rows: expected at least one, got none":                                                `{"` + key + `":{"mid_channels":[24,25],"ms":[1,1]}}`,
	} {
		_, err := latency.ReadTFNAS("t", strings.NewReader(text), "d")
		assert.ErrorContains(t, err, want)
	}
	table, err := latency.ReadTFNAS("t", strings.NewReader(`{"`+key+`":{"mid_channels":[24,41],"ms":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]}}`), "d")
	require.NoError(t, err)
	block := func(text string, ms float64) latency.Row {
		return latency.Row{Key: latency.Key{Block: text, Input: "56x56x24", Output: "28x28x40"}, MS: ms, Device: "d"}
	}
	assert.Equal(t, latency.Table{block("inverted_bottleneck k3 h32 s2 swish", 9), block("inverted_bottleneck k3 h40 s2 swish", 17)}, table)
}
