//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/repro/evidence"
)

func command(t *testing.T, env []string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command("gonas", args...)
	cmd.Env = append(os.Environ(), env...)
	var log bytes.Buffer
	cmd.Stderr, cmd.Stdout = &log, &log
	// A test that fails must not leave a process behind.
	t.Cleanup(func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
	})
	return cmd, &log
}

// requireSame demands that a resumed run has the files of an unbroken one, byte for byte but for those with times in them.
func requireSame(t *testing.T, want, got string) {
	t.Helper()
	names := func(dir string) []string {
		var out []string
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			if e.Name() != evidence.RunFile && e.Name() != evidence.EventsFile {
				out = append(out, e.Name())
			}
		}
		return out
	}
	require.Contains(t, names(want), evidence.ResultFile)
	require.Equal(t, names(want), names(got))
	for _, name := range names(want) {
		a, err := os.ReadFile(filepath.Join(want, name))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(got, name))
		require.NoError(t, err)
		require.True(t, bytes.Equal(a, b), "%s differs from the unbroken run's", name)
	}
}

// events counts the lines of a run's log so far.
func events(dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, evidence.EventsFile))
	if err != nil {
		return 0
	}
	return bytes.Count(b, []byte{'\n'})
}

// waitFor returns when ready says so; an ended process is ready for anything.
func waitFor(t *testing.T, done <-chan error, log fmt.Stringer, ready func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	for !ready() {
		select {
		case err := <-done:
			t.Fatalf("the search ended before it could be killed: %v\n%s", err, log)
		case <-deadline:
			t.Fatal("the search did not get so far in 5 minutes")
		case <-time.After(200 * time.Microsecond):
		}
	}
}

// TestKilledRunResumes kills FairDARTS's search at ten points with SIGKILL, FairNAS's and a training at five, those of all
// other methods at three, at random but for the first and the last, and resumes each: what they write is what an unbroken
// run does.
func TestKilledRunResumes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("random points of seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	points := map[string]int{"fairdarts": 10, "fairnas": 5}
	for _, m := range nas.Methods() {
		t.Run("search "+m.Name, func(t *testing.T) { killAndResume(t, random, max(3, points[m.Name]), "search", m.Name) })
	}
	t.Run("train random", func(t *testing.T) { killAndResume(t, random, 5, "train", "random") })
}

