package main

import (
	"fmt"
	"math"
	"slices"
)

// summary is a contender's samples put together. Times are in seconds, sizes in MiB.
type summary struct {
	Name      string `json:"name"`
	Framework string `json:"framework"`
	Variant   string `json:"variant"`
	Batch     int    `json:"batch"`
	// Part is true where less than a step was timed.
	Part bool `json:"part,omitempty"`
	// Step is the median of all timed steps of all processes, between the quickest and the slowest.
	Step     float64 `json:"step_median_s"`
	Quickest float64 `json:"step_min_s"`
	Slowest  float64 `json:"step_max_s"`
	Timed    int     `json:"steps_timed"`
	// FirstCold is the first call with an empty cache, First the median of the others, ReadyCold the time until the end of
	// the cold run's last step that compiled anything.
	FirstCold float64 `json:"first_call_cold_s,omitempty"`
	ReadyCold float64 `json:"ready_cold_s,omitempty"`
	First     float64 `json:"first_call_s"`
	// CompileCold is the wall time of compiling in the cold run, CompileSum the same summed over its workers; Load the median load time of the cached ones, which must
	// have compiled nothing: Recompiled counts what they did compile.
	CompileCold  float64 `json:"compile_wall_cold_s,omitempty"`
	CompileSum   float64 `json:"compile_cold_s,omitempty"`
	Load         float64 `json:"load_cached_s,omitempty"`
	Compilations int     `json:"compilations_cold,omitempty"`
	Recompiled   int     `json:"compilations_cached"`
	// CPU is the processor time of a step, Peak the largest resident size of any cached process, PeakCold of the
	// one that compiled.
	CPU      float64 `json:"cpu_s_per_step"`
	Peak     float64 `json:"peak_rss_mb"`
	PeakCold float64 `json:"peak_rss_cold_mb,omitempty"`
}

// median of values, which must not be empty; the mean of the two middle ones for an even number.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// summarise puts the samples of one contender together; there must be at least one.
func summarise(c contender, samples []sample) summary {
	s := summary{Name: c.Name, Framework: c.Framework, Variant: c.Variant, Batch: c.Batch, Part: c.Part}
	var steps, first, load, cpu []float64
	for _, x := range samples {
		steps = append(steps, x.Steps...)
		cpu = append(cpu, x.CPUPerStep)
		if x.Cache == "cold" {
			s.FirstCold, s.CompileCold, s.CompileSum = x.FirstCall, x.CompileWall, x.Compile
			s.Compilations, s.PeakCold, s.ReadyCold = x.Compilations, x.PeakRSS, x.Ready
			continue
		}
		first = append(first, x.FirstCall)
		s.Peak = math.Max(s.Peak, x.PeakRSS)
		if x.Cache == "cached" {
			load = append(load, x.Load)
			s.Recompiled += x.Compilations
		}
	}
	s.Step, s.Quickest, s.Slowest, s.Timed = median(steps), slices.Min(steps), slices.Max(steps), len(steps)
	s.CPU = median(cpu)
	if len(first) > 0 {
		s.First = median(first)
	}
	if len(load) > 0 {
		s.Load = median(load)
	}
	return s
}

// bar is a bound that a measurement has to stay under.
type bar struct {
	What string `json:"what"`
	// Limit is the bound, Goal a tighter one that is aimed at (0: none).
	Limit float64 `json:"limit"`
	Goal  float64 `json:"goal,omitempty"`
	Unit  string  `json:"unit,omitempty"`
	// Value is the measurement; Status is "met", "missed" or "not run", the last with a Reason.
	Value  float64 `json:"value,omitempty"`
	Status string  `json:"status"`
	Reason string  `json:"reason,omitempty"`
}

// judged is the bar with a measurement, or with the reason why there is none.
func (b bar) judged(value float64, err error) bar {
	switch {
	case err != nil:
		b.Status, b.Reason = "not run", err.Error()
	case value <= b.Limit:
		b.Value, b.Status = value, "met"
	default:
		b.Value, b.Status = value, "missed"
	}
	return b
}

// named finds a contender's summary at a batch size, nil where there is none.
func named(all []summary, name string, batch int) *summary {
	i := slices.IndexFunc(all, func(s summary) bool { return s.Name == name && s.Batch == batch })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// ratio is that of two contenders' numbers, an error where one is missing.
func ratio(ours, theirs *summary, batch int, of func(*summary) float64) (float64, error) {
	if ours == nil || theirs == nil {
		return 0, fmt.Errorf("one of the two sides at batch %d", batch)
	}
	if of(ours) == 0 || of(theirs) == 0 {
		return 0, fmt.Errorf("a second round")
	}
	return of(ours) / of(theirs), nil
}

func stepOf(s *summary) float64 { return s.Step }

func cpuOf(s *summary) float64 { return s.CPU }

func peakOf(s *summary) float64 { return s.Peak }

// recompiled counts the programs that our cached processes compiled.
func recompiled(all []summary) (float64, error) {
	n, runs := 0, 0
	for _, s := range all {
		if s.Framework == "gonas" && s.First > 0 {
			n, runs = n+s.Recompiled, runs+1
		}
	}
	if runs == 0 {
		return 0, fmt.Errorf("a cached run")
	}
	return float64(n), nil
}

// leaner is PyTorch's format of the smaller peak, the harder comparison.
func leaner(standard, last *summary) *summary {
	if last != nil && (standard == nil || last.Peak < standard.Peak) {
		return last
	}
	return standard
}

// barBatch is the batch size at which the bars hold.
const barBatch = 16

// bars checks the step's bounds at batch 16.
func bars(all []summary) []bar {
	var best *summary
	for i := range all {
		if s := &all[i]; s.Framework == "gonas" && s.Batch == barBatch && (best == nil || s.Step < best.Step) {
			best = s
		}
	}
	edge := named(all, "gonas edge", barBatch)
	standard, last := named(all, "torch default", barBatch), named(all, "torch channels_last", barBatch)

	var out []bar
	add := func(b bar, value float64, err error) { out = append(out, b.judged(value, err)) }
	against := func(b bar, ours, theirs *summary, of func(*summary) float64) {
		value, err := ratio(ours, theirs, barBatch, of)
		add(b, value, err)
	}
	against(bar{What: "step, best granularity / PyTorch default", Limit: 0.28, Goal: 0.17}, best, standard, stepOf)
	against(bar{What: "step, best granularity / PyTorch channels-last", Limit: 0.46, Goal: 0.30}, best, last, stepOf)
	against(bar{What: "step, edges / PyTorch default", Limit: 0.36}, edge, standard, stepOf)
	against(bar{What: "step, edges / PyTorch channels-last", Limit: 0.60}, edge, last, stepOf)
	compiling := bar{What: "compiling all executables of edges, cold, wall time", Limit: 8, Unit: "s"}
	if edge == nil || edge.Compilations == 0 {
		add(compiling, 0, fmt.Errorf("a cold run by edges"))
	} else {
		add(compiling, edge.CompileCold, nil)
	}
	loading := bar{What: "loading all executables of edges from the cache", Limit: 1, Unit: "s"}
	if edge == nil || edge.First == 0 {
		add(loading, 0, fmt.Errorf("a cached run by edges"))
	} else {
		add(loading, edge.Load, nil)
	}
	n, err := recompiled(all)
	add(bar{What: "programs compiled by the cached processes"}, n, err)
	against(bar{What: "peak memory, edges / PyTorch's smaller", Limit: 0.6}, edge, leaner(standard, last), peakOf)
	return out
}
