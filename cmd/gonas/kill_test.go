//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runfolder"
)

// sameFiles are what a resumed run has in common with an unbroken one, byte for byte.
var sameFiles = []string{evidence.ResultFile, evidence.GenotypeFile, evidence.AlphasFile, evidence.MetricsFile, search.CheckpointFile}

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

func requireSame(t *testing.T, want, got string) {
	t.Helper()
	for _, name := range sameFiles {
		a, err := os.ReadFile(filepath.Join(want, name))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(got, name))
		require.NoError(t, err)
		require.True(t, bytes.Equal(a, b), "%s differs from the unbroken run's", name)
	}
	entries, err := os.ReadDir(got)
	require.NoError(t, err)
	for _, e := range entries {
		assert.False(t, runfolder.Temporary(e.Name()), "%s was left behind", e.Name())
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

// TestKilledSearchResumes kills a search at ten points with SIGKILL, at random but for the first and the last, and
// resumes each: the results and the checkpoint are those of an unbroken run.
func TestKilledSearchResumes(t *testing.T) {
	env := environment(t)
	root := t.TempDir()
	whole := filepath.Join(root, "whole")
	cmd, log := command(t, env, "search", "fairdarts", "--profile", "smoke", "--seed", "11", "--out", whole)
	require.NoError(t, cmd.Run(), log)
	total := events(whole)
	require.Greater(t, total, 15)

	seed := uint64(time.Now().UnixNano())
	t.Logf("random points of seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const points = 10
	for point := range points {
		t.Run(fmt.Sprint(point), func(t *testing.T) {
			dir := filepath.Join(root, fmt.Sprint(point))
			after, pause := random.IntN(total), time.Duration(random.Int64N(int64(60*time.Millisecond)))
			cmd, log := command(t, env, "search", "fairdarts", "--profile", "smoke", "--seed", "11", "--out", dir)
			require.NoError(t, cmd.Start())
			done := make(chan error, 1)
			go func() { done <- cmd.Wait() }()
			what := "after the end"
			switch point {
			case 0: // as soon as a run can be resumed at all, long before its first checkpoint
				what = "at the configuration"
				waitFor(t, done, log, func() bool {
					_, err := os.Stat(filepath.Join(dir, configFile))
					return err == nil
				})
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
			_, err := os.Stat(filepath.Join(dir, search.CheckpointFile))
			t.Logf("killed %s, %d events, checkpoint: %t", what, events(dir), err == nil)

			resume, log := command(t, env, "search", "--resume", dir)
			if _, err := os.Stat(filepath.Join(dir, configFile)); err != nil {
				// Not even the configuration was there: the message says so, and the same command starts anew.
				require.Error(t, resume.Run())
				require.Regexp(t, "no such folder|nothing of a run was kept", log)
				resume, log = command(t, env, "search", "fairdarts", "--profile", "smoke", "--seed", "11", "--out", dir)
			}
			require.NoError(t, resume.Run(), log)
			requireSame(t, whole, dir)
		})
	}
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
	_, err := os.Stat(filepath.Join(dir, evidence.ResultFile))
	assert.ErrorIs(t, err, os.ErrNotExist)

	resume, log := command(t, env, "search", "--resume", dir)
	require.NoError(t, resume.Run(), log)
	requireSame(t, whole, dir)
}

// TestKilledBeforeItsConfiguration: nothing was kept, which the message says, and the folder can be used again.
func TestKilledBeforeItsConfiguration(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "."+configFile+".123.tmp")
	require.NoError(t, os.WriteFile(left, []byte("{"), 0o600))
	_, _, err := openFolder(dir, searchCommand)
	assert.ErrorContains(t, err, "there is no config.json in it")
	f, err := createFolder(dir, "", runConfig{Command: searchCommand, Config: []byte("{}")})
	require.NoError(t, err)
	defer f.Unlock()
	_, err = os.Stat(left)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestResumeRefusesOtherData: a run does not go on with images that it did not begin with.
func TestResumeRefusesOtherData(t *testing.T) {
	f := &folder{Dir: t.TempDir()}
	_, err := f.Begin(evidence.Run{Data: map[string]string{"a.bin": "1"}})
	require.NoError(t, err)
	_, err = f.Begin(evidence.Run{Data: map[string]string{"a.bin": "2"}})
	assert.ErrorContains(t, err, "data: a.bin had SHA-256 1 when the run began, now it has 2")
}

// TestMeterWithoutTerminal writes few lines, and the first of each stage.
func TestMeterWithoutTerminal(t *testing.T) {
	var b bytes.Buffer
	m := newMeter(&b)
	for stage := range 2 {
		for i := range int64(1000) {
			m.show(fmt.Sprint(stage), i, 1000, func() string { return fmt.Sprintf("stage %d: %d", stage, i) })
		}
	}
	m.end()
	assert.Equal(t, "stage 0: 0\nstage 1: 0\n", b.String())
	assert.False(t, terminal(io.Discard))
}