func killAndResume(t *testing.T, random *rand.Rand, points int, args ...string) {
	env := environment(t)
	root := t.TempDir()
	whole := filepath.Join(root, "whole")
	start := func(dir string) []string {
		return slices.Concat(args, []string{"--profile", "smoke", "--seed", "11", "--out", dir})
	}
	cmd, log := command(t, env, start(whole)...)
	require.NoError(t, cmd.Run(), log)
	total := events(whole)
	require.Greater(t, total, 10)

	for point := range points {
		t.Run(fmt.Sprint(point), func(t *testing.T) {
			dir := filepath.Join(root, fmt.Sprint(point))
			after, pause := random.IntN(total), time.Duration(random.Int64N(int64(60*time.Millisecond)))
			cmd, log := command(t, env, start(dir)...)
			require.NoError(t, cmd.Start())
			done := make(chan error, 1)
			go func() { done <- cmd.Wait() }()
			what := "after the end"
			switch point {
			case 0: // as soon as a run can be resumed at all, long before its first checkpoint
				what = "at the configuration"
				waitFor(t, done, log, func() bool { return exists(dir, evidence.ConfigFile) })
			case points - 1: // after the end
				require.NoError(t, <-done, log)
			default:
				what = fmt.Sprintf("%s after event %d of %d", pause, after, total)
				waitFor(t, done, log, func() bool { return events(dir) >= after })
				time.Sleep(pause)
			}
			_ = cmd.Process.Signal(syscall.SIGKILL)
			if point < points-1 {
				<-done
			}
			t.Logf("killed %s, %d events, checkpoint: %t", what, events(dir), exists(dir, run.CheckpointFile))

			resume, log := command(t, env, args[0], "--resume", dir)
			if !exists(dir, evidence.ConfigFile) {
				// Not even the configuration was there: the message says so, and the same command starts anew.
				require.Error(t, resume.Run())
				require.Regexp(t, "no such folder|nothing of a run was kept", log)
				resume, log = command(t, env, start(dir)...)
			}
			require.NoError(t, resume.Run(), log)
			requireSame(t, whole, dir)
		})
	}
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

// TestStoppedEvolutionResumes kills and interrupts a search behind the first generation of its evolution: resumed it
// measures neither that nor its ranking again.
func TestStoppedEvolutionResumes(t *testing.T) {
	env := environment(t)
	root := t.TempDir()
	config := filepath.Join(root, "config.json")
	require.NoError(t, os.WriteFile(config, []byte(`{"rank": 8, "evolution": {"generations": 8}}`), 0o600))
	start := func(dir string) []string {
		return []string{"search", "fairnas", "--profile", "smoke", "--space", space.NASBenchMacroName, "--config", config, "--out", dir}
	}
	whole := filepath.Join(root, "whole")
	cmd, log := command(t, env, start(whole)...)
	require.NoError(t, cmd.Run(), log)
	for signal, code := range map[syscall.Signal]int{syscall.SIGKILL: -1, syscall.SIGINT: exitInterrupted} {
		t.Run(signal.String(), func(t *testing.T) {
			dir := filepath.Join(root, signal.String())
			cmd, log := command(t, env, start(dir)...)
			require.NoError(t, cmd.Start())
			done := make(chan error, 1)
			go func() { done <- cmd.Wait() }()
			waitFor(t, done, log, func() bool { return exists(dir, oneshot.EvolutionFile) })
			require.NoError(t, cmd.Process.Signal(signal))
			var exit *exec.ExitError
			require.ErrorAs(t, <-done, &exit, "the search ended before it was stopped: %s", log)
			assert.Equal(t, code, exit.ExitCode(), log)
			before := events(dir)

			resume, log := command(t, env, "search", "--resume", dir)
			require.NoError(t, resume.Run(), log)
			requireSame(t, whole, dir)
			list, err := evidence.ReadEvents(dir)
			require.NoError(t, err)
			const ranking, first, last = "1 of 1", "1 of 8", "8 of 8"
			earlier, later := measured(t, list[:before]), measured(t, list[before:])
			assert.Positive(t, earlier[ranking])
			assert.Positive(t, earlier[first])
			assert.Zero(t, later[ranking], "the ranking was measured again")
			assert.Zero(t, later[first], "the first generation was measured again")
			assert.Positive(t, later[last])
		})
	}
}

// measured counts the events of measuring by round.
func measured(t *testing.T, list []evidence.Event) map[string]int {
	out := map[string]int{}
	for _, line := range list {
		if line.Kind == run.EventMeasure {
			var e run.Event
			require.NoError(t, json.Unmarshal(line.Data, &e))
			out[fmt.Sprintf("%d of %d", e.Epoch, e.Epochs)]++
		}
	}
	return out
}

// TestInterruptedSearchSaysHowToGoOn sends SIGINT in the second epoch.
func TestInterruptedSearchSaysHowToGoOn(t *testing.T) {
	env := environment(t)
	root := t.TempDir()
	whole, dir := filepath.Join(root, "whole"), filepath.Join(root, "a run")
	cmd, log := command(t, env, "search", "darts", "--profile", "smoke", "--out", whole)
	require.NoError(t, cmd.Run(), log)

	cmd, log = command(t, env, "search", "darts", "--profile", "smoke", "--out", dir)
	require.NoError(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	waitFor(t, done, log, func() bool { return events(dir) >= 9 })

	// The folder belongs to one process at a time.
	second, secondLog := command(t, env, "search", "--resume", dir)
	require.Error(t, second.Run())
	assert.Contains(t, secondLog.String(), "another process works on this run")

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	var exit *exec.ExitError
	require.True(t, errors.As(<-done, &exit), "the search ended before it was interrupted: %s", log)
	assert.Equal(t, exitInterrupted, exit.ExitCode(), log)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	assert.Equal(t, fmt.Sprintf("gonas: interrupted; go on with `gonas search --resume '%s'`", dir), lines[len(lines)-1])
	assert.NoFileExists(t, filepath.Join(dir, evidence.ResultFile))

	resume, log := command(t, env, "search", "--resume", dir)
	require.NoError(t, resume.Run(), log)
	requireSame(t, whole, dir)
}

// TestKilledBeforeItsConfiguration: nothing was kept, which the message says, and the folder can be used again.
func TestKilledBeforeItsConfiguration(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "."+evidence.ConfigFile+".123.tmp")
	require.NoError(t, os.WriteFile(left, []byte("{"), 0o600))
	_, _, err := openFolder(dir, run.Search)
	assert.ErrorContains(t, err, "there is no config.json in it")
	f, err := createFolder(io.Discard, dir, run.Spec{Command: run.Search})
	require.NoError(t, err)
	assert.NoFileExists(t, left)
	f.Unlock()

	// Nor is anything lost where no epoch has ended.
	require.NoError(t, os.WriteFile(filepath.Join(dir, evidence.ConfigFile), []byte("{}"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, evidence.EventsFile), nil, 0o600))
	var said bytes.Buffer
	f, err = createFolder(&said, dir, run.Spec{Command: run.Search})
	require.NoError(t, err)
	assert.Contains(t, said.String(), "no epoch has ended: it is started anew")
	assert.NoFileExists(t, filepath.Join(dir, evidence.ConfigFile))
	f.Unlock()
	require.NoError(t, os.WriteFile(filepath.Join(dir, evidence.ConfigFile), []byte("{}"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, run.CheckpointFile), nil, 0o600))
	_, err = createFolder(io.Discard, dir, run.Spec{Command: run.Search})
	assert.ErrorContains(t, err, "holds a run already")
}
