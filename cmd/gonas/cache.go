package main

import (
	"fmt"
	"time"

	"github.com/gonas/gonas/backend"
)

type cacheCmd struct {
	Info  cacheInfoCmd  `cmd:"" help:"Where it is, how large, hits and misses of the last run."`
	Clear cacheClearCmd `cmd:"" help:"Empty it."`
}

type cacheInfoCmd struct {
	JSON bool `help:"Print JSON."`
}

// Run prints the state of the compile cache.
func (c cacheInfoCmd) Run(a *app) error {
	status := backend.CacheInfo()
	if c.JSON {
		return writeJSON(a.stdout, status)
	}
	fmt.Fprintln(a.stdout, cacheLine(status))
	if last := status.LastRun; last != nil {
		fmt.Fprintf(a.stdout, "last run: %d loaded in %s, %d compiled in %s, %d entries unusable\n", last.CacheHits,
			last.LoadTime.Round(time.Millisecond), last.Compilations, last.CompileTime.Round(time.Millisecond), last.Rejected)
	}
	return nil
}

func cacheLine(status backend.CacheStatus) string {
	where := status.Dir
	if where == "" {
		where = "off"
	}
	if status.Error != "" {
		return fmt.Sprintf("%s: not used: %s", where, status.Error)
	}
	return fmt.Sprintf("%s: %d programs, %s of at most %s", where, status.Entries, bytesText(status.Bytes), bytesText(status.MaxBytes))
}

type cacheClearCmd struct{}

// Run removes every entry of the compile cache.
func (cacheClearCmd) Run(a *app) error {
	entries, size, err := backend.CacheClear()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "removed %d programs, %s\n", entries, bytesText(size))
	return err
}

// bytesText writes a size for people.
func bytesText(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
