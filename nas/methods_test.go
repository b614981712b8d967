package nas_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
)

func images(t *testing.T) *datasets.Images {
	train, _, err := datasets.Embedded()
	require.NoError(t, err)
	return train
}

func newEngine(t *testing.T) *engine.Engine {
	b, err := backend.Open()
	require.NoError(t, err)
	return engine.New(b.Backend)
}

func marshal(t *testing.T, v any) string {
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// TestEveryMethod is the contract of the registry: it needs no change for a new method.
func TestEveryMethod(t *testing.T) {
	require.NotEmpty(t, nas.Methods())
	e, data := newEngine(t), images(t)
	for _, m := range nas.Methods() {
		t.Run(m.Name, func(t *testing.T) {
			assert.NotEmpty(t, m.Spaces)
			assert.Regexp(t, `^\d{4}\.\d{5}$`, m.Paper.ArXiv)
			assert.NotEmpty(t, m.Paper.Title)
			found, err := nas.Lookup(m.Name)
			require.NoError(t, err)
			assert.Equal(t, m.Paper, found.Paper)

			for _, p := range nas.Profiles() {
				c, err := m.Config(p.Name)
				require.NoError(t, err)
				require.NoError(t, c.Validate(), p.Name)
				base, err := m.Base(c)
				require.NoError(t, err)
				assert.Equal(t, p.Name, base.Profile)
				// A round trip through JSON into the configuration of another profile leaves nothing of that one.
				other, err := m.Config(nas.Smoke)
				require.NoError(t, err)
				require.NoError(t, json.Unmarshal([]byte(marshal(t, c)), other))
				assert.Equal(t, marshal(t, c), marshal(t, other), p.Name)
			}

			smoke := func(seed uint64) nas.Config {
				c, err := m.Config(nas.Smoke)
				require.NoError(t, err)
				base, err := m.Base(c)
				require.NoError(t, err)
				base.Seed = seed
				return c
			}
			run := func(ctx context.Context, seed uint64, o search.Options) (*search.Result, error) {
				return m.Search(ctx, e, data, smoke(seed), o)
			}
			whole, err := run(t.Context(), 3, search.Options{})
			require.NoError(t, err)
			checkResult(t, m, smoke(3), whole)

			again, err := run(t.Context(), 3, search.Options{})
			require.NoError(t, err)
			assert.Equal(t, marshal(t, whole), marshal(t, again), "the same seed gives the same result")
			other, err := run(t.Context(), 4, search.Options{})
			require.NoError(t, err)
			whole.Seed, other.Seed = 0, 0
			assert.NotEqual(t, marshal(t, whole), marshal(t, other), "another seed gives another result")
			whole.Seed = 3

			resumed, straight := t.TempDir(), t.TempDir()
			_, err = run(t.Context(), 3, search.Options{Dir: straight})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			_, err = run(ctx, 3, search.Options{Dir: resumed, Listeners: []search.Listener{func(ev search.Event) {
				if ev.Kind == search.EventStep && ev.Epoch == 2 && ev.Step == 2 {
					cancel()
				}
			}}})
			cancel()
			require.Error(t, err)
			assert.True(t, errors.Is(err, search.ErrInterrupted), err)
			rest, err := run(t.Context(), 3, search.Options{Dir: resumed})
			require.NoError(t, err)
			assert.Equal(t, marshal(t, whole), marshal(t, rest), "a resumed search gives the unbroken one's result")
			a, err := os.ReadFile(filepath.Join(straight, search.CheckpointFile))
			require.NoError(t, err)
			b, err := os.ReadFile(filepath.Join(resumed, search.CheckpointFile))
			require.NoError(t, err)
			assert.True(t, string(a) == string(b), "and its checkpoint, byte for byte")
		})
	}
}

func checkResult(t *testing.T, m nas.Method, c nas.Config, r *search.Result) {
	t.Helper()
	base, err := m.Base(c)
	require.NoError(t, err)
	assert.Equal(t, m.Name, r.Method)
	assert.Contains(t, m.Spaces, r.Space)
	assert.Equal(t, base.Profile, r.Profile)
	assert.Equal(t, base.Seed, r.Seed)
	assert.Equal(t, base.Space, r.Space)
	assert.Equal(t, base.Epochs*base.StepsPerEpoch, r.Steps)
	assert.NotEmpty(t, r.DerivedBy)
	if r.Supernet != nil {
		checkPaths(t, base, r)
		return
	}
	require.Len(t, r.Epochs, base.Epochs)
	require.Len(t, r.History, base.Epochs+1)
	assert.NoError(t, r.Genotype.Validate(r.Primitives))
	assert.NotEqual(t, marshal(t, r.History[0].Normal), marshal(t, r.History[1].Normal), "the architecture moves")
	for _, e := range r.Epochs {
		assert.Greater(t, e.TrainLoss, 0.0)
		assert.True(t, e.TrainAccuracy >= 0 && e.TrainAccuracy <= 1, e.TrainAccuracy)
	}
}

// checkPaths looks at what a search over a single-path space gives.
func checkPaths(t *testing.T, base *search.Base, r *search.Result) {
	t.Helper()
	require.Len(t, r.Supernet.Epochs, base.Epochs)
	for _, e := range r.Supernet.Epochs {
		assert.Greater(t, e.TrainLoss, 0.0)
		assert.True(t, 0 <= e.Lowest && e.Lowest <= e.TrainAccuracy && e.TrainAccuracy <= e.Highest && e.Highest <= 1, e)
	}
	p, err := space.LookupPaths(r.Space)
	require.NoError(t, err)
	require.NotNil(t, r.Evolution)
	require.NotEmpty(t, r.Evolution.Front)
	assert.Contains(t, r.Evolution.Front, r.Evolution.Chosen)
	assert.NoError(t, r.Evolution.Network.Validate())
	for _, c := range r.Evolution.Front {
		_, err := p.Parse(c.Code)
		assert.NoError(t, err)
	}
}

func TestUnknownNames(t *testing.T) {
	_, err := nas.Lookup("dart")
	assert.ErrorContains(t, err, `method "dart": expected one of darts, `)
	_, err = nas.Methods()[0].Config("huge")
	assert.ErrorContains(t, err, `profile "huge": expected one of smoke, quick, gpu, day, paper`)
}

func TestForeignAndBadConfigurations(t *testing.T) {
	darts, err := nas.Lookup("darts")
	require.NoError(t, err)
	fair, err := nas.Lookup("fairdarts")
	require.NoError(t, err)
	c, err := fair.Config(nas.Smoke)
	require.NoError(t, err)
	_, err = darts.Search(t.Context(), nil, nil, c, search.Options{})
	assert.ErrorContains(t, err, "darts: expected a configuration made by its own Config")
	base, err := fair.Base(c)
	require.NoError(t, err)
	base.Epochs = 0
	_, err = fair.Search(t.Context(), nil, nil, c, search.Options{})
	assert.ErrorContains(t, err, "fairdarts: config: epochs: expected at least 1, got 0")
	// A configuration is its caller's own.
	c.(*fairdarts.Config).Primitives[0] = "changed"
	fresh, err := fair.Config(nas.Smoke)
	require.NoError(t, err)
	assert.False(t, strings.Contains(marshal(t, fresh), "changed"))
}

// A supernet of single paths has no cells, and its notes say what its profiles have instead.
func TestNotes(t *testing.T) {
	for _, m := range nas.Methods() {
		for _, p := range nas.Profiles() {
			note := m.Note(p)
			require.NotEmpty(t, note, m.Name, p.Name)
			c, err := m.Config(p.Name)
			require.NoError(t, err)
			base, err := m.Base(c)
			require.NoError(t, err)
			if p.Name != nas.Full {
				assert.Equal(t, base.Space == "S0", strings.Contains(note, "cells"), "%s, %s: %s", m.Name, p.Name, note)
			}
		}
	}
}
