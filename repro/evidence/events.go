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

	"github.com/gonas/gonas/internal/regular"
	"github.com/gonas/gonas/nas/run"
)

// EventLost is the kind of an event that says how many lines could not be written before it.
const EventLost = "lost"

// Event is one line of events.jsonl.
type Event struct {
	Time time.Time       `json:"time"`
	Kind string          `json:"kind"`
	Data json.RawMessage `json:"data,omitempty"`
}

// Events is the log of a run: only ever appended to, every line handed to the system at once, so that a killed run
// loses at most the line it was writing. It is for one goroutine.
type Events struct {
	f    logFile
	now  func() time.Time
	size int64 // of the whole lines
	lost int   // lines that could not be written since the last one that could
	err  error // why the first of them could not
}

// logFile is what a log needs of its file.
type logFile interface {
	io.WriteCloser
	Name() string
	Truncate(size int64) error
}

// OpenEvents opens the log of dir to append to it, and makes both if need be. What a killed run left of its last line
// is cut off.
func OpenEvents(dir string) (*Events, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, EventsFile)
	f, err := regular.Edit(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	e := &Events{f: f, now: time.Now}
	if e.size, err = wholeLines(f); err == nil {
		err = f.Truncate(e.size)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

// wholeLines is the number of bytes up to the last end of a line.
func wholeLines(r io.Reader) (whole int64, err error) {
	buffer := make([]byte, 1<<16)
	for at := int64(0); ; {
		n, err := r.Read(buffer)
		if i := bytes.LastIndexByte(buffer[:n], '\n'); i >= 0 {
			whole = at + int64(i) + 1
		}
		if at += int64(n); err == io.EOF {
			return whole, nil
		}
		if err != nil {
			return whole, err
		}
	}
}

// Append writes one line; data is anything that JSON can hold, nil for nothing. Where a line could not be written, on a disk
// that was full for a moment, what there is of it is cut off, and the next one that can be written is preceded by an event
// "lost" that says how many are missing and why.
func (e *Events) Append(kind string, data any) error {
	ev := Event{Time: e.now().UTC(), Kind: kind}
	var err error
	if data != nil {
		ev.Data, err = json.Marshal(data)
	}
	var text []byte
	if err == nil && e.lost > 0 {
		text, err = json.Marshal(Event{ev.Time, EventLost, fmt.Appendf(nil, `{"lines":%d,"why":%q}`, e.lost, e.err.Error())})
		text = append(text, '\n')
	}
	var line []byte
	if err == nil {
		line, err = json.Marshal(ev)
	}
	if err == nil {
		text = append(append(text, line...), '\n')
		if _, err = e.f.Write(text); err == nil {
			e.size += int64(len(text))
			e.lost, e.err = 0, nil
			return nil
		}
		_ = e.f.Truncate(e.size)
	}
	err = fmt.Errorf("%s: event %s: %w", e.f.Name(), kind, err)
	if e.lost++; e.err == nil {
		e.err = err
	}
	return err
}

// Listener writes a run's events, of its steps only each one of every (1 for all, 0 for none). An error is kept for Close, for
// a listener can't return it, until a line can be written again.
func (e *Events) Listener(every int) run.Listener {
	return func(ev run.Event) {
		if ev.Kind == run.EventStep && (every <= 0 || ev.Step%every != 0) {
			return
		}
		_ = e.Append(ev.Kind, ev)
	}
}

// Close closes the log. Where its last lines could not be written the error says why.
func (e *Events) Close() error { return errors.Join(e.err, e.f.Close()) }

// AppendEvent appends one line to the log of dir.
func AppendEvent(dir, kind string, data any) error {
	e, err := OpenEvents(dir)
	if err != nil {
		return err
	}
	err = e.Append(kind, data)
	return errors.Join(err, e.f.Close())
}

// ReadEvents reads the log of dir. A last line without its end, of a run that was killed or still goes on, is left
// out; any other line that is no event is an error.
func ReadEvents(dir string) ([]Event, error) {
	path := filepath.Join(dir, EventsFile)
	f, err := regular.Open(path)
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
