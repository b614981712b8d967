package nas_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas"
)

// layers are the rooms of the house from below; a package imports none of a room above its own.
var layers = [][]string{
	{"internal", "datasets", "backend"},
	{"nas", "plots"},
	{"repro"},
	{"notebooks", "cmd", "benchmarks"},
}

// TestLayers holds the import graph against docs/architecture.md: no arrow points upward, methods do not know each other,
// and what knows a method by its package is the registry and the method's own checks. Go itself refuses cycles.
func TestLayers(t *testing.T) {
	const module = "github.com/gonas/gonas/"
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	require.NoError(t, err)
	layer := func(pkg string) int {
		room, _, _ := strings.Cut(pkg, "/")
		return slices.IndexFunc(layers, func(rooms []string) bool { return slices.Contains(rooms, room) })
	}
	methods := map[string]bool{}
	for _, m := range nas.Methods() {
		methods["nas/"+m.Name] = true
	}
	// AutoKWS is three methods over another space. The command times DARTS's step and the benchmarks ROME's, and FairDARTS's loss has a figure of its own.
	knowMethods := map[string][]string{"nas": nil, "repro/checks": nil, "cmd/gonas": {"nas/darts"}, "benchmarks/run": {"nas/rome"}, "repro/figures": {"nas/fairdarts"},
		"nas/autokws": {"nas/darts", "nas/fairdarts", "nas/noisydarts"}}
	seen := 0
	for line := range strings.Lines(string(out)) {
		packages := strings.Fields(strings.ReplaceAll(line, module, ""))
		from := packages[0]
		require.GreaterOrEqual(t, layer(from), 0, "%s: in none of the rooms", from)
		for _, to := range packages[1:] {
			if layer(to) < 0 {
				continue // another module's
			}
			seen++
			assert.LessOrEqual(t, layer(to), layer(from), "%s imports %s", from, to)
			if methods[to] {
				only, may := knowMethods[from]
				assert.True(t, may && (only == nil || slices.Contains(only, to)), "%s imports %s", from, to)
			}
		}
	}
	assert.Greater(t, seen, 100)
}
