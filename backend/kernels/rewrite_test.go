package kernels

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	forward = `    %4 = "stablehlo.convolution"(%1, %3) {
      batch_group_count = 1 : i64,
      dimension_numbers = #stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>,
      feature_group_count = 16 : i64,
      lhs_dilation = array<i64: 1, 1>,
      padding = dense<[[2, 1], [0, -1]]> : tensor<2x2xi64>,
      precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>],
      rhs_dilation = array<i64: 1, 2>,
      window_reversal = array<i1: false, false>,
      window_strides = array<i64: 1, 2>
    } : (tensor<2x8x9x16xf32>, tensor<3x3x1x16xf32>) -> tensor<2x9x2x16xf32>
`
	kernelGradient = `    %7 = "stablehlo.convolution"(%1, %4) {
      batch_group_count = 16 : i64,
      dimension_numbers = #stablehlo.conv<[f, 0, 1, b]x[i, 0, 1, o]->[0, 1, b, f]>,
      feature_group_count = 1 : i64,
      lhs_dilation = array<i64: 1, 1>,
      padding = dense<[[2, 1], [2, 1]]> : tensor<2x2xi64>,
      precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>],
      rhs_dilation = array<i64: 3, 2>,
      window_reversal = array<i1: false, false>,
      window_strides = array<i64: 1, 2>
    } : (tensor<2x8x8x16xf32>, tensor<2x3x4x16xf32>) -> tensor<5x3x1x16xf32>
`
	minusInfinity = `    %9 = "stablehlo.constant"() { value = dense<0xff800000> : tensor<f32> } : () -> tensor<f32>
`
	zero = `    %44 = "stablehlo.constant"() { value = dense<0.0> : tensor<f32> } : () -> tensor<f32>
`
	maximum = `    %10 = "stablehlo.reduce_window"(%1, %9) ({
      ^reductionFn(%lhs: tensor<f32>, %rhs: tensor<f32>) :
          %8 = "stablehlo.maximum"(%lhs, %rhs) : (tensor<f32>, tensor<f32>) -> tensor<f32>
          "stablehlo.return"(%8) : (tensor<f32>) -> ()
    }) {
      base_dilations = array<i64: 1, 1, 1, 1>,
      padding = dense<[[0, 0], [1, 1], [1, 0], [0, 0]]> : tensor<4x2xi64>,
      window_dilations = array<i64: 1, 1, 1, 1>,
      window_dimensions = array<i64: 1, 3, 2, 1>,
      window_strides = array<i64: 1, 2, 1, 1>
    } : (tensor<2x8x8x16xf32>, tensor<f32>) -> tensor<2x4x8x16xf32>
`
	scatter = `    %45 = "stablehlo.select_and_scatter"(%1, %42, %44) ({
      ^selectFn(%lhs: tensor<f32>, %rhs: tensor<f32>) :
          %43 = "stablehlo.compare"(%lhs, %rhs) {
            compare_type = #stablehlo<comparison_type FLOAT>,
            comparison_direction = #stablehlo<comparison_direction GE>
          } : (tensor<f32>, tensor<f32>) -> tensor<i1>
          "stablehlo.return"(%43) : (tensor<i1>) -> ()
    }, {
      ^scatterFn(%lhs: tensor<f32>, %rhs: tensor<f32>) :
          %18 = "stablehlo.add"(%lhs, %rhs) : (tensor<f32>, tensor<f32>) -> tensor<f32>
          "stablehlo.return"(%18) : (tensor<f32>) -> ()
    }) {
      padding = dense<[[0, 0], [1, 1], [1, 1], [0, 0]]> : tensor<4x2xi64>,
      window_dimensions = array<i64: 1, 3, 3, 1>,
      window_strides = array<i64: 1, 2, 2, 1>
    } : (tensor<2x8x8x16xf32>, tensor<2x4x4x16xf32>, tensor<f32>) -> tensor<2x8x8x16xf32>
`
	training = `    %13, %14, %15 = "stablehlo.batch_norm_training"(%1, %11, %12) {
      epsilon = 9.999999747378752e-06 : f32,
      feature_index = 3 : i64
    } : (tensor<2x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>) -> (tensor<2x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>)
`
	normGradient = `    %31, %32, %33 = "stablehlo.batch_norm_grad"(%1, %12, %14, %15, %27) {
      epsilon = 9.999999747378752e-06 : f32,
      feature_index = 3 : i64
    } : (tensor<2x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<2x8x8x16xf32>) -> (tensor<2x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>)
`
	dot = `    %58 = "stablehlo.dot_general"(%57, %52) {
      dot_dimension_numbers = #stablehlo.dot<
  lhs_batching_dimensions = [],
  rhs_batching_dimensions = [],
  lhs_contracting_dimensions = [0],
  rhs_contracting_dimensions = [0]
>,
      precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]
    } : (tensor<1280x9xf32>, tensor<1280x16xf32>) -> tensor<9x16xf32>
`
	other = `    %50 = "stablehlo.maximum"(%1, %49) : (tensor<2x8x8x16xf32>, tensor<2x8x8x16xf32>) -> tensor<2x8x8x16xf32>
`
)

