package datasets

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
)

//go:embed embedded/nas-bench-macro_cifar10.json.gz
var macroTable []byte

// MacroRow is what NAS-Bench-Macro (xiusu/NAS-Bench-Macro) knows of one network on CIFAR-10.
type MacroRow struct {
	// TestAccuracy of three trainings, percent.
	TestAccuracy []float64 `json:"test_acc"`
	MeanAccuracy float64   `json:"mean_acc"`
	Std          float64   `json:"std"`
	Params       int64     `json:"params"`
	// FLOPs are multiply-adds of convolutions and the linear layer.
	FLOPs int64 `json:"flops"`
}

var macroOnce = sync.OnceValues(func() (map[string]MacroRow, error) {
	z, err := gzip.NewReader(bytes.NewReader(macroTable))
	if err != nil {
		return nil, fmt.Errorf("nas-bench-macro_cifar10.json.gz: %w", err)
	}
	var table map[string]MacroRow
	if err := json.NewDecoder(z).Decode(&table); err != nil {
		return nil, fmt.Errorf("nas-bench-macro_cifar10.json.gz: %w", err)
	}
	return table, nil
})

// NASBenchMacro is the embedded table of NAS-Bench-Macro: its 6,561 networks by code, eight digits from 0 to 2. The map
// is shared and must not be changed.
func NASBenchMacro() (map[string]MacroRow, error) { return macroOnce() }

//go:embed embedded/nasbench201.csv.gz
var gridTable []byte

// ImageNet16Name is ImageNet16-120, 120 classes of ImageNet at 16×16 pixels: NAS-Bench-201's table has accuracies on it, and
// gonas has none of its images.
const ImageNet16Name = "imagenet16-120"

// GridRow is what NAS-Bench-201 (2001.00326) knows of one cell: mean test accuracies, percent, of its network trained for
// 200 epochs.
type GridRow struct {
	CIFAR10, CIFAR100, ImageNet16 float64
}

// On is the accuracy on a data set, [CIFAR10Name], [CIFAR100Name] or [ImageNet16Name]; false for any other.
func (r GridRow) On(data string) (float64, bool) {
	switch data {
	case CIFAR10Name:
		return r.CIFAR10, true
	case CIFAR100Name:
		return r.CIFAR100, true
	case ImageNet16Name:
		return r.ImageNet16, true
	}
	return 0, false
}

var gridOnce = sync.OnceValues(func() (map[string]GridRow, error) {
	table, err := readGridTable(gridTable)
	if err != nil {
		return nil, fmt.Errorf("nasbench201.csv.gz: %w", err)
	}
	return table, nil
})

func readGridTable(data []byte) (map[string]GridRow, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(z)
	header, err := r.Read()
	if err != nil {
		return nil, err
	}
	columns := []string{"arch", "cifar10_test_acc_200ep", "cifar100_test_acc_200ep", "imagenet16_120_test_acc_200ep"}
	var at []int
	for _, name := range columns {
		k := slices.Index(header, name)
		if k < 0 {
			return nil, fmt.Errorf("expected a column %s, got %v", name, header)
		}
		at = append(at, k)
	}
	table := map[string]GridRow{}
	for {
		record, err := r.Read()
		if err == io.EOF {
			return table, nil
		}
		if err != nil {
			return nil, err
		}
		var row GridRow
		for i, x := range []*float64{&row.CIFAR10, &row.CIFAR100, &row.ImageNet16} {
			if *x, err = strconv.ParseFloat(record[at[i+1]], 64); err != nil {
				line, _ := r.FieldPos(at[i+1])
				return nil, fmt.Errorf("line %d: %s: %w", line, columns[i+1], err)
			}
		}
		table[record[at[0]]] = row
	}
}

// NASBench201 is the embedded table of NAS-Bench-201: its 15,625 cells as the benchmark writes them, such as
// |none~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|. The map is shared and must not be changed.
func NASBench201() (map[string]GridRow, error) { return gridOnce() }
