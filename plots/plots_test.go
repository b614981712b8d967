package plots

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/zoo"
)

var update = flag.Bool("update", false, "write the images of testdata anew")

func network(t *testing.T, name string) arch.Network {
	t.Helper()
	net, err := zoo.Get(name)
	require.NoError(t, err)
	return net.Network
}

// Nothing overlaps in the drawings of all published networks.
func TestZooHasNoOverlaps(t *testing.T) {
	names, err := zoo.Names()
	require.NoError(t, err)
	names = append(names, "nasbench201-0", "nasbench201-1234", "nasbench201-9930", "nasbenchmacro-00000000", "nasbenchmacro-01201201", "nasbenchmacro-22222222")
	drawn := map[string]bool{}
	for _, name := range names {
		n := network(t, name)
		key, err := json.Marshal([]any{n.Chain, n.Grid, n.Cells != nil})
		require.NoError(t, err)
		if n.Cells != nil {
			key, err = json.Marshal(n.Cells.Genotype)
			require.NoError(t, err)
		}
		if drawn[string(key)] {
			continue
		}
		drawn[string(key)] = true
		d := Network(n, name)
		assert.Empty(t, problems(d), name)
		width, height := d.Size()
		assert.LessOrEqual(t, width, 640.0, "%s: too wide for a page", name)
		assert.LessOrEqual(t, height, 640.0, "%s: too high for a page", name)
	}
	assert.Greater(t, len(drawn), 150)
}

// The check finds what it is for.
func TestProblemsAreFound(t *testing.T) {
	d := Network(network(t, "darts-v2"), "title")
	require.Empty(t, problems(d))
	moved := func(change func(*Drawing)) string {
		var c Drawing
		c.add(d, 0, 0)
		c.width, c.height = d.width, d.height
		change(&c)
		return strings.Join(problems(c), "\n")
	}
	label := 0
	for _, x := range d.texts {
		if x.runs[0].s == "skip_connect" {
			label = x.in
			break
		}
	}
	assert.Contains(t, moved(func(c *Drawing) { c.boxes[label].rect = c.boxes[label].moved(0, 14) }), "overlaps")
	assert.Contains(t, moved(func(c *Drawing) { c.boxes[label].rect = c.boxes[label].moved(0, 14) }), `text "skip_connect" leaves its box`)
	assert.Contains(t, moved(func(c *Drawing) { c.width /= 2 }), "leaves the page")
	assert.Contains(t, moved(func(c *Drawing) { c.curves[0].touches = c.curves[0].touches[:2] }), "passes through")
	assert.Contains(t, moved(func(c *Drawing) { c.texts = append(c.texts, c.texts[0]) }), "overlaps text")
	first := d.texts[0].bounds()
	across := mark{points: []point{{first.x0, first.y0}, {first.x1, first.y1}}}
	assert.Contains(t, moved(func(c *Drawing) { c.marks = append(c.marks, across) }), `lies on text "title"`)
	assert.Contains(t, moved(func(c *Drawing) { c.marks = append(c.marks, mark{points: []point{{-5, 1}, {2, 1}}}) }), "mark 0 leaves the page")
}

// Every edge starts at its origin, passes its label and ends before its target.
func TestEdgesMeetTheirBoxes(t *testing.T) {
	for _, name := range []string{"fairdarts-dco-edge", "amoebanet", "nasbench201-1234"} {
		d := Network(network(t, name), "")
		for _, c := range d.curves {
			from, to := d.boxes[c.touches[0]], d.boxes[c.touches[1]]
			assert.InDelta(t, from.x1, c.from.x, 1e-9)
			assert.InDelta(t, to.x0, c.end().x+arrowSize, 1e-9)
			assert.True(t, c.from.y > from.y0 && c.from.y < from.y1 && c.end().y > to.y0 && c.end().y < to.y1)
			if len(c.touches) == 3 {
				label, passed := d.boxes[c.touches[2]], 0
				at := c.from
				for _, s := range c.segments {
					sampled(at, s, func(p point) bool {
						if label.contains(p) {
							passed++
						}
						return true
					})
					at = s[2]
				}
				assert.Positive(t, passed)
			}
		}
	}
}

