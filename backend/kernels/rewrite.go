package kernels

import (
	"fmt"
	"strconv"
	"strings"
)

// Stats counts the statements that Rewrite replaced, by the kernel's name
// ("depthwise", "depthwise_kernel_gradient", "max_pool", "max_pool_gradient",
// "batch_norm", "batch_norm_gradient", "product").
type Stats map[string]int

// Rewrite returns the StableHLO program (text, one statement per operation, as
// go-xla prints it) with every operation that a kernel covers replaced by a
// call of that kernel, and counts what it replaced. Anything else, malformed
// text included, stays as it is. Programs partitioned over devices are left
// alone: XLA cannot cut a call into parts.
func Rewrite(program string) (rewritten string, stats Stats) {
	stats = Stats{}
	if strings.Contains(program, "sdy.") || strings.Contains(program, "mhlo.sharding") {
		return program, stats
	}
	var out strings.Builder
	copied := 0                      // the program's text up to here is in out
	constants := map[string]string{} // scalar constants by name, as defined last
	for at := 0; at < len(program); {
		end := len(program)
		if i := strings.IndexByte(program[at:], '\n'); i >= 0 {
			end = at + i
		}
		line := program[at:end]
		next := end + 1
		if strings.Contains(line, "func.func") {
			clear(constants)
		}
		results, op := head(line)
		for _, r := range results {
			delete(constants, r)
		}
		match, known := recognised[op]
		if op == "constant" && len(results) == 1 {
			if v, ok := scalar(line); ok {
				constants[results[0]] = v
			}
		} else if known {
			if s, stop, ok := parseStatement(program, at); ok {
				if name, call, ok := match(s, constants); ok {
					out.WriteString(program[copied:at])
					out.WriteString(call)
					copied, next = stop, stop
					stats[name]++
				}
			}
		}
		at = next
	}
	if copied == 0 {
		return program, stats
	}
	out.WriteString(program[copied:])
	return out.String(), stats
}

// recognised maps the operations that may be replaced to what replaces them: it
// returns the kernel's name and the new statement.
var recognised = map[string]func(s *statement, constants map[string]string) (name, call string, ok bool){
	"convolution":         convolution,
	"reduce_window":       maxPool,
	"select_and_scatter":  maxPoolGradient,
	"batch_norm_training": batchNorm,
	"batch_norm_grad":     batchNormGradient,
	"dot_general":         product,
}

// maxWindow is the largest window that the kernels take (GN_MAX_WINDOW).
const maxWindow = 31

// maxAttribute bounds strides, dilations and paddings, as the handlers do.
const maxAttribute = 1 << 20

func convolution(s *statement, _ map[string]string) (string, string, bool) {
	if len(s.operands) != 2 || len(s.results) != 1 || len(s.regions) != 0 || !s.only("batch_group_count",
		"dimension_numbers", "feature_group_count", "lhs_dilation", "padding", "precision_config", "rhs_dilation",
		"window_reversal", "window_strides") {
		return "", "", false
	}
	in, ok0 := shape(s.inTypes[0], 4)
	kernel, ok1 := shape(s.inTypes[1], 4)
	out, ok2 := shape(s.outTypes[0], 4)
	features, ok3 := integer(s.attributes["feature_group_count"])
	batches, ok4 := integer(s.attributes["batch_group_count"])
	stride, ok5 := s.array("window_strides", 2, 1)
	base, ok6 := s.array("lhs_dilation", 2, 1)
	dilation, ok7 := s.array("rhs_dilation", 2, 1)
	pad, ok8 := s.padding(2)
	if !ok0 || !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || !ok7 || !ok8 ||
		strings.Contains(s.attributes["window_reversal"], "true") {
		return "", "", false
	}
	c := in[3]
	switch strings.Join(strings.Fields(s.attributes["dimension_numbers"]), " ") {
	case "#stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>":
		if features != c || batches != 1 || kernel[2] != 1 || kernel[3] != c || out[0] != in[0] || out[3] != c {
			return "", "", false
		}
		for i := range 2 {
			dilated := (in[1+i]-1)*base[i] + 1
			if kernel[i] > maxWindow || base[i] > 1 && stride[i] > 1 ||
				out[1+i] != windows(dilated, kernel[i], stride[i], dilation[i], pad[i]) {
				return "", "", false
			}
		}
		return s.call("depthwise", 2, integers(stride[0], stride[1], base[0], base[1], dilation[0], dilation[1],
			pad[0][0], pad[1][0]))
	case "#stablehlo.conv<[f, 0, 1, b]x[i, 0, 1, o]->[0, 1, b, f]>":
		// The kernel's gradient: the upstream gradient is the window, so its
		// dilation is the forward's stride, and the other way round.
		up, grad := kernel, out
		if features != 1 || batches != c || up[0] != in[0] || up[3] != c || grad[2] != 1 || grad[3] != c {
			return "", "", false
		}
		for i := range 2 {
			if base[i] != 1 || grad[i] > maxWindow ||
				grad[i] != windows(in[1+i], up[1+i], stride[i], dilation[i], pad[i]) {
				return "", "", false
			}
		}
		return s.call("depthwise_kernel_gradient", 2, integers(dilation[0], dilation[1], stride[0], stride[1],
			pad[0][0], pad[1][0]))
	}
	return "", "", false
}

