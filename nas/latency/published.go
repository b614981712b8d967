package latency

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/arch"
)

//go:embed tables/*
var tables embed.FS

// published are the embedded tables: the texts of their devices say what is measured there, mean or median, and the
// images of a call. Only the last one tells an interquartile range: it is this project's own, of gonas latency measure.
var published = []struct {
	name, file, device string
	read               func(name string, from io.Reader, device string) (Table, error)
}{
	{"pixel1", "proxylessnas_pixel1_latency.csv", "Google Pixel 1, CPU, mean of calls", ReadProxylessNAS},
	{"xeon6130", "tfnas_latency_cpu.json.gz", "Intel Xeon Gold 6130, 1 thread, PyTorch 1.1, mean of calls", readZipped},
	{"titanrtx", "tfnas_latency_gpu.json.gz", "NVIDIA Titan RTX, batch 32, PyTorch 1.1, mean of calls", readZipped},
	{"cpu", "cpu.csv", "", func(name string, from io.Reader, _ string) (Table, error) { return ReadCSV(name, from) }},
}

// Names are those of the embedded tables.
func Names() []string {
	var names []string
	for _, p := range published {
		names = append(names, p.name)
	}
	return names
}

// Open is the table of an embedded name, one of [Names], or of a CSV file of the form that [Table.Save] writes.
func Open(nameOrFile string) (Table, error) {
	for _, p := range published {
		if p.name == nameOrFile {
			data, err := tables.ReadFile("tables/" + p.file)
			if err != nil {
				return nil, err
			}
			return p.read(p.file, bytes.NewReader(data), p.device)
		}
	}
	t, err := readFile(nameOrFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("latency table %q: expected one of %s, or a CSV file: %w", nameOrFile, strings.Join(Names(), ", "), err)
	}
	return t, err
}

func readZipped(name string, from io.Reader, device string) (Table, error) {
	z, err := gzip.NewReader(from)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return ReadTFNAS(name, z, device)
}

// readFile reads a table's file.
func readFile(path string) (Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return ReadCSV(path, f)
}

var (
	proxylessHeader = []string{"key", "mean_ms", "var", "count"}
	proxylessForm   = regexp.MustCompile(`^expanded_conv-input:(\d+)x(\d+)x(\d+)-output:(\d+x\d+x(\d+))-expand:(\d+)-kernel:(\d+)-stride:(\d+)-idskip:([01])$`)
	// proxylessEnds are the parts of ProxylessNAS's networks that are no blocks.
	proxylessEnds = map[string]Key{
		"Conv-input:224x224x3-output:112x112x32": {StemText(arch.Conv{Kernel: 3, Stride: 2, Activation: "relu6"}), "224x224x3", "112x112x32"},
		"Conv_1-input:7x7x320-output:7x7x1280":   {LastText(arch.Conv{Kernel: 1, Stride: 1, Activation: "relu6"}), "7x7x320", "7x7x1280"},
		"Logits-input:7x7x1280-output:1000":      {ClassifierText(arch.Conv{}), "7x7x1280", "1x1x1000"},
	}
)

// ReadProxylessNAS reads the blocks of ProxylessNAS (1812.00332) from CSV with the header key,mean_ms,var,count. They have
// relu6 and no squeeze-and-excitation; a block of expansion 1 has no 1×1 convolution before the depthwise one.
func ReadProxylessNAS(name string, from io.Reader, device string) (Table, error) {
	records, err := csv.NewReader(from).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(records) == 0 || !slices.Equal(records[0], proxylessHeader) {
		return nil, fmt.Errorf("%s: line 1: expected the header %s", name, strings.Join(proxylessHeader, ","))
	}
	var t Table
	for i, record := range records[1:] {
		key, err := proxylessKey(record[0])
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: key: %w", name, i+2, err)
		}
		ms, err := strconv.ParseFloat(record[1], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: mean_ms: expected a number, got %q", name, i+2, record[1])
		}
		t = append(t, Row{Key: key, MS: ms, Device: device})
	}
	return t.valid(name)
}

func proxylessKey(text string) (Key, error) {
	if end, ok := proxylessEnds[text]; ok {
		return end, nil
	}
	m := proxylessForm.FindStringSubmatch(text)
	if m == nil {
		return Key{}, fmt.Errorf("expected expanded_conv-input:HxWxC-output:HxWxC-expand:E-kernel:K-stride:S-idskip:0, got %q", text)
	}
	height, width, in, expand := number(m[1]), number(m[2]), number(m[3]), number(m[6])
	b := arch.Block{Op: arch.OpBottleneck, In: in, Hidden: expand * in, Out: number(m[5]), Kernel: number(m[7]), Stride: number(m[8]), Activation: "relu6", Residual: m[9] == "1"}
	if expand == 1 {
		b.Op, b.Hidden = arch.OpSeparable, 0
	}
	return Key{BlockText(b), ShapeText(height, width, in), m[4]}, nil
}

