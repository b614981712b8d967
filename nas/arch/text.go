package arch

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/gonas/gonas/internal/strictjson"
)

// ReadGenotype reads a genotype in any of the forms in which it is published: gonas's JSON, DARTS's lists as JSON
// ({"normal": [["sep_conv_3x3", 0], …], "normal_concat": [2, 3, 4, 5], …}), and the text that the codes of DARTS, PC-DARTS,
// P-DARTS and FairDARTS print and keep, Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=range(2, 6), reduce=…), alone, in a
// log, of which the last one is taken, or as NAME = Genotype(…) in a file of several, of which name chooses one. Pairs are
// two edges a node; triples, of FairDARTS, name operation, node and where the edge comes from, and nodes of the concat that have no
// edges, which that code passes over, are left out. from is what errors call the text; note says what was chosen or left out.
func ReadGenotype(from string, data []byte, name string) (g Genotype, note string, err error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if text := bytes.TrimSpace(data); len(text) > 0 && text[0] == '{' {
		if name != "" {
			return g, "", fmt.Errorf("%s: expected several genotypes as text, of which %s is one, found JSON", from, name)
		}
		g, note, err = genotypeFromJSON(from, data)
	} else {
		g, note, err = genotypeFromText(string(data), name)
		if err != nil {
			err = fmt.Errorf("%s: %w", from, err)
		}
	}
	return g, note, err
}

// lists is a genotype as DARTS's code has it.
type lists struct {
	Normal       [][]any `json:"normal"`
	NormalConcat []int   `json:"normal_concat"`
	Reduce       [][]any `json:"reduce"`
	ReduceConcat []int   `json:"reduce_concat"`
}

func genotypeFromJSON(from string, data []byte) (g Genotype, note string, err error) {
	var form map[string]any
	if err := strictjson.Decode(from, data, &form); err != nil {
		return g, "", err
	}
	if _, ok := form["normal"].([]any); !ok {
		return g, "", strictjson.Decode(from, data, &g)
	}
	var l lists
	if err := strictjson.Decode(from, data, &l); err != nil {
		return g, "", err
	}
	if g, note, err = l.genotype(); err != nil {
		err = fmt.Errorf("%s: %w", from, err)
	}
	return g, note, err
}

// genotype makes cells of lists.
func (l lists) genotype() (g Genotype, note string, err error) {
	g.Style = StyleDARTS
	for _, list := range [][][]any{l.Normal, l.Reduce} {
		if len(list) > 0 && len(list[0]) == 3 {
			g.Style = StyleThreshold
		}
	}
	var notes []string
	for _, side := range []struct {
		name   string
		edges  [][]any
		concat []int
		cell   *Cell
	}{{"normal", l.Normal, l.NormalConcat, &g.Normal}, {"reduce", l.Reduce, l.ReduceConcat, &g.Reduce}} {
		if len(side.concat) == 0 {
			return g, "", fmt.Errorf("%s_concat: expected the nodes that the cell joins, found none", side.name)
		}
		for i, parts := range side.edges {
			e, err := edgeOf(g.Style, i, parts)
			if err != nil {
				return g, "", fmt.Errorf("%s[%d]: %w", side.name, i, err)
			}
			side.cell.Edges = append(side.cell.Edges, e)
		}
		side.cell.Concat = side.concat
		if g.Style == StyleThreshold {
			without := func(n int) bool {
				return !slices.ContainsFunc(side.cell.Edges, func(e Edge) bool { return e.To == n })
			}
			if kept := slices.DeleteFunc(slices.Clone(side.concat), without); len(kept) < len(side.concat) && len(kept) > 0 {
				notes = append(notes, fmt.Sprintf("%s_concat: of nodes %v those with edges are joined, %v", side.name, side.concat, kept))
				side.cell.Concat = kept
			}
		}
	}
	return g, strings.Join(notes, "; "), nil
}

// edgeOf is edge i of a list: two of a node in their order, or one that names its node.
func edgeOf(style string, i int, parts []any) (e Edge, err error) {
	want := 2
	if style == StyleThreshold {
		want = 3
	}
	if len(parts) != want {
		return e, fmt.Errorf("expected %d values as the first edges have, got %d", want, len(parts))
	}
	op, ok := parts[0].(string)
	if !ok {
		return e, fmt.Errorf("operation: expected a text, got %v", parts[0])
	}
	e = Edge{Op: op, To: 2 + i/2}
	for k, part := range parts[1:] {
		number, ok := part.(float64)
		if !ok || number != float64(int(number)) {
			return e, fmt.Errorf("node: expected a whole number, got %v", part)
		}
		if k == want-2 {
			e.From = int(number)
		} else {
			e.To = int(number)
		}
	}
	return e, nil
}

