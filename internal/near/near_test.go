package near

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestName(t *testing.T) {
	methods := []string{"darts", "dartsminus", "fairdarts", "gdas", "rome"}
	for name, want := range map[string]string{"dart": "darts", "fiardarts": "fairdarts", "Rome": "rome", "dartminus": "dartsminus", "x": "", "nothing": "", "": ""} {
		assert.Equal(t, want, Name(name, methods), name)
	}
	assert.Equal(t, ` (did you mean "rome"?)`, Hint("rme", methods))
	assert.Empty(t, Hint("zzz", methods))
}
