package latency

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/arch"
)

// Share is what parts of one kind take in a network.
type Share struct {
	// Kind is "stem", the kernel, expansion and squeeze-and-excitation of blocks such as "k3 e6 SE", the operation of
	// others, or "head" for the last convolution and the classifier.
	Kind string
	// MS are milliseconds.
	MS float64
}

// Shares are the latencies of the kinds of parts of a network of a chain, in the order in which they first come. The error
// names the first part that the table lacks.
func (t Table) Shares(a arch.Network) ([]Share, error) {
	list, err := parts(a)
	if err != nil {
		return nil, err
	}
	x := t.index()
	var shares []Share
	at := map[string]int{}
	for i, b := range list {
		if b.module == nil {
			continue
		}
		row, _, ok := x.find(b.Key)
		if !ok {
			return nil, fmt.Errorf("the table has no row for the block %s", b.Key)
		}
		kind := "head"
		switch {
		case i == 0:
			kind = "stem"
		case i <= len(a.Chain.Blocks):
			kind = kindOf(a.Chain.Blocks[i-1])
		}
		k, ok := at[kind]
		if !ok {
			k, at[kind] = len(shares), len(shares)
			shares = append(shares, Share{Kind: kind})
		}
		shares[k].MS += row.MS
	}
	return shares, nil
}

// kindOf is a block's kind without its channels.
func kindOf(b arch.Block) string {
	if b.Op != arch.OpBottleneck && b.Op != arch.OpMultiPath {
		return strings.ReplaceAll(b.Op, "_", " ")
	}
	kind := fmt.Sprintf("k%s e%s", b.KernelText(), strconv.FormatFloat(float64(b.Hidden)/float64(b.In), 'g', 3, 64))
	if b.Squeeze != nil {
		kind += " SE"
	}
	return kind
}

// Device is what computed, of several all.
func (t Table) Device() string {
	var devices []string
	seen := map[string]bool{}
	for _, r := range t {
		if !seen[r.Device] {
			seen[r.Device] = true
			devices = append(devices, r.Device)
		}
	}
	return strings.Join(devices, "; ")
}