func TestCellLeavesOutNodesWithoutEdges(t *testing.T) {
	// FairDARTS-C keeps an edge from node 1, which has lost all of its own.
	d := Cell(network(t, "fairdarts-c").Cells.Genotype.Normal, "")
	for _, x := range d.texts {
		assert.NotEqual(t, "1", spelled(x.runs))
	}
	assert.Equal(t, "Cell", d.Title())
	assert.Equal(t, "Graph of a cell: max_pool_3x3 from c_{k-2} to 0, sep_conv_5x5 from c_{k-1} to 0, dil_conv_3x3 from c_{k-2} to 2, "+
		"dil_conv_5x5 from 0 to 2, sep_conv_3x3 from c_{k-2} to 3; c_{k} concatenates 0, 2, 3. "+
		"Not drawn, since nothing arrives where it starts: skip_connect from 1 to 3.", d.Description())
}

func TestChainInWords(t *testing.T) {
	d := Chain(network(t, "tcresnet8"), "")
	assert.Equal(t, "Chain of blocks: input of 98×40; stem 3×1 convolution to 98×16; residual block over time 9×1, stride 2 to 49×24; "+
		"residual block over time 9×1, stride 2 to 25×32; residual block over time 9×1, stride 2 to 13×48; global average pool to 48; "+
		"classifier of 12 classes.", d.Description())
	moga := Chain(network(t, "moga-a"), "").Description()
	assert.Contains(t, moga, "inverted bottleneck 3×3, expansion 6, squeeze-and-excitation to 28×28×40")
	assert.Contains(t, moga, "last 1×1 convolution to 7×7×960; global average pool to 960; 1×1 convolution to 1280; classifier of 1000 classes.")
	assert.Contains(t, Chain(network(t, "scarlet-b"), "").Description(), "identity to 14×14×80")
}

// Blocks of several paths name their kernels, all of which have a place in the narrowest box.
func TestMultiPathChain(t *testing.T) {
	block := arch.Block{Name: "a", Op: arch.OpMultiPath, In: 32, Hidden: 96, Out: 32, Kernels: []int{3, 5, 7, 9}, Stride: 1}
	two := block
	two.Hidden, two.Kernels, two.Stride = 192, []int{3, 7}, 2
	n := arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Chain: &arch.Chain{Naming: arch.NamingMixPath, Stem: arch.Conv{Out: 32, Kernel: 3, Stride: 1}, Blocks: []arch.Block{block, two}}}
	d := Chain(n, "")
	assert.Empty(t, problems(d))
	assert.Contains(t, d.Description(), "multi-path inverted bottleneck, kernels 3+5+7+9, expansion 3 to 32×32×32")
	assert.Contains(t, d.Description(), "multi-path inverted bottleneck, kernels 3+7, expansion 6, stride 2 to 16×16×32")
	f, err := Blocks(n, "")
	require.NoError(t, err)
	assert.Equal(t, []string{"1", arch.OpMultiPath, "3+5+7+9", "1", "32", "96", "32"}, f.rows[1])
}

// What no search derives is drawn without a panic.
func TestOddInput(t *testing.T) {
	odd := arch.Cell{Edges: []arch.Edge{{Op: "a", From: -1, To: 2}, {Op: "b", From: 3, To: 2}, {Op: "c", From: 0, To: 1}, {Op: "d", From: 0, To: 1 << 40}}, Concat: []int{7, 1 << 40}}
	for _, d := range []Drawing{Cell(odd, "odd"), Cell(arch.Cell{}, ""), Genotype(arch.Genotype{}, ""), Grid(arch.Grid{}, ""), Chain(arch.Network{}, ""), Chain(arch.Network{Chain: &arch.Chain{}}, "")} {
		assert.Empty(t, problems(d))
		var b bytes.Buffer
		require.NoError(t, d.WriteSVG(&b))
		require.NoError(t, d.WritePNG(&b, 72))
	}
}

