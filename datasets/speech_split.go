package datasets

import (
	"crypto/sha1"
	"encoding/binary"
	"path"
	"strings"
)

// Parts of Speech Commands, as [WhichSet] names them.
const (
	PartTraining   = "training"
	PartValidation = "validation"
	PartTesting    = "testing"
)

// noHash stands in a recording's name between its speaker and its number.
const noHash = "_nohash_"

// WhichSet is the part of Speech Commands that a recording belongs to by its name, such as yes/0a7c2a8d_nohash_0.wav, with
// slashes: training, validation or testing. It is the function which_set of TensorFlow's Speech Commands example at its
// shares of 10 percent: the SHA-1 of what stands before _nohash_ in the file's name, which is the speaker, gives a number from
// 0 to 100; less than 10 validates, less than 20 tests. All recordings of a speaker are in one part, whatever their words. A
// name without _nohash_ is hashed whole, as there.
func WhichSet(name string) string {
	speaker, _, _ := strings.Cut(path.Base(name), noHash)
	sum := sha1.Sum([]byte(speaker))
	const largest = 1<<27 - 1
	percent := float64(binary.BigEndian.Uint32(sum[len(sum)-4:])&largest) * (100.0 / largest)
	switch {
	case percent < 10:
		return PartValidation
	case percent < 20:
		return PartTesting
	}
	return PartTraining
}
