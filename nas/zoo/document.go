package zoo

import (
	"fmt"
	"strings"
)

// Document is docs/zoo.md: a table of all networks with their counts, and the printed counts beside them.
func Document() (string, error) {
	names, err := Names()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("# The zoo\n\nMade by `gonas zoo doc`; a test compares this file with what the command prints.\n\n" +
		"Parameters and multiply-adds are in millions, for one image of the network's own size. Multiply-adds count convolutions and linear layers. " +
		"Besides these there are `nasbench201-INDEX` (0 to 15624) and `nasbenchmacro-CODE` (8 digits from 0 to 2); the counts of all 6,561 networks of " +
		"NAS-Bench-Macro equal its table's, as a test.\n\n" +
		"| network | paper | input | classes | parameters | without auxiliary head | multiply-adds | + 2 × batch norm | + 4 × batch norm |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	million := func(n int64) string { return fmt.Sprintf("%.3f", float64(n)/1e6) }
	var fits, misses strings.Builder
	for _, name := range names {
		n, err := Get(name)
		if err != nil {
			return "", err
		}
		counts, err := n.Counts()
		if err != nil {
			return "", err
		}
		in := n.Network.Input
		fmt.Fprintf(&b, "| `%s` | [%s](https://arxiv.org/abs/%s) | %d×%d×%d | %d | %s | %s | %s | %s | %s |\n", name, n.Paper, n.Paper, in[0], in[1], in[2], n.Network.Classes,
			million(counts[ConventionAll]), million(counts[ConventionWithoutHead]), million(counts[ConventionMACs]), million(counts[Convention2BN]), million(counts[Convention4BN]))
		for _, p := range n.Published {
			c, err := n.Check(p)
			if err != nil {
				return "", err
			}
			what := p.Count
			if p.Classes > 0 {
				what = fmt.Sprintf("%s, %d classes", what, p.Classes)
			}
			where := p.Where
			if p.Confidence == "low" {
				where += " (unverified: shown, not asserted)"
			}
			if c.Agrees {
				cut := ""
				if p.Cut {
					cut = ", digits cut off"
				}
				fmt.Fprintf(&fits, "| `%s` | %s | %s | %s | %s%s | %s |\n", name, what, p.Value, million(c.Count), p.Convention, cut, where)
				continue
			}
			printed, _ := p.number()
			fmt.Fprintf(&misses, "| `%s` | %s | %s | %s | %s | %+.2f %% | %s |\n", name, what, p.Value, million(c.Count), c.Convention, (float64(c.Count)/1e6/printed-1)*100, where)
		}
	}
	b.WriteString("\n## Printed counts that hold\n\n| network | count | printed | counted | convention | where |\n| --- | --- | --- | --- | --- | --- |\n" + fits.String())
	b.WriteString("\n## Printed counts that fit no convention\n\n" +
		"| network | count | printed | counted | nearest convention | counted against printed | where |\n| --- | --- | --- | --- | --- | --- | --- |\n" + misses.String())
	return b.String(), nil
}
