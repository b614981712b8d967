package nb

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/janpfeifer/gonb/gonbui/protocol"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/run"
)

// one runs a cell that shows one thing; a picture is followed by its text alternative.
func one(t *testing.T, name string, env ...string) protocol.DisplayData {
	t.Helper()
	n := newNotebook(t)
	got := n.run(t, name, env...)
	if meta, ok := got[0].Metadata[string(protocol.MIMEImagePNG)].(map[string]any); ok {
		require.Len(t, got, 2)
		assert.Equal(t, map[protocol.MIMEType]any{protocol.MIMETextHTML: unseen(meta["alt"].(string))}, got[1].Data)
		got = got[:1]
	}
	require.Len(t, got, 1)
	assert.Equal(t, 1, n.acknowledged, "the cell must wait until the notebook has its output")
	assert.NotEmpty(t, got[0].Data[protocol.MIMETextPlain], "text beside the rest")
	return got[0]
}

func decodePNG(t *testing.T, d protocol.DisplayData) (image.Image, map[string]any) {
	t.Helper()
	b, ok := d.Data[protocol.MIMEImagePNG].([]byte)
	require.True(t, ok)
	im, err := png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	meta, ok := d.Metadata[string(protocol.MIMEImagePNG)].(map[string]any)
	require.True(t, ok)
	return im, meta
}

func TestFigureInNotebook(t *testing.T) {
	im, meta := decodePNG(t, one(t, "figure"))
	assert.Contains(t, meta["alt"], "sep_conv_3x3 from c_{k-2} to 0")
	// Twice the dots that the page gives it, for sharp screens.
	assert.InDelta(t, im.Bounds().Dx(), 2*meta["width"].(int), 3)
}

func TestImagesInNotebook(t *testing.T) {
	d := one(t, "images")
	im, meta := decodePNG(t, d)
	assert.Equal(t, "2 images of 1×2×1: cat, dog", meta["alt"])
	assert.Equal(t, im.Bounds().Dx(), 2*meta["width"].(int))
	// 72 blocks a pixel: two of 72 by 144 in each image, sharp between them.
	second := 2*gridGap + 144
	for x, want := range map[int]uint8{gridGap: 0, gridGap + 71: 0, gridGap + 72: 255, gridGap + 143: 255, second: 9, second + 143: 100, 0: 255} {
		assert.Equal(t, color.NRGBA{want, want, want, 255}, color.NRGBAModel.Convert(im.At(x, gridGap+20)), "x %d", x)
	}
}

func TestAudioInNotebook(t *testing.T) {
	page := one(t, "audio").Data[protocol.MIMETextHTML].(string)
	_, rest, ok := strings.Cut(page, "base64,")
	require.True(t, ok)
	text, _, _ := strings.Cut(rest, `"`)
	file, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	require.Len(t, file, 44+3*2)
	assert.Equal(t, "RIFF", string(file[:4]))
	assert.Equal(t, uint32(len(file)-8), binary.LittleEndian.Uint32(file[4:]))
	assert.Equal(t, "WAVEfmt ", string(file[8:16]))
	assert.Equal(t, uint32(8000), binary.LittleEndian.Uint32(file[24:]))
	var samples [3]int16
	require.NoError(t, binary.Read(bytes.NewReader(file[44:]), binary.LittleEndian, &samples))
	assert.Equal(t, [3]int16{0, 16384, -32767}, samples)
}

func TestTableInNotebookIsEscaped(t *testing.T) {
	page := one(t, "table").Data[protocol.MIMETextHTML].(string)
	assert.NotContains(t, page, "<script")
	assert.Contains(t, page, `<td style="text-align: left">&lt;script&gt;alert(1)&lt;/script&gt;</td>`)
	assert.Contains(t, page, `<td style="text-align: right">1.5</td>`)
}

func TestMarkdownInNotebook(t *testing.T) {
	assert.Equal(t, "$x^2$", one(t, "markdown").Data[protocol.MIMETextMarkdown])
}

func TestVerdictInNotebook(t *testing.T) {
	page := one(t, "verdict", "NB_EVIDENCE="+evidenceFolder(t)).Data[protocol.MIMETextHTML].(string)
	assert.Contains(t, page, `<td style="text-align: left">accuracy</td><td style="text-align: left">97.46 %</td><td style="text-align: left">–</td><td style="text-align: left">not run</td>`)
}