// windows returns how many positions a window has: 0 where there is none.
func windows(in, window, stride, dilation int, pad [2]int) int {
	room := in + pad[0] + pad[1] - ((window-1)*dilation + 1)
	if room < 0 {
		return 0
	}
	return room/stride + 1
}

// pool reads what reduce_window and select_and_scatter share: NHWC tensors of
// inputs and of windows, and the window, as a kernel's integers.
func (s *statement) pool(inType, outType string) (string, bool) {
	in, ok0 := shape(inType, 4)
	out, ok1 := shape(outType, 4)
	window, ok2 := s.array("window_dimensions", 4, 1)
	stride, ok3 := s.array("window_strides", 4, 1)
	pad, ok4 := s.padding(4)
	if !ok0 || !ok1 || !ok2 || !ok3 || !ok4 {
		return "", false
	}
	for i := range 4 {
		outer := i == 0 || i == 3
		if outer && (window[i] != 1 || stride[i] != 1 || pad[i] != [2]int{}) || window[i] > maxWindow ||
			out[i] != windows(in[i], window[i], stride[i], 1, pad[i]) {
			return "", false
		}
	}
	return integers(window[1], window[2], stride[1], stride[2], pad[1][0], pad[2][0]), true
}

func maxPool(s *statement, constants map[string]string) (string, string, bool) {
	if len(s.operands) != 2 || len(s.results) != 1 || len(s.regions) != 1 || !s.only("base_dilations", "padding",
		"window_dilations", "window_dimensions", "window_strides") || constants[s.operands[1]] != "-inf" ||
		!binaryRegion(s.regions[0], "maximum") {
		return "", "", false
	}
	for _, name := range []string{"base_dilations", "window_dilations"} {
		if v, ok := s.array(name, 4, 1); !ok || v[0] != 1 || v[1] != 1 || v[2] != 1 || v[3] != 1 {
			return "", "", false
		}
	}
	p, ok := s.pool(s.inTypes[0], s.outTypes[0])
	if !ok {
		return "", "", false
	}
	return s.call("max_pool", 1, p)
}

func maxPoolGradient(s *statement, constants map[string]string) (string, string, bool) {
	if len(s.operands) != 3 || len(s.results) != 1 || len(s.regions) != 2 || !s.only("padding",
		"window_dimensions", "window_strides") || constants[s.operands[2]] != "0" ||
		s.inTypes[0] != s.outTypes[0] || !selectRegion(s.regions[0]) || !binaryRegion(s.regions[1], "add") {
		return "", "", false
	}
	p, ok := s.pool(s.inTypes[0], s.inTypes[1])
	if !ok {
		return "", "", false
	}
	return s.call("max_pool_gradient", 2, p)
}

// norm checks what both batch norms share: an input with its channels last, one
// number a channel for the named operands and results, and an epsilon.
func (s *statement) norm(operands int, whole ...int) (string, bool) {
	if len(s.operands) != operands || len(s.results) != 3 || len(s.regions) != 0 || !s.only("epsilon", "feature_index") {
		return "", false
	}
	in, ok := shape(s.inTypes[0], 0)
	axis, ok1 := integer(s.attributes["feature_index"])
	if !ok || !ok1 || axis != len(in)-1 {
		return "", false
	}
	channels := fmt.Sprintf("tensor<%dxf32>", in[axis])
	for i, t := range s.inTypes {
		want := channels
		if i == 0 || len(whole) > 0 && i == whole[0] {
			want = s.inTypes[0]
		}
		if t != want {
			return "", false
		}
	}
	if s.outTypes[0] != s.inTypes[0] || s.outTypes[1] != channels || s.outTypes[2] != channels {
		return "", false
	}
	value, kind, found := strings.Cut(s.attributes["epsilon"], ":")
	value = strings.TrimSpace(value)
	if _, err := strconv.ParseFloat(value, 32); !found || strings.TrimSpace(kind) != "f32" || err != nil ||
		!strings.ContainsAny(value, ".e") || strings.HasPrefix(value, "0x") {
		return "", false
	}
	return "epsilon = " + value + " : f32", true
}

