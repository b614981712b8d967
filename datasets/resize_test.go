package datasets

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ExampleRGB_Resize() {
	im := &RGB{Height: 1, Width: 2, Pix: []uint8{0, 0, 0, 200, 100, 50}}
	wide, err := im.Resize(1, 4)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(wide.Pix)
	// Output:
	// [0 0 0 50 25 13 150 75 38 200 100 50]
}

// imagenetReference is what testdata/resize_reference.py wrote with Pillow and torchvision.
type imagenetReference struct {
	Versions         map[string]string
	Patterns, Resize []struct {
		Kind     string
		From, To []int
		SHA256   string
		Corner   []uint8
	}
	Eval []struct {
		Kind          string
		From, Resized []int
		Resize, Size  int
		SHA256        string
		FloatSHA256   string `json:"float_sha256"`
		Mean          []float64
	}
	Crops []struct {
		Height, Width   int
		Scales, Aspects []float64
		Place, Crop     []int
	}
	Jitter []struct {
		Kind   string
		From   []int
		Op     string
		Factor float64
		SHA256 string
	}
	Train struct {
		From, Crop, Order []int
		Size              int
		Factors           []float64
		SHA256            string
	}
	Decode []struct {
		File, Mode string
		Size       []int
		SHA256     string
	}
}