// TestProgressIsOneOutput: a thousand steps replace one output a few times.
func TestProgressIsOneOutput(t *testing.T) {
	got := newNotebook(t).run(t, "progress")
	require.GreaterOrEqual(t, len(got), 2)
	assert.Less(t, len(got), 20)
	for _, d := range got {
		assert.Equal(t, got[0].DisplayID, d.DisplayID)
	}
	assert.NotEmpty(t, got[0].DisplayID)
	assert.Contains(t, got[0].Data[protocol.MIMETextHTML], "0 of 1000 steps")
	assert.Equal(t, "search: done", got[len(got)-1].Data[protocol.MIMETextPlain])
}

// TestKernelGone: a cell whose notebook takes nothing ends with a message and does not wait for ever.
func TestKernelGone(t *testing.T) {
	dir := t.TempDir()
	began := time.Now()
	out, err := cell(t, "patient", protocol.GONB_PIPE_ENV+"="+dir+"/none", protocol.GONB_PIPE_BACK_ENV+"="+dir+"/none").CombinedOutput()
	var failed *exec.ExitError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, 1, failed.ExitCode())
	assert.Contains(t, string(out), "error: show: ")
	assert.Less(t, time.Since(began), 20*time.Second)
}

// TestWhatCannotBeShownEndsTheProgram, with a message and not a panic.
func TestWhatCannotBeShownEndsTheProgram(t *testing.T) {
	out, err := cell(t, "bad").CombinedOutput()
	var failed *exec.ExitError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, 1, failed.ExitCode())
	assert.Equal(t, "error: images: value 0 is NaN, expected a finite number\n", string(out))
}

func TestBytesOf(t *testing.T) {
	for name, tc := range map[string]struct {
		in   []float32
		want []uint8
	}{
		"from 0 to 255":       {[]float32{0, 128, 254.6, 3}, []uint8{0, 128, 255, 3}},
		"normalised":          {[]float32{-1, 5, 1, 7}, []uint8{0, 0, 255, 255}}, // two channels, each by itself
		"from 0 to 1":         {[]float32{0, 0.25, 1, 0.75}, []uint8{0, 0, 255, 255}},
		"one value a channel": {[]float32{0.5, 0.5, 0.5, 0.5}, []uint8{0, 0, 0, 0}},
	} {
		got, err := bytesOf(tc.in, 2)
		require.NoError(t, err, name)
		assert.Equal(t, tc.want, got, name)
	}
	_, err := bytesOf([]float32{float32(math.Inf(1))}, 1)
	assert.ErrorContains(t, err, "value 0")
}

func TestGridErrors(t *testing.T) {
	for want, err := range map[string]error{
		"channels":            images(make([]uint8, 2), [4]int{1, 1, 1, 2}, nil, 1),
		"has 3 values":        images(make([]uint8, 2), [4]int{1, 1, 1, 3}, nil, 1),
		"expected 1 labels":   images(make([]uint8, 3), [4]int{1, 1, 1, 3}, []string{"a", "b"}, 1),
		"at least 1 column":   images(make([]uint8, 3), [4]int{1, 1, 1, 3}, nil, 0),
		"at least 1 each":     images([]uint8{}, [4]int{0, 1, 1, 3}, nil, 1),
		"show fewer":          images(make([]uint8, 20000), [4]int{20000, 1, 1, 1}, nil, 10),
		"at least one column": table(nil, nil),
		"row 0: expected 2":   table([]string{"a", "b"}, [][]any{{1}}),
		"at least one sample": audio(nil, 8000),
		"rate":                audio([]float32{1}, 0),
		"not a number":        audio([]float32{float32(math.NaN())}, 8000),
	} {
		assert.ErrorContains(t, err, want)
	}
}

// TestLongLabels end in dots within their image.
func TestLongLabels(t *testing.T) {
	draw := func(label string) *image.NRGBA {
		g, err := drawGrid(make([]uint8, 3*32*32), [4]int{1, 32, 32, 3}, []string{label}, 1)
		require.NoError(t, err)
		return g
	}
	g := draw(strings.Repeat("wide label ", 20))
	assert.Equal(t, draw("x").Rect, g.Rect)
	for y := range g.Rect.Dy() {
		assert.Equal(t, color.NRGBA{255, 255, 255, 255}, g.NRGBAAt(g.Rect.Dx()-1, y))
	}
}

