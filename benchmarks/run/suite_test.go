package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// standInStep plays one process of a [stepSuite]: s is what PyTorch's prints, with what it cannot tell of ours.
func standInStep(log string, args []string, s sample) int {
	value := func(flag string) string {
		i := slices.IndexFunc(args, func(a string) bool { return strings.TrimLeft(a, "-") == flag })
		if i < 0 {
			return ""
		}
		return args[i+1]
	}
	profiled := s.Profile
	s.Framework, s.Format, s.FirstCall, s.PeakRSS, s.Backend, s.Profile = "torch", value("memory-format"), 3, 1000, "stand-in torch", nil
	line := s.Format
	if s.Format == "" {
		cache := os.Getenv("GONAS_CACHE_DIR")
		entries, err := os.ReadDir(cache)
		if err != nil {
			return 3
		}
		s.Framework, s.FirstCall, s.PeakRSS, s.Backend = "gonas", 1, 500, "stand-in"
		s.Steps, s.CPUPerStep, s.Parameters, s.PathParameters = []float64{1, 1, 1}, s.CPUPerStep/2.5, 0, nil
		line = "gonas " + value("path")
		if len(entries) == 0 {
			s.FirstCall, s.Ready, s.Compilations = 4, 5, 218
			if os.WriteFile(filepath.Join(cache, "entry"), nil, 0o600) != nil {
				return 3
			}
		}
		if args[len(args)-1] == "-profile" {
			line, s.Profile = "profile", profiled
		}
	} else {
		switch os.Getenv("BENCH_STAND_IN_FAIL") {
		case "losses":
			s.PathLosses[1][1] += 0.01
		case "architecture":
			s.Architecture[0][1] += 0.01
		}
	}
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 3
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, strings.TrimSpace(line)); err != nil || json.NewEncoder(os.Stdout).Encode(s) != nil {
		return 3
	}
	return 0
}

// standInReport runs a [stepSuite] of stand-ins once: the processes in their order, what was printed, and the stored report.
func standInReport(t *testing.T, suite string) (order []string, printed string, r stepReport) {
	t.Helper()
	o, log := standInOptions(t, "-suite", suite, "-rounds", "1", "-strict")
	var out, progress bytes.Buffer
	require.NoError(t, bench(context.Background(), o, &out, &progress), progress.String())
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(o.Out, suite+"-*"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	data, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &r))
	return strings.Split(strings.TrimSpace(string(text)), "\n"), out.String(), r
}

func TestSameComputation(t *testing.T) {
	ours := sample{Framework: "gonas", PathLosses: [][]float64{{2, 3}, {4, 5}, {6, 7}}, Architecture: [][]float64{{1}, {2, 3}}}
	theirs := sample{Framework: "torch", Parameters: 10, PathParameters: map[string]int{"01": 3},
		PathLosses: [][]float64{{2.003, 3}, {4, 5.009}, {9, 9}}, Architecture: [][]float64{{1.001}, {2.005, 3}}}
	check := func(change func(*sample)) error {
		same := sameComputation(10, map[string]int{"01": 3}, 0.01)
		require.NoError(t, same(ours))
		s := theirs
		change(&s)
		return same(s)
	}
	require.NoError(t, check(func(*sample) {}), "later steps may differ")
	for _, c := range []struct {
		want   string
		change func(*sample)
	}{
		{"parameters of the supernet: expected 10, got 11", func(s *sample) { s.Parameters = 11 }},
		{"parameters of path 01: expected 3, got 0", func(s *sample) { s.PathParameters = nil }},
		{"expected those of at least 2 steps, got 1", func(s *sample) { s.PathLosses = s.PathLosses[:1] }},
		{"step 0: expected 2 losses, got 1", func(s *sample) { s.PathLosses = [][]float64{{2}, {4, 5}} }},
		{"step 1, loss 0: expected 4 as the first process had, got 4.01", func(s *sample) { s.PathLosses = [][]float64{{2, 3}, {4.01, 5}} }},
		{"architecture: expected 2 tables, got 0", func(s *sample) { s.Architecture = nil }},
		{"architecture, table 1: expected 2 parameters, got 1", func(s *sample) { s.Architecture = [][]float64{{1}, {2}} }},
		{"architecture, table 1: expected parameters within", func(s *sample) { s.Architecture = [][]float64{{1}, {2, 3.007}} }},
	} {
		assert.ErrorContains(t, check(c.change), c.want)
	}
}
