package kernels

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// A statement is one operation of a StableHLO program in its generic form:
//
//	%a, %b = "stablehlo.op"(%x, %y) ({ region }, { region }) { name = value, ... } : (types) -> types
type statement struct {
	indent            string
	results, operands []string
	regions           []string
	attributes        map[string]string
	inTypes, outTypes []string
}

// only reports whether the statement has no attribute but these.
func (s *statement) only(names ...string) bool {
	known := 0
	for _, n := range names {
		if _, ok := s.attributes[n]; ok {
			known++
		}
	}
	return known == len(s.attributes)
}

// array reads an attribute like "array<i64: 1, 2>" of n positive numbers; where
// it is missing, all are the given default.
func (s *statement) array(name string, n, missing int) ([]int, bool) {
	values := make([]int, n)
	text, ok := s.attributes[name]
	if !ok {
		for i := range values {
			values[i] = missing
		}
		return values, true
	}
	text, ok = strings.CutPrefix(text, "array<i64:")
	text, ok1 := strings.CutSuffix(text, ">")
	parts := strings.Split(text, ",")
	if !ok || !ok1 || len(parts) != n {
		return nil, false
	}
	for i, p := range parts {
		v, err := strconv.Atoi(strings.TrimSpace(p))
		if err != nil || v < 1 || v > maxAttribute {
			return nil, false
		}
		values[i] = v
	}
	return values, true
}

var paddingForm = regexp.MustCompile(`^dense<(.*)> : tensor<(\d+)x2xi64>$`)

// padding reads the attribute "padding" for n axes: low and high of each; where
// it is missing, all are zero. A single number stands for all of them.
func (s *statement) padding(n int) ([][2]int, bool) {
	pad := make([][2]int, n)
	text, ok := s.attributes["padding"]
	if !ok {
		return pad, true
	}
	m := paddingForm.FindStringSubmatch(text)
	if m == nil || m[2] != strconv.Itoa(n) {
		return nil, false
	}
	parts := strings.Split(strings.NewReplacer("[", "", "]", "", " ", "").Replace(m[1]), ",")
	if len(parts) != 1 && len(parts) != 2*n {
		return nil, false
	}
	for i := range 2 * n {
		v, err := strconv.Atoi(parts[min(i, len(parts)-1)])
		if err != nil || v <= -maxAttribute || v >= maxAttribute {
			return nil, false
		}
		pad[i/2][i%2] = v
	}
	return pad, true
}

// integer reads "16 : i64".
func integer(text string) (int, bool) {
	text, ok := strings.CutSuffix(text, " : i64")
	v, err := strconv.Atoi(text)
	return v, ok && err == nil
}

// shape reads the dimensions of "tensor<2x8x8x16xf32>", all positive, of this
// rank (0: any but 0). Other types of element are refused.
func shape(text string, rank int) ([]int, bool) {
	text, ok := strings.CutPrefix(text, "tensor<")
	text, ok1 := strings.CutSuffix(text, "xf32>")
	if !ok || !ok1 {
		return nil, false
	}
	parts := strings.Split(text, "x")
	if rank != 0 && len(parts) != rank {
		return nil, false
	}
	dims := make([]int, len(parts))
	for i, p := range parts {
		v, err := strconv.ParseInt(p, 10, 32)
		if err != nil || v < 1 {
			return nil, false
		}
		dims[i] = int(v)
	}
	return dims, true
}

var (
	headForm   = regexp.MustCompile(`^\s*(%\w+(?:, %\w+)*) = "stablehlo\.(\w+)"\(`)
	scalarForm = regexp.MustCompile(`value = dense<([^>]*)> : tensor<f32>`)
	binaryForm = regexp.MustCompile(`^\s*\^\w+\((%\w+): tensor<f32>, (%\w+): tensor<f32>\)\s*:\s*` +
		`(%\w+) = "stablehlo\.(\w+)"\((%\w+), (%\w+)\) : \(tensor<f32>, tensor<f32>\) -> tensor<f32>\s*` +
		`"stablehlo\.return"\((%\w+)\) : \(tensor<f32>\) -> \(\)\s*$`)
	selectForm = regexp.MustCompile(`^\s*\^\w+\((%\w+): tensor<f32>, (%\w+): tensor<f32>\)\s*:\s*` +
		`(%\w+) = "stablehlo\.compare"\((%\w+), (%\w+)\) \{\s*` +
		`compare_type = #stablehlo<comparison_type FLOAT>,\s*` +
		`comparison_direction = #stablehlo<comparison_direction GE>\s*\} : ` +
		`\(tensor<f32>, tensor<f32>\) -> tensor<i1>\s*` +
		`"stablehlo\.return"\((%\w+)\) : \(tensor<i1>\) -> \(\)\s*$`)
)

// head reads the names and the operation that a line begins a statement with.
func head(line string) (results []string, op string) {
	if !strings.Contains(line, `"stablehlo.`) {
		return nil, ""
	}
	m := headForm.FindStringSubmatch(line)
	if m == nil {
		return nil, ""
	}
	return strings.Split(m[1], ", "), m[2]
}

// scalar reads a float32 scalar constant's value: "-inf" or "0" where it is one
// of these (0 with either sign), anything else as it stands.
func scalar(line string) (string, bool) {
	m := scalarForm.FindStringSubmatch(line)
	if m == nil {
		return "", false
	}
	v, err := strconv.ParseFloat(m[1], 32)
	if bits, ok := strings.CutPrefix(strings.ToLower(m[1]), "0x"); ok {
		var u uint64
		u, err = strconv.ParseUint(bits, 16, 32)
		v = float64(math.Float32frombits(uint32(u)))
	}
	switch {
	case err != nil:
		return m[1], true
	case math.IsInf(v, -1):
		return "-inf", true
	case v == 0:
		return "0", true
	}
	return m[1], true
}

