package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets/audio"
)

const (
	audioFeaturesName = "audio-features"
	audioClips        = 1000
	audioHost         = "host"
	audioGraph        = "graph, batches of 50"
	audioGraphBatch   = 50
)

// audioOutput is what a process of either side prints.
type audioOutput struct {
	Framework string     `json:"framework"`
	Version   string     `json:"version"`
	Clips     int        `json:"clips"`
	Runs      []audioRun `json:"runs"`
	// Features of the real clips, by which both sides are known to compute the same; reports leave them out.
	Features []float32 `json:"features,omitempty"`
	Busy     float64   `json:"load_average_before"`
}

// audioRun is one way of computing the features of all clips: times of each step in seconds.
type audioRun struct {
	Name    string    `json:"name"`
	Seconds []float64 `json:"seconds"`
	CPU     []float64 `json:"cpu_s"`
}

// audioConfig is the setting of benchmarks/torchaudio/mfcc.py.
func audioConfig() audio.Config {
	c := audio.Torchaudio()
	c.Window, c.FFT, c.Hop, c.Mels = 480, 512, 160, 40
	return c
}

// audioProcess times our side.
func audioProcess(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet(audioFeaturesName, flag.ContinueOnError)
	folder := f.String("clips-dir", "", "folder with Speech Commands clips as FLAC")
	n := f.Int("clips", audioClips, "number of clips")
	steps := f.Int("steps", 3, "timed steps")
	threads := f.Int("threads", runtime.NumCPU(), "processors")
	if err := f.Parse(args); err != nil {
		return err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(*threads))
	recorded, err := realClips(*folder)
	if err != nil {
		return err
	}
	clips := make([][]float32, *n)
	for i := range clips {
		clips[i] = recorded[i%len(recorded)]
	}
	e, err := audio.New(audioConfig())
	if err != nil {
		return err
	}
	o := audioOutput{Framework: "gonas", Version: runtime.Version(), Clips: *n}
	for _, way := range []struct {
		name string
		make func() (func() error, error)
	}{
		{audioHost, func() (func() error, error) {
			return func() error { _, err := e.Batch(clips); return err }, nil
		}},
		{audioGraph, func() (func() error, error) { return onXLA(e, clips) }},
	} {
		step, err := way.make()
		if err != nil {
			return err
		}
		r := audioRun{Name: way.name}
		for i := range 1 + *steps {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			start, used := time.Now(), cpuSeconds()
			if err := step(); err != nil {
				return err
			}
			if i > 0 { // the first one sets things up
				r.Seconds, r.CPU = append(r.Seconds, time.Since(start).Seconds()), append(r.CPU, cpuSeconds()-used)
			}
		}
		o.Runs = append(o.Runs, r)
	}
	features, err := e.Batch(recorded)
	if err != nil {
		return err
	}
	o.Features = slices.Concat(features...)
	return json.NewEncoder(out).Encode(o)
}

// realClips reads the Speech Commands clips of a folder.
func realClips(folder string) ([][]float32, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*_nohash_*.flac"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no clips *_nohash_*.flac in %q", folder)
	}
	clips := make([][]float32, len(files))
	for i, file := range files {
		clip, err := audio.ReadFile(file)
		if err != nil {
			return nil, err
		}
		clips[i] = clip.Mono()
	}
	return clips, nil
}

// onXLA computes the features of all clips by the graph: clips to the device, features back.
func onXLA(e *audio.Extractor, clips [][]float32) (func() error, error) {
	b, err := backend.Open()
	if err != nil {
		return nil, err
	}
	exec, err := graph.NewExec(b.Backend, e.Graph)
	if err != nil {
		return nil, err
	}
	return func() error {
		for batch := range slices.Chunk(clips, audioGraphBatch) {
			input := tensors.FromFlatDataAndDimensions(slices.Concat(batch...), len(batch), len(batch[0]))
			output, err := exec.Call1(input)
			if err != nil {
				return err
			}
			_ = tensors.MustCopyFlatData[float32](output)
			if err := output.FinalizeAll(); err != nil {
				return err
			}
			if err := input.FinalizeAll(); err != nil {
				return err
			}
		}
		return nil
	}, nil
}
