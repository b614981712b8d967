package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// audioDeviation is how far apart both sides' features may be, in standard deviations.
const audioDeviation = 1e-4

// audioReport is what results/audio-*.json holds.
type audioReport struct {
	Benchmark string         `json:"benchmark"`
	Date      string         `json:"date"`
	Complete  bool           `json:"complete"`
	Machine   machine        `json:"machine"`
	Threads   int            `json:"threads"`
	Bars      []bar          `json:"bars"`
	Summaries []audioSummary `json:"summaries"`
	Samples   []audioOutput  `json:"samples"`
	// Deviation is the largest difference of the features, in standard deviations of torchaudio's.
	Deviation float64 `json:"deviation"`
}

// audioSummary has the medians over all steps of all processes.
type audioSummary struct {
	Framework string  `json:"framework"`
	Name      string  `json:"name"`
	Steps     int     `json:"steps"`
	Seconds   float64 `json:"seconds_median"`
	Quickest  float64 `json:"seconds_min"`
	Slowest   float64 `json:"seconds_max"`
	CPU       float64 `json:"cpu_s_median"`
}

// audioSuite compares the audio front end with torchaudio's.
func audioSuite(ctx context.Context, o options, out, log io.Writer) error {
	scripts := filepath.Join(o.Root, "benchmarks", "torchaudio")
	clips := filepath.Join(o.Root, "datasets", "audio", "testdata")
	shared := []string{"--clips-dir", clips, "--clips", strconv.Itoa(audioClips), "--threads", strconv.Itoa(o.Threads), "--steps", strconv.Itoa(o.Steps)}
	contenders := []contender{{Name: "gonas", Framework: "gonas", Command: o.pin(append([]string{o.Self, audioFeaturesName}, shared...)...)}}
	if !o.OursOnly {
		python, err := torchaudioEnvironment(o.TorchaudioDir, filepath.Join(scripts, "requirements.txt")).python(ctx, log)
		if err != nil {
			return err
		}
		script := filepath.Join(scripts, "mfcc.py")
		contenders = append(contenders, contender{Name: "torchaudio", Framework: "torchaudio",
			Command: o.pin(append([]string{python, script, "--json"}, shared...)...)})
	}
	r := audioReport{Benchmark: "audio", Date: today(), Machine: describeMachine(o.Root), Threads: o.Threads}
	features := map[string][]float32{}
	runErr := func() error {
		for round := range o.Rounds {
			for i := range contenders {
				if round%2 == 1 {
					i = len(contenders) - 1 - i
				}
				c := contenders[i]
				busy := loadAverage()
				text, err := c.output(ctx, log)
				if err != nil {
					return err
				}
				s, err := parseAudio(text, c.Framework)
				if err != nil {
					return fmt.Errorf("%s: %w", c.Name, err)
				}
				features[c.Framework], s.Features, s.Busy = s.Features, nil, busy
				if ours, theirs := features["gonas"], features["torchaudio"]; ours != nil && theirs != nil {
					if r.Deviation, err = deviation(ours, theirs); err != nil {
						return err
					}
				}
				r.Samples = append(r.Samples, s)
				fmt.Fprintf(log, "round %d/%d, %s:", round+1, o.Rounds, c.Name)
				for _, run := range s.Runs {
					fmt.Fprintf(log, " %s %.3f s;", run.Name, median(run.Seconds))
				}
				fmt.Fprintln(log)
			}
		}
		return nil
	}()
	r.Complete = runErr == nil
	if len(r.Samples) == 0 {
		return runErr
	}
	r.Summaries = summariseAudio(r.Samples)
	r.Bars = audioBars(r.Summaries)
	return o.conclude(r, r.Benchmark, r.Date, r.Bars, runErr, out, log)
}

func parseAudio(text []byte, framework string) (audioOutput, error) {
	var s audioOutput
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("last line of its output: expected a JSON object, got %.80q: %w", text, err)
	}
	if s.Framework != framework || s.Clips != audioClips || len(s.Runs) == 0 || len(s.Features) == 0 {
		return s, fmt.Errorf("expected runs and features of %s with %d clips, got %d runs and %d features of %q with %d clips",
			framework, audioClips, len(s.Runs), len(s.Features), s.Framework, s.Clips)
	}
	for _, run := range s.Runs {
		if len(run.Seconds) == 0 || len(run.Seconds) != len(run.CPU) || !(slices.Min(run.Seconds) > 0) {
			return s, fmt.Errorf("%s: expected positive times and as many processor times, got %v and %v", run.Name, run.Seconds, run.CPU)
		}
	}
	return s, nil
}

