// Package zoo holds every architecture that the ten papers and their baselines publish, as data, with the numbers
// printed beside them; it counts, builds, fills and runs them.
package zoo

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/gonas/gonas/internal/strictjson"
	"github.com/gonas/gonas/nas/arch"
)

//go:embed networks/*.json
var files embed.FS

// Entry is one published network.
type Entry struct {
	// Name is what [Get] takes: the paper's short name, the network's, and where it matters the data set or the gate.
	Name string `json:"name"`
	// Paper is the arXiv number of the paper that published the network.
	Paper string `json:"paper"`
	// Source is the repository, commit and file that define it.
	Source string `json:"source"`
	Note   string `json:"note,omitempty"`
	// Reference is the network's file of reference numbers, relative to their folder, where there is one.
	Reference string       `json:"reference,omitempty"`
	Network   arch.Network `json:"network"`
	Published []Published  `json:"published,omitempty"`
}

// What a published count counts.
const (
	CountParams = "params"
	CountMACs   = "macs"
)

// Conventions of published counts; [Net.Counts] computes each.
const (
	// ConventionAll counts all parameters, the auxiliary head's included.
	ConventionAll = "all parameters"
	// ConventionWithoutHead leaves the auxiliary head's out.
	ConventionWithoutHead = "without auxiliary head"
	// ConventionMACs counts the multiply-adds of convolutions and linear layers.
	ConventionMACs = "conv and linear"
	// Convention2BN adds 2 operations for each element that a batch norm puts out, Convention4BN adds 4: thop counts
	// so in evaluation and in training mode.
	Convention2BN = "conv and linear, 2 x batch norm"
	Convention4BN = "conv and linear, 4 x batch norm"
	// ConventionPool adds 1 for each element that an average pool puts out, as thop does.
	ConventionPool = "conv and linear, average pools"
	// Convention2BNPool is thop's whole count in evaluation mode.
	Convention2BNPool = "conv and linear, 2 x batch norm, all pools"
	// Convention4BNPool is thop's whole count in training mode: batch norm and the global pools' sums as well.
	Convention4BNPool = "conv and linear, 4 x batch norm, all pools"
	// ConventionGlobalPool adds the sums of the global pools alone.
	ConventionGlobalPool = "conv and linear, global pools"
	// ConventionNone marks a printed number that fits no convention.
	ConventionNone = "none"
)

// Conventions lists those that [Net.Counts] computes, in the order to show them.
var Conventions = []string{ConventionAll, ConventionWithoutHead, ConventionMACs, ConventionPool, ConventionGlobalPool, Convention2BN, Convention4BN, Convention2BNPool, Convention4BNPool}

// Published is one count as its source prints it.
type Published struct {
	Count string `json:"count"`
	// Value has the printed digits, in millions.
	Value string `json:"value"`
	Where string `json:"where"`
	// Convention is the one whose rounded count equals the value, or "none".
	Convention string `json:"convention"`
	// Cut says that the printed digits were cut off and not rounded.
	Cut bool `json:"cut,omitempty"`
	// Confidence is low where the value was quoted from memory; such a value is shown and never asserted.
	Confidence string `json:"confidence,omitempty"`
	// Classes is the number of classes that the count holds for, 0 for the network's own.
	Classes int `json:"classes,omitempty"`
}

var load = sync.OnceValues(func() (map[string]Entry, error) {
	names, err := fs.Glob(files, "networks/*.json")
	if err != nil {
		return nil, err
	}
	all := map[string]Entry{}
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var list []Entry
		if err := strictjson.Decode("zoo: "+name, data, &list); err != nil {
			return nil, err
		}
		for _, e := range list {
			if _, twice := all[e.Name]; twice {
				return nil, fmt.Errorf("zoo: %s: %q is there twice", name, e.Name)
			}
			if err := e.Network.Validate(); err != nil {
				return nil, fmt.Errorf("zoo: %s: %s: %w", name, e.Name, err)
			}
			all[e.Name] = e
		}
	}
	return all, nil
})

// Names lists the networks, sorted. The cells of NAS-Bench-201 ("nasbench201-0" to "nasbench201-15624") and the
// networks of NAS-Bench-Macro ("nasbenchmacro-00000000" to "nasbenchmacro-22222222") are not in the list; [Get] makes
// them.
func Names() ([]string, error) {
	all, err := load()
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(all)), nil
}

// Get returns a network by name.
func Get(name string) (*Net, error) {
	all, err := load()
	if err != nil {
		return nil, err
	}
	if e, ok := all[name]; ok {
		return &Net{Entry: e}, nil
	}
	for prefix, make := range map[string]func(string) (Entry, error){"nasbench201-": benchmarkCell, "nasbenchmacro-": macroNetwork} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			e, err := make(rest)
			if err != nil {
				return nil, fmt.Errorf("zoo: %s: %w", name, err)
			}
			e.Name = name
			return &Net{Entry: e}, nil
		}
	}
	return nil, fmt.Errorf("zoo: no network %q%s; gonas zoo list shows all", name, nearest(name, all))
}

// nearest suggests a name that shares the most letters at its start.
func nearest(name string, all map[string]Entry) string {
	best, length := "", 2
	for _, candidate := range slices.Sorted(maps.Keys(all)) {
		n := 0
		for n < len(name) && n < len(candidate) && name[n] == candidate[n] {
			n++
		}
		if n > length {
			best, length = candidate, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", perhaps %q", best)
}