const call = "Genotype("

// printed is a genotype in a text.
type printed struct {
	name       string
	line       int
	start, end int
}

// genotypeFromText reads Python's form.
func genotypeFromText(text, name string) (g Genotype, note string, err error) {
	var all []printed
	for at := 0; ; {
		i := strings.Index(text[at:], call)
		if i < 0 {
			break
		}
		start := at + i
		at = start + len(call)
		end, ok := closing(text, at)
		if !ok {
			if rest := strings.TrimSpace(text[at:]); rest != "" || len(all) == 0 {
				all = append(all, printed{assigned(text[:start]), 1 + strings.Count(text[:start], "\n"), at, len(text)})
			}
			break
		}
		all = append(all, printed{assigned(text[:start]), 1 + strings.Count(text[:start], "\n"), at, end})
		at = end
	}
	if len(all) == 0 {
		return g, "", errors.New("expected a genotype: JSON, or Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=range(2, 6), reduce=[…], reduce_concat=range(2, 6))")
	}
	var names []string
	for _, p := range all {
		if p.name != "" && p.name != "genotype" && !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	chosen := all[len(all)-1]
	switch {
	case name != "":
		i := slices.IndexFunc(all, func(p printed) bool { return p.name == name })
		if i < 0 {
			return g, "", fmt.Errorf("there is no genotype %s, expected one of %s", name, strings.Join(names, ", "))
		}
		chosen = all[i]
	case len(names) > 1:
		return g, "", fmt.Errorf("holds several genotypes, choose one as FILE:NAME: %s", strings.Join(names, ", "))
	case len(all) > 1:
		note = fmt.Sprintf("the last of %d genotypes is taken, that of line %d", len(all), chosen.line)
	}
	l, err := parsePython(text[chosen.start:chosen.end])
	if err != nil {
		return g, "", fmt.Errorf("line %d: Genotype: %w", chosen.line, err)
	}
	g, more, err := l.genotype()
	if err != nil {
		return g, "", fmt.Errorf("line %d: Genotype: %w", chosen.line, err)
	}
	if note != "" && more != "" {
		more = "; " + more
	}
	return g, note + more, nil
}

// assigned is the name in front of "= Genotype(", "" where there is none.
func assigned(before string) string {
	before, ok := strings.CutSuffix(strings.TrimRight(before, " \t"), "=")
	if !ok {
		return ""
	}
	before = strings.TrimRight(before, " \t")
	i := strings.LastIndexFunc(before, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return before[i+1:]
}

// closing is where the bracket that opened before at closes.
func closing(text string, at int) (int, bool) {
	depth := 1
	for i := at; i < len(text); i++ {
		switch text[i] {
		case '(', '[':
			depth++
		case ')', ']':
			if depth--; depth == 0 {
				return i, true
			}
		}
	}
	return 0, false
}

// parsePython reads the arguments of a call: names with lists of tuples, of numbers, or range(a, b).
func parsePython(text string) (l lists, err error) {
	p := &python{text: text}
	seen := map[string]bool{}
	for p.skip(); p.at < len(p.text); p.skip() {
		name := p.word()
		if name == "" || !p.take('=') {
			return l, fmt.Errorf("expected normal=, normal_concat=, reduce= or reduce_concat=, found %.20q", p.rest())
		}
		if seen[name] {
			return l, fmt.Errorf("%s stands twice", name)
		}
		seen[name] = true
		value, err := p.value()
		if err != nil {
			return l, fmt.Errorf("%s: %w", name, err)
		}
		list, ok := value.([]any)
		if !ok {
			return l, fmt.Errorf("%s: expected a list, got %v", name, value)
		}
		switch name {
		case "normal":
			l.Normal, err = tuples(list)
		case "reduce":
			l.Reduce, err = tuples(list)
		case "normal_concat":
			l.NormalConcat, err = wholes(list)
		case "reduce_concat":
			l.ReduceConcat, err = wholes(list)
		default:
			return l, fmt.Errorf("%s: expected normal, normal_concat, reduce or reduce_concat", name)
		}
		if err != nil {
			return l, fmt.Errorf("%s%w", name, err)
		}
		if p.skip(); p.at < len(p.text) && !p.take(',') {
			return l, fmt.Errorf("%s: expected a comma behind it, found %.20q", name, p.rest())
		}
	}
	for _, name := range []string{"normal", "normal_concat", "reduce", "reduce_concat"} {
		if !seen[name] {
			return l, fmt.Errorf("%s is missing", name)
		}
	}
	return l, nil
}

func tuples(list []any) (out [][]any, err error) {
	for i, v := range list {
		tuple, ok := v.([]any)
		if !ok {
			return nil, fmt.Errorf("[%d]: expected ('operation', node), got %v", i, v)
		}
		out = append(out, tuple)
	}
	return out, nil
}

func wholes(list []any) (out []int, err error) {
	for i, v := range list {
		number, ok := v.(float64)
		if !ok || number != float64(int(number)) {
			return nil, fmt.Errorf("[%d]: expected a whole number, got %v", i, v)
		}
		out = append(out, int(number))
	}
	return out, nil
}

// python reads literals.
type python struct {
	text string
	at   int
}

func (p *python) rest() string { return p.text[p.at:] }

func (p *python) skip() {
	for p.at < len(p.text) && strings.ContainsRune(" \t\r\n", rune(p.text[p.at])) {
		p.at++
	}
}

func (p *python) take(c byte) bool {
	if p.skip(); p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *python) word() string {
	p.skip()
	start := p.at
	for p.at < len(p.text) && (p.text[p.at] == '_' || unicode.IsLetter(rune(p.text[p.at])) || p.at > start && unicode.IsDigit(rune(p.text[p.at]))) {
		p.at++
	}
	return p.text[start:p.at]
}

// mostRange bounds what range(a, b) may count.
const mostRange = 64

func (p *python) value() (any, error) {
	p.skip()
	if p.at >= len(p.text) {
		return nil, errors.New("the text ends in the middle of a value")
	}
	switch c := p.text[p.at]; {
	case c == '\'' || c == '"':
		end := strings.IndexByte(p.text[p.at+1:], c)
		if end < 0 {
			return nil, fmt.Errorf("a text without its end: %.20q", p.rest())
		}
		text := p.text[p.at+1 : p.at+1+end]
		p.at += end + 2
		return text, nil
	case c == '[' || c == '(':
		p.at++
		return p.list(map[byte]byte{'[': ']', '(': ')'}[c])
	case c == '-' || c == '.' || unicode.IsDigit(rune(c)):
		start := p.at
		for p.at < len(p.text) && strings.IndexByte("+-.eE0123456789_", p.text[p.at]) >= 0 {
			p.at++
		}
		number, err := strconv.ParseFloat(p.text[start:p.at], 64)
		if err != nil {
			return nil, fmt.Errorf("expected a number, got %s", p.text[start:p.at])
		}
		return number, nil
	}
	switch word := p.word(); word {
	case "range", "list", "tuple":
		if !p.take('(') {
			return nil, fmt.Errorf("expected ( behind %s", word)
		}
		inside, err := p.list(')')
		if err != nil {
			return nil, err
		}
		if word != "range" {
			if len(inside) == 1 {
				if list, ok := inside[0].([]any); ok {
					return list, nil
				}
			}
			return nil, fmt.Errorf("%s: expected one list", word)
		}
		ends, err := wholes(inside)
		if err != nil || len(ends) < 1 || len(ends) > 2 {
			return nil, errors.New("range: expected one or two whole numbers")
		}
		if len(ends) == 1 {
			ends = []int{0, ends[0]}
		}
		if ends[1]-ends[0] > mostRange || ends[0] < 0 {
			return nil, fmt.Errorf("range: expected at most %d numbers of at least 0", mostRange)
		}
		out := []any{}
		for i := ends[0]; i < ends[1]; i++ {
			out = append(out, float64(i))
		}
		return out, nil
	default:
		return nil, fmt.Errorf("expected a list, a text or a number, found %.20q", word+p.rest())
	}
}

func (p *python) list(end byte) ([]any, error) {
	out := []any{}
	for !p.take(end) {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if !p.take(',') && (p.at >= len(p.text) || p.text[p.at] != end) {
			return nil, fmt.Errorf("expected a comma or %q, found %.20q", end, p.rest())
		}
	}
	return out, nil
}