// deviation is the largest difference of features, in standard deviations of theirs; an error where it is too large.
func deviation(ours, theirs []float32) (float64, error) {
	if len(ours) != len(theirs) {
		return 0, fmt.Errorf("%d features of ours, %d of torchaudio's", len(ours), len(theirs))
	}
	mean, squares, largest := 0.0, 0.0, 0.0
	for i, v := range theirs {
		mean += float64(v) / float64(len(theirs))
		largest = max(largest, math.Abs(float64(v)-float64(ours[i])))
	}
	for _, v := range theirs {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	d := largest / math.Sqrt(squares/float64(len(theirs)))
	if !(d <= audioDeviation) {
		return d, fmt.Errorf("features are up to %.2g standard deviations from torchaudio's, expected at most %g: not the same computation", d, audioDeviation)
	}
	return d, nil
}

// summariseAudio keeps frameworks and ways in the order in which they first came.
func summariseAudio(samples []audioOutput) []audioSummary {
	type way struct{ framework, name string }
	var order []way
	seconds, cpu := map[way][]float64{}, map[way][]float64{}
	for _, s := range samples {
		for _, run := range s.Runs {
			w := way{s.Framework, run.Name}
			if seconds[w] == nil {
				order = append(order, w)
			}
			seconds[w], cpu[w] = append(seconds[w], run.Seconds...), append(cpu[w], run.CPU...)
		}
	}
	var out []audioSummary
	for _, w := range order {
		out = append(out, audioSummary{w.framework, w.name, len(seconds[w]), median(seconds[w]), slices.Min(seconds[w]), slices.Max(seconds[w]), median(cpu[w])})
	}
	return out
}

// fastestTheirs is torchaudio's way with the least of a number, nil where there is none.
func fastestTheirs(all []audioSummary, of func(audioSummary) float64) *audioSummary {
	var best *audioSummary
	for i := range all {
		if all[i].Framework == "torchaudio" && (best == nil || of(all[i]) < of(*best)) {
			best = &all[i]
		}
	}
	return best
}

// audioBars: our host's time and processor time against torchaudio's at its best batch size.
func audioBars(all []audioSummary) []bar {
	clock := func(s audioSummary) float64 { return s.Seconds }
	processor := func(s audioSummary) float64 { return s.CPU }
	var out []bar
	for _, b := range []struct {
		what string
		of   func(audioSummary) float64
	}{{"time on the host / torchaudio's fastest", clock}, {"processor time on the host / torchaudio's least", processor}} {
		theirs := fastestTheirs(all, b.of)
		i := slices.IndexFunc(all, func(s audioSummary) bool { return s.Framework == "gonas" && s.Name == audioHost })
		x := bar{What: b.what, Limit: 1}
		switch {
		case i < 0 || theirs == nil:
			x = x.judged(0, fmt.Errorf("one of the two sides"))
		case !(b.of(*theirs) > 0):
			x = x.judged(0, fmt.Errorf("torchaudio's times"))
		default:
			x = x.judged(b.of(all[i])/b.of(*theirs), nil)
		}
		out = append(out, x)
	}
	return out
}

// markdown is the report for people.
func (r audioReport) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Audio front end beside torchaudio, %s\n\n", r.Date)
	if !r.Complete {
		b.WriteString("Stopped before the end: what follows is what was measured until then.\n\n")
	}
	fmt.Fprintf(&b, "MFCC of %d clips of a second at 16 kHz, in memory: 40 coefficients of 40 mel filters, 30 ms every 10 ms, FFT of 512, centred and "+
		"mirrored, top_db 80 of each clip. Processes of both sides take turns; medians over all steps, ranges in parentheses. Features of both sides "+
		"are at most %.1g standard deviations apart.\n\n", audioClips, r.Deviation)
	low, high := math.Inf(1), math.Inf(-1)
	var versions []string
	for _, s := range r.Samples {
		low, high = min(low, s.Busy), max(high, s.Busy)
		if !slices.Contains(versions, s.Version) {
			versions = append(versions, s.Version)
		}
	}
	fmt.Fprintf(&b, "%s %d threads for each side. %s. Load average when the processes started: %.1f to %.1f (includes the process before).\n\n",
		r.Machine.sentence(), r.Threads, strings.Join(versions, "; "), low, high)
	var rows [][]string
	for _, s := range r.Summaries {
		rows = append(rows, []string{s.Framework + ", " + s.Name, fmt.Sprintf("%.3f (%.3f–%.3f)", s.Seconds, s.Quickest, s.Slowest),
			fmt.Sprintf("%.3f", s.CPU), fmt.Sprintf("%.0f", audioClips/s.Seconds)})
	}
	b.WriteString(table([]string{"", "s", "processor time, s", "clips a second"}, rows))
	fmt.Fprintf(&b, "\n## Bars\n\n%s", barTable(r.Bars))
	return b.String()
}
