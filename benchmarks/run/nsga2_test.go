package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// standInSearch answers for gonas bench nsga2 and for nsga2.py: one problem, whose front is one point.
func standInSearch(log string, args []string) int {
	seed := 0
	fmt.Sscan(args[slices.Index(args, "--seed")+1], &seed)
	s := nsga2Output{Framework: "gonas", Version: "1", Seed: seed, Runs: []nsga2Run{{Problem: "zdt1", Evaluations: 25000,
		Seconds: 0.125 + float64(seed)/1024, CPU: 0.2, Front: [][]float64{{0.1, 0.1}}, Hypervolume: 1}}}
	if args[0] != "bench" {
		s.Framework, s.Version = "pymoo", "pymoo 1"
		s.Runs[0].Seconds, s.Runs[0].CPU = 2, 2
		s.Runs[0].Front, s.Runs[0].Hypervolume = [][]float64{{0.1, 0.1}, {0, 1.05}}, 1.005
	}
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 3
	}
	defer f.Close()
	fmt.Fprintln(f, s.Framework, seed)
	if json.NewEncoder(os.Stdout).Encode(s) != nil {
		return 3
	}
	return 0
}

func nsga2Options(t *testing.T, args ...string) (options, string) {
	t.Helper()
	o, log := standInOptions(t, append([]string{"-suite", "nsga2"}, args...)...)
	o.PymooDir = o.TorchDir // the same stand-in
	return o, log
}

func TestNSGA2TakesTurnsAndReports(t *testing.T) {
	o, log := nsga2Options(t, "-strict")
	var out, progress bytes.Buffer
	require.NoError(t, bench(t.Context(), o, &out, &progress), progress.String())
	order, err := os.ReadFile(log)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(order)), "\n")
	require.Len(t, lines, 22)
	assert.Equal(t, []string{"gonas 1", "pymoo 1", "pymoo 2", "gonas 2", "gonas 3", "pymoo 3"}, lines[:6])

	files, err := filepath.Glob(filepath.Join(o.Out, "nsga2-*"))
	require.NoError(t, err)
	require.Len(t, files, 2, "one JSON, one Markdown, no temporary file")
	data, err := os.ReadFile(files[0])
	require.NoError(t, err)
	var r nsga2Report
	require.NoError(t, json.Unmarshal(data, &r))
	assert.True(t, r.Complete)
	assert.Len(t, r.Samples, 22)
	require.Len(t, r.Summaries, 1)
	assert.Equal(t, nsga2Side{11, 134. / 1024, 129. / 1024, 139. / 1024, 0.2, 1, 1, 1}, r.Summaries[0].Ours)
	assert.Equal(t, 2.0, r.Summaries[0].Theirs.Seconds)
	assert.Equal(t, []string{"met", "met"}, []string{r.Bars[0].Status, r.Bars[1].Status})
	assert.InDelta(t, 67./1024, r.Bars[0].Value, 1e-9)
	assert.InDelta(t, 1-1/1.005, r.Bars[1].Value, 1e-9)
	text, err := os.ReadFile(files[1])
	require.NoError(t, err)
	assert.Equal(t, out.String(), string(text))
	assert.Contains(t, out.String(), "| zdt1 | 0.131 (0.126–0.136) | 2.000 (2.000–2.000) | 15.3 (processor time 10.0) | 1.0000 (1.0000–1.0000) | 1.0050 (1.0050–1.0050) | 0.8767 |")
	assert.Contains(t, out.String(), "gonas 1; pymoo 1. Load average")
}

func TestNSGA2Alone(t *testing.T) {
	o, log := nsga2Options(t, "-ours", "-seeds", "2", "-strict")
	var out bytes.Buffer
	require.ErrorContains(t, bench(t.Context(), o, &out, io.Discard), "bar not run")
	order, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.Equal(t, "gonas 1\ngonas 2\n", string(order))
	assert.Contains(t, out.String(), "not run: lacks 11 seeds on both sides")
}

func TestNSGA2Bars(t *testing.T) {
	side := func(seeds int, seconds, volume float64) nsga2Side {
		return nsga2Side{Seeds: seeds, Seconds: seconds, Hypervolume: volume}
	}
	for _, c := range []struct {
		name         string
		ours, theirs nsga2Side
		want         []string
	}{
		{"met", side(11, 1, 0.991), side(11, 10, 1), []string{"met", "met"}},
		{"slow", side(11, 1.1, 1), side(11, 10, 1), []string{"missed", "met"}},
		{"worse", side(11, 1, 0.98), side(11, 10, 1), []string{"met", "missed"}},
		{"better by more is no agreement either", side(11, 1, 1.02), side(11, 10, 1), []string{"met", "missed"}},
		{"few seeds", side(10, 1, 1), side(11, 10, 1), []string{"not run", "not run"}},
	} {
		var got []string
		for _, b := range nsga2Bars([]nsga2Summary{{"zdt1", 1, c.ours, &c.theirs}}) {
			got = append(got, b.Status)
		}
		assert.Equal(t, c.want, got, c.name)
	}
}

func TestParseNSGA2(t *testing.T) {
	good := `{"framework":"gonas","seed":1,"runs":[{"problem":"zdt1","evaluations":25000,"seconds":1,"hypervolume":1,"front":[[0.1,0.1]]}]}`
	s, err := parseNSGA2([]byte(good), "gonas", 1)
	require.NoError(t, err)
	assert.Nil(t, s.Runs[0].Front, "reports are kept small")
	for _, c := range []struct{ name, old, new, want string }{
		{"text", good, "done", `got "done"`},
		{"another seed", `"seed":1`, `"seed":2`, "with seed 1"},
		{"another framework", `"gonas"`, `"pymoo"`, "runs of gonas"},
		{"no runs", good, `{"framework":"gonas","seed":1}`, "got 0 of"},
		{"unknown problem", "zdt1", "zdt8", "zdt8"},
		{"another hypervolume", `"hypervolume":1`, `"hypervolume":1.0001`, "expected that of the front, 1,"},
		{"three objectives", "[0.1,0.1]", "[0.1,0.1,0.1]", "measurement 1"},
		{"fewer evaluations", "25000", "24900", "got 24900"},
		{"no time", `"seconds":1`, `"seconds":0`, "positive time"},
	} {
		_, err := parseNSGA2([]byte(strings.Replace(good, c.old, c.new, 1)), "gonas", 1)
		assert.ErrorContains(t, err, c.want, c.name)
	}
}