func readReference(t testing.TB) (r imagenetReference) {
	data, err := os.ReadFile(filepath.Join("testdata", "imagenet", "reference.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &r))
	return r
}

// noise is a byte for every place; smooth puts it on a lattice of s pixels with bilinear values in
// between. Both and pattern are those of testdata/resize_reference.py.
func noise(x, y, c uint32) int {
	h := x*374761393 ^ y*668265263 ^ c*2246822519
	h = (h ^ h>>13) * 1274126177
	h = (h ^ h>>16) * 2654435761
	return int(h >> 24)
}

func smooth(x, y, c uint32, s int) int {
	fx, fy := int(x)%s, int(y)%s
	lx, ly := x/uint32(s), y/uint32(s)
	top := noise(lx, ly, c)*(s-fx) + noise(lx+1, ly, c)*fx
	bottom := noise(lx, ly+1, c)*(s-fx) + noise(lx+1, ly+1, c)*fx
	return (top*(s-fy) + bottom*fy) / (s * s)
}

// pattern makes a test image.
func pattern(kind string, height, width int) *RGB {
	im := &RGB{Height: height, Width: width}
	for y := range height {
		for x := range width {
			for c := range 3 {
				v := 0
				ux, uy, uc := uint32(x), uint32(y), uint32(c)
				switch kind {
				case "noise":
					v = noise(ux, uy, uc)
				case "gradient":
					v = [3]int{x * 255 / max(width-1, 1), y * 255 / max(height-1, 1), (x + y) * 255 / max(width+height-2, 1)}[c]
				case "edges":
					v = (x/7 + y/5 + c) % 2 * 255
				case "photo":
					v = (smooth(ux, uy, uc, 64)*8 + smooth(ux, uy, uc, 16)*4 + smooth(ux, uy, uc, 4)*3 + noise(ux, uy, uc)) / 16
				}
				im.Pix = append(im.Pix, uint8(v))
			}
		}
	}
	return im
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func floatSum(x []float32) string {
	var data []byte
	for _, v := range x {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return hexSum(data)
}

func TestPatternsAreThoseOfTheScript(t *testing.T) {
	for _, c := range readReference(t).Patterns {
		assert.Equal(t, c.SHA256, hexSum(pattern(c.Kind, c.From[0], c.From[1]).Pix), c.Kind)
	}
}

func TestResizeEqualsPillow(t *testing.T) {
	cases := readReference(t).Resize
	require.Len(t, cases, 64)
	for _, c := range cases {
		t.Run(fmt.Sprintf("%s %v to %v", c.Kind, c.From, c.To), func(t *testing.T) {
			got, err := pattern(c.Kind, c.From[0], c.From[1]).Resize(c.To[0], c.To[1])
			require.NoError(t, err)
			assert.Equal(t, c.Corner, got.Pix[len(got.Pix)-3:])
			assert.Equal(t, c.SHA256, hexSum(got.Pix))
		})
	}
}

func TestResizeErrors(t *testing.T) {
	im := pattern("noise", 3, 4)
	for _, c := range []struct {
		im            *RGB
		height, width int
		want          string
	}{
		{im, 0, 3, "resize to 0×3"},
		{im, 3, -1, "resize to 3×-1"},
		{&RGB{Height: 3, Width: 4, Pix: im.Pix[1:]}, 2, 2, "Pix has 35 bytes, expected 36 (3×4×3)"},
		{&RGB{}, 2, 2, "no pixels"},
		{nil, 2, 2, "no pixels"},
	} {
		_, err := c.im.Resize(c.height, c.width)
		assert.ErrorContains(t, err, c.want)
	}
}

func TestSizesRoundAsTorchvision(t *testing.T) {
	for _, c := range [][5]int{ // height, width, size, then the result
		{375, 500, 256, 256, 341}, {500, 375, 256, 341, 256}, {333, 500, 256, 256, 384}, {160, 213, 256, 256, 340},
		{256, 256, 256, 256, 256}, {1, 65535, 256, 256, 16776960}, {300, 200, 1, 1, 1},
	} {
		height, width := shorterSide(c[0], c[1], c[2])
		assert.Equal(t, c[3:], []int{height, width}, "%v", c)
	}
	for _, c := range [][3]int{{256, 224, 16}, {341, 224, 58}, {257, 224, 16}, {259, 224, 18}, {225, 224, 0}, {227, 224, 2}, {224, 224, 0}} {
		assert.Equal(t, c[2], centre(c[0], c[1]), "%v", c)
	}
}

// A part of the result, made alone, is that part of the whole; a part of the image is scaled as if
// it had been cut out first.
func TestResizeOfParts(t *testing.T) {
	im := pattern("photo", 60, 81)
	cut := func(im *RGB, r rect) *RGB {
		out := &RGB{Height: r.height, Width: r.width}
		for y := range r.height {
			out.Pix = append(out.Pix, im.Pix[3*((r.top+y)*im.Width+r.left):][:3*r.width]...)
		}
		return out
	}
	var r resizer
	for _, from := range []rect{{0, 0, 60, 81}, {5, 7, 40, 31}, {59, 80, 1, 1}} {
		for _, to := range [][2]int{{40, 40}, {90, 70}, {from.height, 33}, {33, from.width}, {from.height, from.width}} {
			whole, err := cut(im, from).Resize(to[0], to[1])
			require.NoError(t, err)
			for _, part := range []rect{{0, 0, to[0], to[1]}, {to[0] / 3, to[1] / 2, (to[0] + 2) / 3, (to[1] + 1) / 2}, {to[0] - 1, to[1] - 1, 1, 1}} {
				got := make([]uint8, 3*part.height*part.width)
				r.resize(got, im, from, to[0], to[1], part)
				require.Equal(t, cut(whole, part).Pix, got, "%v to %v, part %v", from, to, part)
			}
		}
	}
}

func FuzzResize(f *testing.F) {
	f.Add(uint16(37), uint16(53), uint16(101), uint16(80), uint16(20))
	f.Add(uint16(1), uint16(1), uint16(1), uint16(1), uint16(1))
	f.Add(uint16(300), uint16(1), uint16(1), uint16(300), uint16(7))
	f.Fuzz(func(t *testing.T, h, w, toH, toW, size uint16) {
		height, width := int(h%300)+1, int(w%300)+1
		im := &RGB{Height: height, Width: width, Pix: make([]uint8, 3*height*width)}
		low, high := uint8(255), uint8(0)
		for i := range im.Pix {
			im.Pix[i] = uint8(noise(uint32(i), uint32(h), uint32(w)))
			low, high = min(low, im.Pix[i]), max(high, im.Pix[i])
		}
		out, err := im.Resize(int(toH%300)+1, int(toW%300)+1)
		require.NoError(t, err)
		for _, v := range out.Pix { // a mean with weights of one sign stays inside
			if v < low || v > high {
				t.Fatalf("%d lies outside %d..%d", v, low, high)
			}
		}
		side := int(size%300) + 1
		newH, newW := shorterSide(height, width, side)
		require.Equal(t, side, min(newH, newW))
		crop := int(size)%side + 1
		for _, all := range []int{newH, newW} {
			at := centre(all, crop)
			require.GreaterOrEqual(t, at, 0)
			require.LessOrEqual(t, at+crop, all)
		}
		transform := ImageNetEval()
		transform.Resize, transform.Size = side, crop
		x, err := transform.Apply(im, 0, 0, 0)
		require.NoError(t, err)
		require.Len(t, x, 3*crop*crop)
	})
}