func TestRewrite(t *testing.T) {
	for _, c := range []struct {
		kernel, before, text, call string
	}{
		{"depthwise", "", forward, `    %4 = "stablehlo.custom_call"(%1, %3) {
      api_version = 4 : i32,
      backend_config = {p = array<i64: 1, 2, 1, 1, 1, 2, 2, 0>},
      call_target_name = "gonas.depthwise",
      has_side_effect = false,
      operand_layouts = [dense<[3, 2, 1, 0]> : tensor<4xindex>, dense<[3, 2, 1, 0]> : tensor<4xindex>],
      result_layouts = [dense<[3, 2, 1, 0]> : tensor<4xindex>]
    } : (tensor<2x8x9x16xf32>, tensor<3x3x1x16xf32>) -> tensor<2x9x2x16xf32>
`},
		{"depthwise_kernel_gradient", "", kernelGradient, `    %7 = "stablehlo.custom_call"(%1, %4) {
      api_version = 4 : i32,
      backend_config = {p = array<i64: 3, 2, 1, 2, 2, 2>},
      call_target_name = "gonas.depthwise_kernel_gradient",
      has_side_effect = false,
      operand_layouts = [dense<[3, 2, 1, 0]> : tensor<4xindex>, dense<[3, 2, 1, 0]> : tensor<4xindex>],
      result_layouts = [dense<[3, 2, 1, 0]> : tensor<4xindex>]
    } : (tensor<2x8x8x16xf32>, tensor<2x3x4x16xf32>) -> tensor<5x3x1x16xf32>
`},
		{"max_pool", minusInfinity, maximum, `    %10 = "stablehlo.custom_call"(%1) {
      api_version = 4 : i32,
      backend_config = {p = array<i64: 3, 2, 2, 1, 1, 1>},
      call_target_name = "gonas.max_pool",
      has_side_effect = false,
      operand_layouts = [dense<[3, 2, 1, 0]> : tensor<4xindex>],
      result_layouts = [dense<[3, 2, 1, 0]> : tensor<4xindex>]
    } : (tensor<2x8x8x16xf32>) -> tensor<2x4x8x16xf32>
`},
		{"max_pool_gradient", zero, scatter, `    %45 = "stablehlo.custom_call"(%1, %42) {
      api_version = 4 : i32,
      backend_config = {p = array<i64: 3, 3, 2, 2, 1, 1>},
      call_target_name = "gonas.max_pool_gradient",
      has_side_effect = false,
      operand_layouts = [dense<[3, 2, 1, 0]> : tensor<4xindex>, dense<[3, 2, 1, 0]> : tensor<4xindex>],
      result_layouts = [dense<[3, 2, 1, 0]> : tensor<4xindex>]
    } : (tensor<2x8x8x16xf32>, tensor<2x4x4x16xf32>) -> tensor<2x8x8x16xf32>
`},
		{"batch_norm", "", training, `    %13, %14, %15 = "stablehlo.custom_call"(%1, %11, %12) {
      api_version = 4 : i32,
      backend_config = {epsilon = 9.999999747378752e-06 : f32},
      call_target_name = "gonas.batch_norm",
      has_side_effect = false,
      operand_layouts = [dense<[3, 2, 1, 0]> : tensor<4xindex>, dense<[0]> : tensor<1xindex>, dense<[0]> : tensor<1xindex>],
      result_layouts = [dense<[3, 2, 1, 0]> : tensor<4xindex>, dense<[0]> : tensor<1xindex>, dense<[0]> : tensor<1xindex>]
    } : (tensor<2x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>) -> (tensor<2x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>)
`},
		{"product", "", dot, `    %58 = "stablehlo.custom_call"(%57, %52) {
      api_version = 4 : i32,
      backend_config = {p = array<i64: 2>},
      call_target_name = "gonas.product",
      has_side_effect = false,
      operand_layouts = [dense<[1, 0]> : tensor<2xindex>, dense<[1, 0]> : tensor<2xindex>],
      result_layouts = [dense<[1, 0]> : tensor<2xindex>]
    } : (tensor<1280x9xf32>, tensor<1280x16xf32>) -> tensor<9x16xf32>
`},
	} {
		t.Run(c.kernel, func(t *testing.T) {
			got, stats := Rewrite(c.before + other + c.text + other)
			require.Equal(t, c.before+other+c.call+other, got)
			require.Equal(t, Stats{c.kernel: 1}, stats)
		})
	}
	got, stats := Rewrite(zero + normGradient + minusInfinity + forward + kernelGradient + scatter + training + maximum)
	require.Equal(t, Stats{"batch_norm_gradient": 1, "batch_norm": 1, "depthwise": 1, "depthwise_kernel_gradient": 1,
		"max_pool": 1, "max_pool_gradient": 1}, stats)
	require.Equal(t, 6, strings.Count(got, "custom_call"))
	again, stats := Rewrite(got)
	require.Equal(t, got, again)
	require.Empty(t, stats)
}