func TestSparkline(t *testing.T) {
	assert.Equal(t, "▁▄█", sparkline([]float64{1, 1, 2, 2, 3, 3}, 3))
	assert.Equal(t, "▁▁", sparkline([]float64{1, 1}, 8))
	assert.Empty(t, sparkline([]float64{1}, 8))
}

// Of an epoch the progress says which columns lead, whatever tables there are, and the row of the log.
func TestStanding(t *testing.T) {
	one := run.Table{Rows: []string{"x", "y", "z"}, Columns: [][]string{{"a", "b", "c"}}, Epochs: []run.Snapshot{{Weights: [][]float64{{9, 1, 0}, {9, 1, 0}, {9, 1, 0}}}, {Weights: [][]float64{{0, 1, 0}, {0, 1, 0}, {3, 2, 1}}}}}
	other := run.Table{Rows: []string{"x", "y"}, Columns: [][]string{{"d"}, {"a", "b"}}, Epochs: []run.Snapshot{{Weights: [][]float64{{1}, {0.25, 0.75}}}}}
	assert.Equal(t, "edges led by b 2, a 1", leading([]run.Table{one}))
	assert.Equal(t, "edges led by b 3, a 1, d 1", leading([]run.Table{one, other}))
	assert.Empty(t, leading(nil))
	assert.Empty(t, leading([]run.Table{{Kind: run.Counts, Rows: []string{"x"}, Columns: [][]string{{"a"}}, Epochs: []run.Snapshot{{Values: [][]float64{{1}}}}}}))

	row := run.Values{{Name: "epoch", Number: 1}, {Name: "steps", Number: 4}, {Name: "learning_rate", Number: 0.1}, {Name: "train_loss", Number: 1.25}, {Name: "skips_normal", Number: 2}}
	assert.Equal(t, "train loss 1.25, skips normal 2", rowText(row))
	p := newProgress("search")
	p.listen(run.Event{Kind: run.EventEpoch, Tables: []run.Table{one}, Values: row})
	assert.Equal(t, "edges led by b 2, a 1; train loss 1.25, skips normal 2", p.standing)
	p.listen(run.Event{Kind: run.EventEpoch, Values: row})
	assert.Equal(t, "train loss 1.25, skips normal 2", p.standing)
	// An event without any value is shown too.
	p.listen(run.Event{Kind: run.EventStep})
	p.listen(run.Event{Kind: run.EventEpoch})
	assert.Empty(t, p.standing)
}

func TestCellText(t *testing.T) {
	for _, tc := range []struct {
		in     any
		want   string
		number bool
	}{
		{0.123456, "0.1235", true}, {float32(0.1), "0.1", true}, {-2.0, "-2", true}, {123456.7, "123457", true}, {1e20, "1e+20", true}, {math.NaN(), "NaN", true},
		{7, "7", true}, {uint8(7), "7", true}, {"0.123456", "0.123456", false}, {nil, "", false}, {true, "true", false}, {"a\nb", "a b", false},
	} {
		got, number := cellText(tc.in)
		assert.Equal(t, tc.want, got)
		assert.Equal(t, tc.number, number, "%v", tc.in)
	}
}

func TestParam(t *testing.T) {
	t.Setenv("GONAS_NB_STEPS", "twelve")
	_, err := param("steps", 3)
	assert.EqualError(t, err, `GONAS_NB_STEPS="twelve": expected a whole number`)
	t.Setenv("GONAS_NB_STEPS", "12")
	assert.Equal(t, 12, Param("steps", 3))
	assert.Equal(t, "12", Param("steps", ""))
	assert.Equal(t, 12.0, Param("steps", 0.5))
	assert.Equal(t, uint64(12), Param("steps", uint64(1)))
	_, err = param("steps", time.Second)
	assert.EqualError(t, err, `GONAS_NB_STEPS="12": expected a duration such as "90s"`)
	t.Setenv("GONAS_NB_STEPS", "")
	assert.Equal(t, 3, Param("steps", 3))
	assert.True(t, Param("none", true))
}
