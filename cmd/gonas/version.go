package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// Set at link time: -ldflags "-X main.version=… -X main.commit=… -X main.dirty=true -X main.goSum=…".
var (
	version string
	commit  string
	dirty   string
	// goSum is the SHA-256 of go.sum.
	goSum string
)

// build says which code this binary is of.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	// Dirty is true if the working tree had changes that the commit does not have.
	Dirty bool `json:"dirty"`
	// GoSumSHA256 is known where it was set at link time.
	GoSumSHA256 string `json:"go_sum_sha256,omitempty"`
	Go          string `json:"go"`
	GoMLX       string `json:"gomlx"`
}

// buildInfo takes what was set at link time, and what the Go command recorded for the rest.
func buildInfo() build {
	b := build{Version: version, Commit: commit, Dirty: dirty == "true", GoSumSHA256: goSum, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && commit == "":
			b.Commit = s.Value
		case s.Key == "vcs.modified" && commit == "":
			b.Dirty = s.Value == "true"
		}
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/gomlx/gomlx" {
			if dep.Replace != nil {
				dep = dep.Replace
			}
			b.GoMLX = dep.Version
		}
	}
	return b
}

func (b build) String() string {
	text := "gonas " + b.Version
	if b.Version == "" {
		text = "gonas (unknown version)"
	}
	if b.Commit != "" && (b.Version == "" || !strings.HasPrefix(b.Commit, b.Version)) {
		text += " " + b.Commit
	}
	if b.Dirty {
		text += " with uncommitted changes"
	}
	return fmt.Sprintf("%s, %s, GoMLX %s", text, b.Go, b.GoMLX)
}

type versionCmd struct {
	JSON bool `help:"Print JSON."`
}

// Run prints which code this binary is of.
func (c versionCmd) Run(a *app) error {
	if c.JSON {
		return writeJSON(a.stdout, buildInfo())
	}
	_, err := fmt.Fprintln(a.stdout, buildInfo())
	return err
}

// writeJSON prints v, indented.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// writeJSONLine prints v on one line.
func writeJSONLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
