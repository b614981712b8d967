package datasets

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ExampleEmbedded() {
	train, test, err := Embedded()
	if err != nil {
		fmt.Println(err)
		return
	}
	small, err := train.Resize(16)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(train.N, test.N, train.Classes)
	fmt.Println(small.Height, small.Width, small.Channels)
	fmt.Println(train.ClassNames[train.Labels[0]])
	// Output:
	// 4000 1000 10
	// 16 16 3
	// frog
}

func TestEmbedded(t *testing.T) {
	train, test, err := Embedded()
	require.NoError(t, err)
	hashes := map[[32]byte]string{}
	for _, set := range []struct {
		im       *Images
		n, class int
		split    string
	}{{train, 4000, 400, "train"}, {test, 1000, 100, "test"}} {
		require.NoError(t, set.im.Validate())
		assert.Equal(t, set.n, set.im.N)
		count := make([]int, 10)
		for i, label := range set.im.Labels {
			count[label]++
			h := sha256.Sum256(set.im.Image(i))
			if other, seen := hashes[h]; seen {
				t.Errorf("%s image %d has the pixels of %s", set.split, i, other)
			}
			hashes[h] = fmt.Sprintf("%s image %d", set.split, i)
		}
		for class, n := range count {
			assert.Equal(t, set.class, n, "%s: class %d", set.split, class)
		}
		sum := sha256.Sum256(set.im.appendBinary(nil, 0, set.im.N))
		assert.Equal(t, embeddedSum(t, set.split+".bin"), hex.EncodeToString(sum[:]))
	}
	assert.Len(t, train.Files, 5)
	assert.Len(t, test.Files, 2)
}

// embeddedSum reads the sum that the generator recorded.
func embeddedSum(t *testing.T, name string) string {
	data, err := embeddedFiles.ReadFile("embedded/BIN_SHA256SUMS")
	require.NoError(t, err)
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if sum, ok := strings.CutSuffix(lines.Text(), "  "+name); ok {
			return sum
		}
	}
	t.Fatalf("embedded/BIN_SHA256SUMS has no %s", name)
	return ""
}

func TestEmbeddedIsTheCallersOwn(t *testing.T) {
	a, _, err := Embedded()
	require.NoError(t, err)
	first := a.Pixels[0]
	a.Pixels[0]++
	a.Labels[0] = 9
	b, _, err := Embedded()
	require.NoError(t, err)
	assert.Equal(t, first, b.Pixels[0])
	assert.EqualValues(t, 6, b.Labels[0])
}

// checkEmbeddedAgainst compares every embedded image with the official one that the index names.
func checkEmbeddedAgainst(t *testing.T, train, test *Images) {
	smallTrain, smallTest, err := Embedded()
	require.NoError(t, err)
	index, err := readEmbeddedIndex()
	require.NoError(t, err)
	require.Len(t, index, 5000)
	for k, e := range index {
		small, at, full := smallTrain, k, train
		if e.split == "test" {
			small, at, full = smallTest, k-4000, test
		}
		batch := strings.TrimPrefix(e.file, "data_batch_")
		place := e.index
		if e.split == "train" {
			place += 10000 * int(batch[0]-'1')
		}
		require.Equal(t, full.Labels[place], small.Labels[at], "line %d", k+2)
		require.Equal(t, full.Image(place), small.Image(at), "line %d", k+2)
	}
	first, err := test.FirstPerClass(100)
	require.NoError(t, err)
	for k, i := range first {
		require.Equal(t, i, index[4000+k].index, "first come, first taken")
	}
}
