package datasets

import (
	"bufio"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

func TestWhichSet(t *testing.T) {
	for name, want := range map[string]string{
		// Of the official lists, and, of training, in neither of them.
		"bed/0e17f595_nohash_0.wav":      PartValidation,
		"right/a6d586b7_nohash_1.wav":    PartValidation,
		"eight/563aa4e6_nohash_2.wav":    PartTesting,
		"tree/5c8af87a_nohash_0.wav":     PartTesting,
		"bed/4a294341_nohash_0.wav":      PartTraining,
		"no/7846fd85_nohash_0.wav":       PartTraining,
		"7846fd85_nohash_9_nohash_1.wav": PartTraining,
		"a/b/0e17f595_nohash_":           PartValidation,
		// Without _nohash_ the whole name counts: Python's hashlib gives 7.88, 15.17 and 98.77 percent.
		"yes/some.wav":    PartValidation,
		"yes/clip 21.wav": PartTesting,
		"yes/clip 1.wav":  PartTraining,
	} {
		assert.Equal(t, want, WhichSet(name), name)
	}
}

// xzLines are the lines of a compressed file of the data folder.
func xzLines(t *testing.T, folder, name string) (lines []string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dataFolder(t), folder, name))
	require.NoError(t, err)
	defer f.Close()
	r, err := xz.NewReader(f)
	require.NoError(t, err)
	s := bufio.NewScanner(r)
	for s.Scan() {
		lines = append(lines, s.Text())
	}
	require.NoError(t, s.Err())
	return lines
}

// Every name of the official lists is in the part that its list says.
func TestWhichSetOfTheOfficialLists(t *testing.T) {
	for _, list := range []struct {
		file, part string
		names      int
	}{
		{"testing_list_v0.01.txt.xz", PartTesting, 6835},
		{"validation_list_v0.01.txt.xz", PartValidation, 6798},
		{"testing_list_v0.02.txt.xz", PartTesting, 11005},
		{"validation_list_v0.02.txt.xz", PartValidation, 9981},
	} {
		names := xzLines(t, SpeechName, list.file)
		assert.Len(t, names, list.names, list.file)
		for _, name := range names {
			require.Equal(t, list.part, WhichSet(name), "%s: %s", list.file, name)
		}
	}
}
