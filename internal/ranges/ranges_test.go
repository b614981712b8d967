package ranges

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRanges(t *testing.T) {
	assert.NoError(t, In("batch", 2, 2, 9))
	assert.NoError(t, In("batch", 9, 2, 9))
	assert.EqualError(t, In("batch", 1, 2, 9), "batch: expected at least 2, got 1")
	assert.EqualError(t, In("batch", 10, 2, 9), "batch: expected at most 9, got 10")
	assert.EqualError(t, In("rate", math.NaN(), 0, 1), "rate: expected 0 to 1, got NaN")
	assert.EqualError(t, In("rate", math.Inf(1), 0, 1), "rate: expected at most 1, got +Inf")
	assert.EqualError(t, Above("rate", 0, 0, 1), "rate: expected more than 0, got 0")
	assert.NoError(t, Above("rate", 1, 0, 1))
	assert.EqualError(t, Below("share", 1, 0, 1), "share: expected less than 1, got 1")
	assert.NoError(t, Below("share", 0, 0, 1))
}