func TestRewriteProducts(t *testing.T) {
	for _, c := range []struct {
		left, right       string // contracted axes
		a, b, out, result string
	}{
		{"1", "0", "16384x64", "64x16", "16384x16", "0"},
		{"1", "0", "512x3", "3x128", "512x128", "0"},
		{"1", "0", "511x16", "16x16", "511x16", ""},
		{"1", "0", "1024x129", "129x16", "1024x16", ""},
		{"1", "0", "1024x16", "16x36", "1024x36", ""}, // not whole vectors
		{"1", "0", "1024x16", "17x16", "1024x16", ""},
		{"1", "1", "1024x36", "32x36", "1024x32", "1"},
		{"1", "1", "1024x36", "36x32", "1024x32", ""},
		{"0", "0", "1024x36", "1024x7", "36x7", "2"},
		{"0", "0", "1024x36", "1023x7", "36x7", ""},
		{"0", "1", "1024x16", "16x1024", "16x16", ""},
	} {
		text := strings.NewReplacer("lhs_contracting_dimensions = [0]", "lhs_contracting_dimensions = ["+c.left+"]",
			"rhs_contracting_dimensions = [0]", "rhs_contracting_dimensions = ["+c.right+"]",
			"1280x9x", c.a+"x", "1280x16x", c.b+"x", "-> tensor<9x16x", "-> tensor<"+c.out+"x").Replace(dot)
		got, stats := Rewrite(text)
		if c.result == "" {
			require.Equal(t, text, got)
			require.Empty(t, stats)
			continue
		}
		require.Contains(t, got, "p = array<i64: "+c.result+">")
		require.Equal(t, Stats{"product": 1}, stats)
	}
}

