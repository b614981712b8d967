package zoo

import (
	_ "embed"
	"fmt"
	"strconv"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/space"
)

// nasBench201 lists the cells of NAS-Bench-201 by index, a line each: the operation of each edge as a digit, by
// arch.GridOps, in the order of arch.Grid.Cell.
//
//go:embed nasbench201.txt
var nasBench201 string

// NASBench201Size is the number of cells of NAS-Bench-201.
const NASBench201Size = 15625

// benchmarkCell is the network of a cell of NAS-Bench-201 by index.
func benchmarkCell(index string) (Entry, error) {
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= NASBench201Size {
		return Entry{}, fmt.Errorf("expected an index from 0 to %d, got %q", NASBench201Size-1, index)
	}
	const line = 7
	digits := nasBench201[i*line : i*line+line-1]
	g := arch.Grid{Cells: 5, Channels: 16}
	for k, d := range digits {
		g.Cell[k] = arch.GridOps[d-'0']
	}
	return Entry{Paper: "2001.00326", Source: "index order of NAS-Bench-201, three sources agree; network as D-X-Y/AutoDL-Projects defines it",
		Network: arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Grid: &g}}, nil
}

// macroNetwork is the network of a code of NAS-Bench-Macro, eight digits, a layer each: see [space.NASBenchMacro].
func macroNetwork(code string) (Entry, error) {
	s := space.NASBenchMacro()
	path, err := s.Parse(code)
	if err != nil {
		return Entry{}, err
	}
	network, err := s.Network(path)
	if err != nil {
		return Entry{}, err
	}
	return Entry{Paper: "2103.11922", Source: "xiusu/NAS-Bench-Macro train/model.py @ b1ee7c6ff9d83e6bc002adcaf5c6a9a2ba1a4ac7",
		Network: network}, nil
}