// binaryRegion reports whether the region is (a, b) -> op(a, b), for an op whose
// operands may be swapped.
func binaryRegion(region, op string) bool {
	m := binaryForm.FindStringSubmatch(region)
	return m != nil && m[4] == op && m[3] == m[7] && m[1] != m[2] &&
		(m[1] == m[5] && m[2] == m[6] || m[1] == m[6] && m[2] == m[5])
}

// selectRegion reports whether the region is (a, b) -> a >= b.
func selectRegion(region string) bool {
	m := selectForm.FindStringSubmatch(region)
	return m != nil && m[1] != m[2] && m[1] == m[4] && m[2] == m[5] && m[3] == m[6]
}

// parseStatement reads the statement that begins at the start of a line, and
// where it ends: before that line's end.
func parseStatement(text string, at int) (*statement, int, bool) {
	p := parser{text: text, at: at}
	s := &statement{attributes: map[string]string{}}
	p.space()
	s.indent = text[at:p.at]
	s.results = p.names()
	if len(s.results) == 0 || !p.take("=") || !p.take(`"stablehlo.`) || !p.until('"') {
		return nil, 0, false
	}
	if !p.take("(") {
		return nil, 0, false
	}
	s.operands = p.names()
	if !p.take(")") {
		return nil, 0, false
	}
	if p.take("(") {
		for {
			region, ok := p.group('{')
			if !ok {
				return nil, 0, false
			}
			s.regions = append(s.regions, region)
			if p.take(")") {
				break
			}
			if !p.take(",") {
				return nil, 0, false
			}
		}
	}
	if p.peek('{') {
		body, ok := p.group('{')
		if !ok {
			return nil, 0, false
		}
		for _, item := range split(body) {
			name, value, found := strings.Cut(item, "=")
			name = strings.TrimSpace(name)
			if _, twice := s.attributes[name]; !found || twice {
				return nil, 0, false
			}
			s.attributes[name] = strings.TrimSpace(value)
		}
	}
	if !p.take(":") {
		return nil, 0, false
	}
	in, ok := p.group('(')
	if !ok || !p.take("->") {
		return nil, 0, false
	}
	s.inTypes = split(in)
	if p.peek('(') {
		out, ok := p.group('(')
		if !ok {
			return nil, 0, false
		}
		s.outTypes = split(out)
	} else {
		p.space()
		end := len(text)
		if i := strings.IndexByte(text[p.at:], '\n'); i >= 0 {
			end = p.at + i
		}
		s.outTypes = []string{strings.TrimSpace(text[p.at:end])}
		p.at = end
	}
	if rest, _, _ := strings.Cut(text[p.at:], "\n"); strings.TrimSpace(rest) != "" {
		return nil, 0, false // a location or something else that would be lost
	}
	if len(s.inTypes) != len(s.operands) || len(s.outTypes) != len(s.results) {
		return nil, 0, false
	}
	return s, p.at, true
}

// A parser reads tokens of text from at on.
type parser struct {
	text string
	at   int
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) peek(c byte) bool {
	p.space()
	return p.at < len(p.text) && p.text[p.at] == c
}

func (p *parser) take(token string) bool {
	p.space()
	if !strings.HasPrefix(p.text[p.at:], token) {
		return false
	}
	p.at += len(token)
	return true
}

// until moves behind the next c on this line.
func (p *parser) until(c byte) bool {
	i := strings.IndexByte(p.text[p.at:], c)
	if i < 0 || strings.IndexByte(p.text[p.at:p.at+i], '\n') >= 0 {
		return false
	}
	p.at += i + 1
	return true
}

// names reads "%a, %b".
func (p *parser) names() []string {
	var names []string
	for {
		p.space()
		end := p.at
		if end >= len(p.text) || p.text[end] != '%' {
			return names
		}
		for end++; end < len(p.text) && isWord(p.text[end]); end++ {
		}
		names = append(names, p.text[p.at:end])
		p.at = end
		if !p.take(",") {
			return names
		}
	}
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// group reads a bracketed piece of text and returns what is inside.
func (p *parser) group(open byte) (string, bool) {
	if !p.peek(open) {
		return "", false
	}
	end := matching(p.text, p.at)
	if end < 0 {
		return "", false
	}
	inside := p.text[p.at+1 : end]
	p.at = end + 1
	return inside, true
}

// matching returns where the bracket at text[at] is closed, or -1. Strings are
// skipped, and the > of an arrow closes nothing.
func matching(text string, at int) int {
	var open []byte
	for i := at; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '(', '[', '{', '<':
			open = append(open, closing[c])
		case ')', ']', '}', '>':
			if c == '>' && text[i-1] == '-' {
				continue
			}
			if len(open) == 0 || open[len(open)-1] != c {
				return -1
			}
			open = open[:len(open)-1]
			if len(open) == 0 {
				return i
			}
		}
	}
	return -1
}

var closing = map[byte]byte{'(': ')', '[': ']', '{': '}', '<': '>'}

// split cuts a list at the commas that are inside no bracket or string.
func split(list string) []string {
	var items []string
	depth, from := 0, 0
	quoted := false
	for i := 0; i < len(list); i++ {
		c := list[i]
		switch {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case strings.IndexByte("([{<", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0, c == '>' && (i == 0 || list[i-1] != '-'):
			depth--
		case c == ',' && depth == 0:
			items = append(items, strings.TrimSpace(list[from:i]))
			from = i + 1
		}
	}
	if last := strings.TrimSpace(list[from:]); last != "" {
		items = append(items, last)
	}
	return items
}
