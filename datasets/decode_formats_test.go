package datasets

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFormatsBesidePillow: what docs/data.md says of each kind of file. The values are the largest difference from Pillow's
// pixels that is allowed; files that Pillow refuses are refused.
func TestFormatsBesidePillow(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "formats", "reference.json"))
	require.NoError(t, err)
	var reference struct {
		Images []struct {
			File, Mode, Error string
			Size              []int
			Pixels            []byte
		}
	}
	require.NoError(t, json.Unmarshal(text, &reference))
	require.Equal(t, 58, len(reference.Images))
	// Pillow reads these and gonas refuses them.
	refused := map[string]string{
		"cmyk.tiff":            "TIFF image: damaged or truncated: tiff: unsupported feature: color model",
		"jpeg.tiff":            "TIFF image: damaged or truncated: tiff: unsupported",
		"fax.tiff":             "TIFF image: damaged or truncated: fax compression (CCITT), which is not read",
		"restart_missing.jpg":  "JPEG image: damaged",
		"restarts_missing.jpg": "JPEG image: damaged",
		"odd_sampling.jpg":     "JPEG image: damaged, truncated or of an unknown kind: unsupported JPEG feature: luma/chroma subsampling ratio",
	}
	for _, c := range reference.Images {
		t.Run(c.File, func(t *testing.T) {
			path := filepath.Join("testdata", "formats", c.File)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			im, err := DecodeRGB(path, data)
			if c.Error != "" {
				assert.Error(t, err, "Pillow: %s", c.Error)
				return
			}
			if why, ok := refused[c.File]; ok {
				assert.ErrorContains(t, err, why)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.Size, []int{im.Height, im.Width})
			largest, mean := pixelDifference(c.Pixels, im.Pix)
			bound := 0
			if strings.HasSuffix(c.File, ".jpg") {
				bound = 3
			}
			assert.LessOrEqual(t, largest, bound, "mean %.3f", mean)
		})
	}
}