// number is that of a few digits, which an expression has found.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}

// tfnasForm is input size, channels in, reduced channels (0 for no gate), channels out, kernel, stride and activation.
var tfnasForm = regexp.MustCompile(`^MBInvertedResBlock_(\d+)_(\d+)_(\d+)_(\d+)_k(\d+)_s(\d+)_(relu|swish)$`)

// tfnasBase is what all of TF-NAS's networks have beside the blocks: its table holds the sum.
var tfnasBase = Key{strings.Join([]string{
	StemText(arch.Conv{Kernel: 3, Stride: 2, Activation: "relu"}),
	BlockText(arch.Block{Op: arch.OpSeparable, Kernel: 3, Stride: 1, Activation: "relu", Squeeze: &arch.SqueezeExcite{Reduced: 8, Activation: "relu", Gate: "sigmoid"}}),
	LastText(arch.Conv{Kernel: 1, Stride: 1, Activation: "swish"}), ClassifierText(arch.Conv{})}, " + "), "224x224x3", "1x1x1000"}

// ReadTFNAS reads the blocks of TF-NAS (2008.05314) from JSON: of each key the milliseconds by hidden channels. The first
// number of a key is the side of the input, of networks on 224×224 pixels (latency_pkl/make_lat_lut_example.py there); a
// gate has the block's activation and a sigmoid. Rows are made of hidden channels that are multiples of 8 and more than
// those that come in: all other numbers lie on lines between these, and a block that does not expand has no first
// convolution in TF-NAS's code, whatever its number of hidden channels. No number is at or below 0 there; those that are,
// 84 of the CPU's and 88 of the GPU's, are of fewer channels. The times of a block never fall where the channels rise: the
// script has a function that sorts them. It reads the clock without waiting for the GPU (tools/utils.py).
func ReadTFNAS(name string, from io.Reader, device string) (Table, error) {
	var all map[string]json.RawMessage
	if err := json.NewDecoder(from).Decode(&all); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var t Table
	for _, key := range slices.Sorted(maps.Keys(all)) {
		rows, err := tfnasRows(key, all[key])
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, key, err)
		}
		for _, r := range rows {
			r.Device = device
			t = append(t, r)
		}
	}
	return t.valid(name)
}

func tfnasRows(key string, data json.RawMessage) ([]Row, error) {
	if key == "base" {
		r := Row{Key: tfnasBase}
		err := json.Unmarshal(data, &r.MS)
		return []Row{r}, err
	}
	m := tfnasForm.FindStringSubmatch(key)
	if m == nil {
		return nil, errors.New("expected base, or MBInvertedResBlock_SIDE_IN_REDUCED_OUT_kK_sS_ACTIVATION")
	}
	var widths struct {
		Hidden [2]int    `json:"mid_channels"`
		MS     []float64 `json:"ms"`
	}
	if err := json.Unmarshal(data, &widths); err != nil {
		return nil, err
	}
	low, high := widths.Hidden[0], widths.Hidden[1]
	if len(widths.MS) != high-low+1 {
		return nil, fmt.Errorf("ms: expected %d numbers, one for each of %d to %d hidden channels, got %d", high-low+1, low, high, len(widths.MS))
	}
	side, in, reduced, stride := number(m[1]), number(m[2]), number(m[3]), number(m[6])
	b := arch.Block{Op: arch.OpBottleneck, In: in, Out: number(m[4]), Kernel: number(m[5]), Stride: stride, Activation: m[7]}
	b.Residual = stride == 1 && b.In == b.Out
	if reduced > 0 {
		b.Squeeze = &arch.SqueezeExcite{Reduced: reduced, Activation: b.Activation, Gate: "sigmoid"}
	}
	after := (side + max(stride, 1) - 1) / max(stride, 1)
	var rows []Row
	for b.Hidden = low; b.Hidden <= high; b.Hidden++ {
		if b.Hidden%8 == 0 && b.Hidden > in {
			rows = append(rows, Row{Key: Key{BlockText(b), ShapeText(side, side, in), ShapeText(after, after, b.Out)}, MS: widths.MS[b.Hidden-low]})
		}
	}
	return rows, nil
}

// valid is the table where it is one.
func (t Table) valid(name string) (Table, error) {
	if err := t.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}
