package datasets

import (
	"bytes"
	"compress/gzip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table has every cell once, and the best accuracies that were published of it: 94.37, 73.51 and 47.31.
func TestNASBench201(t *testing.T) {
	table, err := NASBench201()
	require.NoError(t, err)
	require.Len(t, table, 5*5*5*5*5*5)
	best := map[string]float64{}
	for code, row := range table {
		require.Regexp(t, `^\|\w+~0\|\+\|\w+~0\|\w+~1\|\+\|\w+~0\|\w+~1\|\w+~2\|$`, code)
		for _, data := range []string{CIFAR10Name, CIFAR100Name, ImageNet16Name} {
			x, ok := row.On(data)
			require.True(t, ok)
			require.True(t, x > 0 && x < 100, "%s on %s: %g", code, data, x)
			best[data] = max(best[data], x)
		}
	}
	assert.InDelta(t, 94.37, best[CIFAR10Name], 0.005)
	assert.InDelta(t, 73.51, best[CIFAR100Name], 0.005)
	assert.InDelta(t, 47.31, best[ImageNet16Name], 0.005)
	_, ok := GridRow{}.On("embedded")
	assert.False(t, ok)
}

func TestGridTableNamesWhatIsWrong(t *testing.T) {
	packed := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		return b.Bytes()
	}
	const header = "index,arch,cifar10_test_acc_200ep,cifar100_test_acc_200ep,imagenet16_120_test_acc_200ep\n"
	table, err := readGridTable(packed(header + "0,a,1,2,3\n"))
	require.NoError(t, err)
	assert.Equal(t, map[string]GridRow{"a": {1, 2, 3}}, table)
	for want, data := range map[string][]byte{
		"gzip":                              []byte("this is no table"),
		"expected a column cifar10_tes":     packed("index,arch\n"),
		"line 2: cifar100_test_acc_200ep: ": packed(header + "0,a,1,x,3\n"),
		"wrong number of fields":            packed(header + "0,a\n"),
	} {
		_, err := readGridTable(data)
		assert.ErrorContains(t, err, want)
	}
}
