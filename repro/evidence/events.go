package evidence

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gonas/gonas/nas/run"
)

// Event is one line of events.jsonl.
type Event struct {
	Time time.Time       `json:"time"`
	Kind string          `json:"kind"`
	Data json.RawMessage `json:"data,omitempty"`
}

// Events is the log of a run: only ever appended to, every line handed to the system at once, so that a killed run
// loses at most the line it was writing. It is for one goroutine.
type Events struct {
	f   *os.File
	now func() time.Time
	err error
}

// OpenEvents opens the log of dir to append to it, and makes both if need be. What a killed run left of its last line
// is cut off.
func OpenEvents(dir string) (*Events, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, EventsFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if err == nil {
		if whole := bytes.LastIndexByte(b, '\n') + 1; whole < len(b) {
			err = f.Truncate(int64(whole))
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Events{f: f, now: time.Now}, nil
}

// Append writes one line; data is anything that JSON can hold, nil for nothing.
func (e *Events) Append(kind string, data any) error {
	ev := Event{Time: e.now().UTC(), Kind: kind}
	var err error
	if data != nil {
		ev.Data, err = json.Marshal(data)
	}
	var line []byte
	if err == nil {
		line, err = json.Marshal(ev)
	}
	if err == nil {
		_, err = e.f.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("%s: event %s: %w", e.f.Name(), kind, err)
	}
	return nil
}

// Listener writes a run's events, of its steps only each one of every (1 for all, 0 for none). The first error
// is kept for Close, for a listener can't return it.
func (e *Events) Listener(every int) run.Listener {
	return func(ev run.Event) {
		if ev.Kind == run.EventStep && (every <= 0 || ev.Step%every != 0) {
			return
		}
		if err := e.Append(ev.Kind, ev); err != nil && e.err == nil {
			e.err = err
		}
	}
}

// Close closes the log and returns the first error that a listener met.
func (e *Events) Close() error { return errors.Join(e.err, e.f.Close()) }

// AppendEvent appends one line to the log of dir.
func AppendEvent(dir, kind string, data any) error {
	e, err := OpenEvents(dir)
	if err != nil {
		return err
	}
	return errors.Join(e.Append(kind, data), e.Close())
}

// ReadEvents reads the log of dir. A last line without its end, of a run that was killed or still goes on, is left
// out; any other line that is no event is an error.
func ReadEvents(dir string) ([]Event, error) {
	path := filepath.Join(dir, EventsFile)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []Event
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, n, err)
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("%s: line %d: expected an event: %w", path, n, err)
		}
		out = append(out, e)
	}
}
