package datasets

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
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
