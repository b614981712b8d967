package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/regular"
	"github.com/gonas/gonas/repro/claims"
)

// Run says what ran, on what and with what.
type Run struct {
	Version string `json:"version"`
	GitHash string `json:"git_hash"`
	// Dirty is true if the working tree had changes that GitHash does not have.
	Dirty       bool           `json:"dirty"`
	GoSumSHA256 string         `json:"go_sum_sha256"`
	GoMLX       string         `json:"gomlx"`
	XLA         string         `json:"xla"`
	XLAFlags    string         `json:"xla_flags"`
	Device      string         `json:"device"`
	Profile     claims.Profile `json:"profile"`
	Seeds       []uint64       `json:"seeds"`
	// Data has the SHA-256 of every data file, by name; Set tells the data set from others.
	Data map[string]string `json:"data"`
	Set  datasets.Identity `json:"data_set"`
	// Sound are the sets of recordings of an evidence folder, by their kind; Set is then that of images, if any.
	Sound map[datasets.Kind]datasets.Identity `json:"sound_sets,omitempty"`
	Args  []string                            `json:"args"`
	// Start and End are the run's; End is zero until it ends.
	Start time.Time `json:"start"`
	End   time.Time `json:"end,omitzero"`
	// PeakMemory in bytes; 0 where the system does not tell.
	PeakMemory uint64 `json:"peak_memory_bytes"`
}

// ChangedSince names what differs between the run and now in a way that may change results: code, versions, flags and
// data; not the device, the arguments or the times.
func (r Run) ChangedSince(now Run) []string {
	var out []string
	for _, f := range []struct {
		name      string
		then, now string
	}{
		{"version", r.Version, now.Version}, {"commit", r.GitHash, now.GitHash}, {"go.sum", r.GoSumSHA256, now.GoSumSHA256},
		{"GoMLX", r.GoMLX, now.GoMLX}, {"XLA", r.XLA, now.XLA}, {"XLA_FLAGS", r.XLAFlags, now.XLAFlags},
	} {
		if f.then != f.now {
			out = append(out, fmt.Sprintf("%s (%q, now %q)", f.name, f.then, f.now))
		}
	}
	if r.Dirty || now.Dirty {
		out = append(out, "uncommitted changes")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Data)) {
		if sum, ok := now.Data[name]; ok && sum != r.Data[name] {
			out = append(out, "data file "+name)
		}
	}
	return out
}

// WriteRun writes run.json into dir, which it makes if need be; a run writes it at its start and again at its end.
func WriteRun(dir string, r Run) error { return writeJSON(dir, RunFile, r, true) }

// ReadRun reads run.json.
func ReadRun(dir string) (Run, error) { return readJSON[Run](dir, RunFile) }

// HashFile is the SHA-256 of a file in hexadecimal.
func HashFile(path string) (string, error) {
	f, err := regular.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// PeakMemory is the most memory in bytes that this process has had resident, 0 where the system does not tell.
func PeakMemory() uint64 {
	if runtime.GOOS != "linux" {
		return 0
	}
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// On is the data set of a kind; nameless where there is none.
func (r Run) On(kind datasets.Kind) datasets.Identity {
	if kind == datasets.KindImages {
		return r.Set
	}
	return r.Sound[kind]
}

// SetOn makes a data set that of a kind.
func (r *Run) SetOn(kind datasets.Kind, id datasets.Identity) {
	if kind == datasets.KindImages {
		r.Set = id
		return
	}
	sound := maps.Clone(r.Sound)
	if sound == nil {
		sound = map[datasets.Kind]datasets.Identity{}
	}
	sound[kind] = id
	r.Sound = sound
}
