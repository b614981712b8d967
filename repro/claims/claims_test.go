package claims

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ids(list []Claim) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.ID)
	}
	return out
}

func TestFairDARTSIDs(t *testing.T) {
	list, err := All()
	require.NoError(t, err)
	var paper, derived []string
	for _, c := range list {
		if c.Paper != "fairdarts" {
			continue
		}
		if c.Derived {
			derived = append(derived, c.ID)
		} else {
			paper = append(paper, c.ID)
		}
	}
	assert.Equal(t, strings.Fields(`fd-7runs fd-means fd-a fd-b fd-c fd-d fd-e fd-f fd-g fd-baselines fd-cost fd-in-B fd-in-A
		fd-in-C fd-in-D fd-in-C-se fd-coco fd-weights fd-random`), paper)
	assert.Equal(t, strings.Fields("fd-x-bimodal fd-x-skips fd-x-loss-algebra fd-x-parse fd-x-random"), derived)
}

func TestRecordsKeepWhatIsUnsure(t *testing.T) {
	list, err := All()
	require.NoError(t, err)
	for _, c := range list {
		for _, p := range c.Assertions() {
			if strings.Contains(c.Source, "unverified") && len(c.Parts) == 0 {
				assert.True(t, p.Unverified, "%s: its source is unverified", c.ID)
			}
			if p.Unverified {
				assert.Empty(t, p.Accept, "%s %s: an unverified value must not have a rule", c.ID, p.Name)
			}
			if p.Printed == "" && !c.Derived {
				assert.Empty(t, p.Accept, "%s %s: no printed value, yet a rule", c.ID, p.Name)
			}
		}
	}
}

func TestPrintedDigitsAreKept(t *testing.T) {
	c, err := Get("fd-c")
	require.NoError(t, err)
	assert.Equal(t, "97.50 / 400 / 2.59", c.Printed)
	assert.Equal(t, "97.50", c.Parts[0].Printed)
	assert.Equal(t, "fairdarts", c.Paper)
	_, err = Get("fd-none")
	assert.ErrorContains(t, err, "fd-none")
}

func TestRuleFallsBackToAny(t *testing.T) {
	a := Assertion{Accept: map[Profile]Rule{Any: {Says: "any"}, Paper: {Says: "paper"}}}
	r, ok := a.Rule(Paper)
	assert.True(t, ok)
	assert.Equal(t, "paper", r.Says)
	r, ok = a.Rule(Quick)
	assert.True(t, ok)
	assert.Equal(t, "any", r.Says)
	_, ok = Assertion{}.Rule(Quick)
	assert.False(t, ok)
}

func TestPartJSONIsFlat(t *testing.T) {
	c, err := Get("fd-means")
	require.NoError(t, err)
	b, err := json.Marshal(c)
	require.NoError(t, err)
	var got struct {
		ID    string
		Kind  string
		Parts []map[string]any
	}
	require.NoError(t, json.Unmarshal(b, &got))
	assert.Equal(t, "fd-means", got.ID)
	assert.Equal(t, "exact", got.Kind)
	require.Len(t, got.Parts, 2)
	assert.Equal(t, "457.85", got.Parts[0]["printed"])
	assert.Equal(t, "multiply-adds", got.Parts[0]["name"])
}

const good = `
paper: {id: p, title: T, arxiv: "1911.12126", version: v1}
claims:
- id: p-one
  where: table
  dataset: CIFAR-10
  metric: m
  cost: quick
  source: s
  confidence: high
  kind: trend
  printed: "1"
  measure: {quantity: q, of: a}
  accept: {quick: {says: "a rule in words", bound: 0}}
`

func TestSchema(t *testing.T) {
	list, err := Parse("good.yaml", []byte(good))
	require.NoError(t, err)
	assert.Equal(t, []string{"p-one"}, ids(list))
	for _, c := range []struct{ name, old, new string }{
		{"unknown kind", "kind: trend", "kind: guess"},
		{"unknown field", "cost: quick", "cost: quick\n  colour: red"},
		{"misspelt rule field", "bound: 0", "bounds: 0"},
		{"trend without bound", ", bound: 0", ""},
		{"level without target", "kind: trend", "kind: level"},
		{"order without the other side", "kind: trend", "kind: order"},
		{"exact without check", "kind: trend", "kind: exact"},
		{"golden without tolerance", "kind: trend\n  printed: \"1\"\n  measure: {quantity: q, of: a}", "kind: golden\n  printed: \"1\"\n  measure: {check: q}"},
		{"number instead of digits", `printed: "1"`, "printed: 1.50"},
		{"unknown profile", "accept: {quick:", "accept: {quicker:"},
		{"rule without measure", "  measure: {quantity: q, of: a}\n", ""},
		{"nothing to run and no reason", "  measure: {quantity: q, of: a}\n  accept: {quick: {says: \"a rule in words\", bound: 0}}\n", ""},
		{"confidence", "confidence: high", "confidence: sure"},
		{"arXiv number", `"1911.12126"`, `"19.1"`},
		{"derived prints nothing", "id: p-one", "id: p-x-one\n  derived: true"},
		{"derived id without saying so", "id: p-one", "id: p-x-one"},
		{"same id twice", "claims:", "claims:\n" + good[strings.Index(good, "- id"):]},
		{"not YAML", "claims:", "claims: ["},
		{"one part", "kind: trend", "kind: trend\n  parts: [{name: a, kind: level, lacks: budget}]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := strings.Replace(good, c.old, c.new, 1)
			require.NotEqual(t, good, bad)
			_, err := Parse("bad.yaml", []byte(bad))
			assert.ErrorContains(t, err, "bad.yaml")
		})
	}
}

// TestEveryFileIsRead catches a record file that the embedding pattern would miss.
func TestEveryFileIsRead(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	list, err := All()
	require.NoError(t, err)
	for _, e := range entries {
		if strings.Contains(filepath.Ext(e.Name()), "ml") {
			paper := strings.TrimSuffix(e.Name(), filepath.Ext(e.Name()))
			assert.True(t, slices.ContainsFunc(list, func(c Claim) bool { return c.Paper == paper }), e.Name())
		}
	}
}