func TestWriteSVG(t *testing.T) {
	n := network(t, "fairdarts-a")
	var first, second bytes.Buffer
	require.NoError(t, Network(n, `a < b & "c"`).WriteSVG(&first))
	require.NoError(t, Network(n, `a < b & "c"`).WriteSVG(&second))
	assert.Equal(t, first.String(), second.String())
	var svg struct {
		Role  string `xml:"role,attr"`
		Title string `xml:"title"`
		Desc  string `xml:"desc"`
	}
	require.NoError(t, xml.Unmarshal(first.Bytes(), &svg))
	assert.Equal(t, "img", svg.Role)
	assert.Equal(t, `a < b & "c"`, svg.Title)
	assert.Equal(t, Network(n, "").Description(), svg.Desc)
	// Every text has the width that it was laid out for.
	assert.Equal(t, strings.Count(first.String(), "<text "), strings.Count(first.String(), ` lengthAdjust="spacingAndGlyphs"`))
	assert.Contains(t, first.String(), "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;font-variant:normal;font-weight:bold;")
	assert.Contains(t, first.String(), `>a &lt; b &amp; &#34;c&#34;</text>`)
}

func TestWritePNG(t *testing.T) {
	d := Network(network(t, "tcresnet8"), "")
	width, height := d.Size()
	var b bytes.Buffer
	require.NoError(t, d.WritePNG(&b, 144))
	config, err := png.DecodeConfig(&b)
	require.NoError(t, err)
	assert.Equal(t, []int{int(2 * width), int(2 * height)}, []int{config.Width, config.Height})
	for _, dpi := range []float64{0, -1, math.NaN(), math.Inf(1), 1e6} {
		assert.ErrorContains(t, d.WritePNG(&b, dpi), "dpi: expected")
	}
}

// The drawings look as they did when somebody last looked at them. After a change: go test ./plots -update, and look.
func TestGoldenImages(t *testing.T) {
	drawings := map[string]Drawing{"cell": Cell(network(t, "fairdarts-a").Cells.Genotype.Reduce, "FairDARTS-A, reduction cell")}
	for name, title := range map[string]string{
		"fairdarts-a": "FairDARTS-A", "fairdarts-dco-edge": "28 operations", "darts-v2": "DARTS, second order", "nasnet": "NASNet-A",
		"amoebanet": "AmoebaNet-A", "nasbench201-1234": "NAS-Bench-201, cell 1234", "fairnas-a": "FairNAS-A", "moga-a": "MoGA-A",
		"scarlet-b": "SCARLET-B", "mobilenetv2": "MobileNetV2", "tcresnet14": "TC-ResNet14", "nasbenchmacro-01201201": "NAS-Bench-Macro, 01201201",
	} {
		drawings[name] = Network(network(t, name), title)
	}
	for name, d := range drawings {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, d.WritePNG(&b, 100))
			compareGolden(t, name, b.Bytes())
		})
	}
}

// compareGolden compares a picture with the one in testdata.
func compareGolden(t *testing.T, name string, picture []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".png")
	if *update {
		require.NoError(t, os.WriteFile(file, picture, 0o644))
	}
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	want, err := png.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	got, err := png.Decode(bytes.NewReader(picture))
	require.NoError(t, err)
	require.Equal(t, want.Bounds(), got.Bounds())
	// Processors round differently, which shades single pixels; a letter more or less is some dozens.
	assert.LessOrEqual(t, farPixels(want, got), 20)
}

// farPixels counts the pixels that differ by a fifth of the range.
func farPixels(a, b image.Image) int {
	n := 0
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			r, g, bl, _ := a.At(x, y).RGBA()
			r2, g2, bl2, _ := b.At(x, y).RGBA()
			if max(apart(r, r2), apart(g, g2), apart(bl, bl2)) > 0xFFFF/5 {
				n++
			}
		}
	}
	return n
}

func apart(a, b uint32) uint32 { return max(a, b) - min(a, b) }