func batchNorm(s *statement, _ map[string]string) (string, string, bool) {
	config, ok := s.norm(3)
	if !ok {
		return "", "", false
	}
	return s.call("batch_norm", 3, config)
}

func batchNormGradient(s *statement, _ map[string]string) (string, string, bool) {
	config, ok := s.norm(5, 4)
	if !ok {
		return "", "", false
	}
	return s.call("batch_norm_gradient", 5, config)
}

// A product goes to the kernel where one side is long and the others short, as
// in a 1x1 convolution and its gradients; where the long side is not summed
// over, the result's width must also fill whole vectors. XLA is good at the rest.
const (
	productShort = 128
	productLong  = 512
	productWidth = 16
)

var productForms = map[string]int{"[1] [0]": 0, "[1] [1]": 1, "[0] [0]": 2}

func product(s *statement, _ map[string]string) (string, string, bool) {
	if len(s.operands) != 2 || len(s.results) != 1 || len(s.regions) != 0 || !s.only("dot_dimension_numbers", "precision_config") {
		return "", "", false
	}
	var contracted [2]string
	numbers, ok := strings.CutPrefix(s.attributes["dot_dimension_numbers"], "#stablehlo.dot<")
	numbers, ok1 := strings.CutSuffix(numbers, ">")
	items := split(numbers)
	if !ok || !ok1 || len(items) != 4 {
		return "", "", false
	}
	for i, item := range items {
		name, value, _ := strings.Cut(item, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case i < 2 && value == "[]" && name == []string{"lhs_batching_dimensions", "rhs_batching_dimensions"}[i]:
		case i >= 2 && name == []string{"lhs_contracting_dimensions", "rhs_contracting_dimensions"}[i-2]:
			contracted[i-2] = value
		default:
			return "", "", false
		}
	}
	form, ok := productForms[contracted[0]+" "+contracted[1]]
	a, ok0 := shape(s.inTypes[0], 2)
	b, ok1 := shape(s.inTypes[1], 2)
	out, ok2 := shape(s.outTypes[0], 2)
	if !ok || !ok0 || !ok1 || !ok2 {
		return "", "", false
	}
	long, short, other := a[0], a[1], out[1]
	var want [2]int
	switch form {
	case 0:
		ok, want = a[1] == b[0], [2]int{a[0], b[1]}
	case 1:
		ok, want = a[1] == b[1], [2]int{a[0], b[0]}
	case 2:
		ok, want = a[0] == b[0], [2]int{a[1], b[1]}
	}
	if !ok || want != [2]int(out) || long < productLong || short > productShort || other > productShort ||
		form != 2 && other%productWidth != 0 {
		return "", "", false
	}
	return s.call("product", 2, integers(form))
}

func integers(values ...int) string {
	text := make([]string, len(values))
	for i, v := range values {
		text[i] = strconv.Itoa(v)
	}
	return "p = array<i64: " + strings.Join(text, ", ") + ">"
}

// call prints the statement that calls a kernel with the first operands. The
// layouts are row-major: without them XLA may choose others.
func (s *statement) call(name string, operands int, config string) (string, string, bool) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s = \"stablehlo.custom_call\"(%s) {\n", s.indent, strings.Join(s.results, ", "),
		strings.Join(s.operands[:operands], ", "))
	fmt.Fprintf(&b, "%s  api_version = 4 : i32,\n%s  backend_config = {%s},\n", s.indent, s.indent, config)
	fmt.Fprintf(&b, "%s  call_target_name = %q,\n%s  has_side_effect = false,\n", s.indent, "gonas."+name, s.indent)
	fmt.Fprintf(&b, "%s  operand_layouts = %s,\n%s  result_layouts = %s\n%s}", s.indent,
		layouts(s.inTypes[:operands]), s.indent, layouts(s.outTypes), s.indent)
	outs := strings.Join(s.outTypes, ", ")
	if len(s.outTypes) != 1 {
		outs = "(" + outs + ")"
	}
	fmt.Fprintf(&b, " : (%s) -> %s", strings.Join(s.inTypes[:operands], ", "), outs)
	return name, b.String(), true
}

func layouts(types []string) string {
	text := make([]string, len(types))
	for i, t := range types {
		dims, _ := shape(t, 0)
		axes := make([]string, len(dims))
		for j := range dims {
			axes[j] = strconv.Itoa(len(dims) - 1 - j)
		}
		text[i] = fmt.Sprintf("dense<[%s]> : tensor<%dxindex>", strings.Join(axes, ", "), len(dims))
	}
	return "[" + strings.Join(text, ", ") + "]"
}