// One thing changed, and the statement is no longer what a kernel computes.
func TestRewriteLeavesWhatItDoesNotKnow(t *testing.T) {
	for _, c := range []struct{ text, from, to string }{
		{forward, "feature_group_count = 16", "feature_group_count = 1"},
		{forward, "feature_group_count = 16", "feature_group_count = 8"},
		{forward, "batch_group_count = 1 ", "batch_group_count = 2 "},
		{forward, "[b, 0, 1, f]x", "[b, 1, 0, f]x"},
		{forward, "i1: false, false", "i1: true, false"},
		{forward, "lhs_dilation = array<i64: 1, 1>", "lhs_dilation = array<i64: 1, 2>"},
		{forward, "window_strides = array<i64: 1, 2>", "window_strides = array<i64: 1, 1>"},
		{forward, "window_strides = array<i64: 1, 2>", "window_strides = array<i64: 1, 0>"},
		{forward, "window_strides = array<i64: 1, 2>", "window_strides = array<i64: 1, 2, 1>"},
		{forward, "[[2, 1], [0, -1]]", "[[2, 1], [0, 1]]"},
		{forward, "f32", "f16"},
		{forward, "xf32", "xf64"},
		{forward, "3x3x1x16", "3x3x1x32"},
		{forward, "3x3x1x16", "3x3x2x16"},
		{forward, "2x8x9x16", "?x8x9x16"},
		{forward, "2x9x2x16xf32>\n", "2x9x2x16xf32> loc(\"x\")\n"},
		{forward, "      window_strides", "      other = 1 : i64,\n      window_strides"},
		{kernelGradient, "batch_group_count = 16", "batch_group_count = 1"},
		{kernelGradient, "lhs_dilation = array<i64: 1, 1>", "lhs_dilation = array<i64: 2, 1>"},
		{kernelGradient, "5x3x1x16", "4x3x1x16"},
		{minusInfinity + maximum, "0xff800000", "0.0"},
		{minusInfinity + maximum, "%9 =", "%11 ="},
		{minusInfinity + `    %9 = "stablehlo.negate"(%9) : (tensor<f32>) -> tensor<f32>` + "\n" + maximum, "", ""},
		{minusInfinity + "  func.func @other() {\n" + maximum, "", ""},
		{minusInfinity + maximum, "stablehlo.maximum", "stablehlo.minimum"},
		{minusInfinity + maximum, `"(%lhs, %rhs)`, `"(%lhs, %lhs)`},
		{minusInfinity + maximum, `return"(%8)`, `return"(%lhs)`},
		{minusInfinity + maximum, "window_dimensions = array<i64: 1, 3, 2, 1>", "window_dimensions = array<i64: 1, 3, 1, 2>"},
		{minusInfinity + maximum, "base_dilations = array<i64: 1, 1, 1, 1>", "base_dilations = array<i64: 1, 1, 2, 1>"},
		{zero + scatter, "comparison_direction GE", "comparison_direction GT"},
		{zero + scatter, "0.0", "1.0"},
		{zero + scatter, "stablehlo.add", "stablehlo.multiply"},
		{zero + scatter, "-> tensor<2x8x8x16xf32>", "-> tensor<2x8x9x16xf32>"},
		{training, "feature_index = 3", "feature_index = 1"},
		{training, "epsilon = 9.999999747378752e-06 : f32", "epsilon = 0x3727C5AC : f32"},
		{training, "tensor<16xf32>, tensor<16xf32>) ->", "tensor<16xf32>, tensor<8xf32>) ->"},
		{normGradient, "-> (tensor<2x8x8x16xf32>", "-> (tensor<2x8x16xf32>"},
		{dot, "lhs_batching_dimensions = []", "lhs_batching_dimensions = [0]"},
		{dot, "lhs_contracting_dimensions = [0]", "lhs_contracting_dimensions = [1]"},
		{dot, "lhs_contracting_dimensions = [0]", "lhs_contracting_dimensions = [0, 1]"},
		{dot, "1280", "128"},
		{dot, "x9x", "x900x"},
		{dot, "-> tensor<9x16", "-> tensor<16x9"},
		{dot, "      precision_config", "      algorithm = 1 : i64,\n      precision_config"},
		{forward, "    %4", "    // sdy.sharding\n    %4"},
	} {
		text := c.text
		if c.from != "" {
			require.Contains(t, text, c.from)
			text = strings.ReplaceAll(text, c.from, c.to)
		}
		got, stats := Rewrite(text)
		require.Equal(t, text, got, "%s for %s", c.to, c.from)
		require.Empty(t, stats)
	}
}

// A piece cut off, and what is left of a statement stays.
func TestRewriteLeavesTruncatedText(t *testing.T) {
	whole := minusInfinity + maximum
	for i := range len(whole) - 2 {
		got, stats := Rewrite(whole[:i])
		if len(stats) > 0 { // the last dimensions of a type are not told from all of it
			require.Greater(t, i, strings.LastIndex(whole, "->"))
			continue
		}
		require.Equal(t, whole[:i], got)
	}
}

func FuzzRewrite(f *testing.F) {
	for _, s := range []string{forward, kernelGradient, minusInfinity + maximum, zero + scatter, training, normGradient, dot, other} {
		f.Add(s)
		f.Add(s[len(s)/3:])
		f.Add(s + s[:len(s)/2])
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, stats := Rewrite(text)
		if len(stats) == 0 {
			require.Equal(t, text, got)
		}
		n := 0
		for _, v := range stats {
			n += v
		}
		require.Equal(t, strings.Count(text, "gonas.")+n, strings.Count(got, "gonas."))
	})
}
