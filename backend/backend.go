// Package backend opens the backend that GoMLX computes on. It finds an XLA
// plug-in and puts a thin layer between it and GoMLX: a compile cache on disk
// and, on a CPU, kernels of its own for the operations that XLA lowers badly.
// Without a plug-in everything runs on GoMLX's pure-Go backend, far slower.
//
//	b, err := backend.Open()
//	if err != nil { … }
//	exec := graph.MustNewExec(b.Backend, func(x *graph.Node) *graph.Node { … })
package backend

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
)

// InstallCommand is the command that brings a plug-in for this user.
const InstallCommand = "gonas doctor --install"

// Backend is an open backend with what was found on the way to it.
type Backend struct {
	// Backend is what GoMLX computes on. A field and not embedded: GoMLX refuses
	// a result as the next input unless both belong to the identical value.
	Backend compute.Backend
	Info    Info
	// peakMemory asks the plug-in; nil where there is none.
	peakMemory func() (int64, error)
}

// PeakMemory is the most bytes that the first device has had in use since the process started, without what the plug-in
// sets aside unused. Plug-ins for a CPU do not tell.
func (b *Backend) PeakMemory() (int64, error) {
	if b.peakMemory == nil {
		return 0, fmt.Errorf("backend %s: does not tell how much memory was in use", b.Info.Kind)
	}
	return b.peakMemory()
}

// Device says in one line what computes: the GPU, or the processor's model with the number of threads that its programs may
// use; where Linux does not tell the model, the architecture.
func (b *Backend) Device() string {
	if b.Info.Kind == KindCUDA && len(b.Info.Devices) > 0 {
		return b.Info.Devices[0]
	}
	threads := runtime.NumCPU()
	if n, err := threadsFromEnvironment(); err == nil && n > 0 {
		threads = n
	}
	device := fmt.Sprintf("%s, %d threads", cmp.Or(processorName(), runtime.GOARCH), threads)
	if b.Info.Kind == KindGo {
		device += ", pure Go"
	}
	return device
}

// Info says what a Backend is.
type Info struct {
	Kind          string   `json:"kind"` // KindGo, KindCPU, KindCUDA
	PluginPath    string   `json:"plugin_path,omitempty"`
	PluginVersion string   `json:"plugin_version,omitempty"` // package, PJRT interface and platform, as far as they are known
	Source        string   `json:"source"`                   // the place that gave the plug-in
	Devices       []string `json:"devices"`                  // descriptions, in GoMLX's order
	Kernels       bool     `json:"kernels"`                  // CPU kernels in use
	CacheDir      string   `json:"cache_dir,omitempty"`      // compile cache in use
	CacheError    string   `json:"cache_error,omitempty"`    // why there is none
	Warning       string   `json:"warning,omitempty"`        // what the user should know, "" if nothing
}

// EnvThreads names the variable that sets the size of XLA's thread pool on a
// CPU. The client then shows one device. Without it the pool has a thread a
// processor, at least four, and the client four devices.
const EnvThreads = "GONAS_THREADS"

// threadsFromEnvironment is EnvThreads, or 0 where it is not set.
func threadsFromEnvironment() (int, error) {
	text := os.Getenv(EnvThreads)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s=%q: expected a number of threads above 0", EnvThreads, text)
	}
	return n, nil
}

// Options changes what OpenWith opens. The zero value is what Open does.
type Options struct {
	Plugin    string // path of a plug-in, or "go" for the pure-Go backend; "" searches as Find does
	CacheDir  string // folder of the compile cache, "off" for none; "" follows the environment
	CacheMax  int64  // bound on the cache's bytes; 0 follows the environment
	NoKernels bool   // leave every operation to XLA
	Threads   int    // size of XLA's thread pool on a CPU, with one device then; 0 follows the environment
}

// Warn receives the lines that a user should see, without a newline. It may be
// replaced before the first Open; it is called from many goroutines.
var Warn = func(line string) { fmt.Fprintln(os.Stderr, "gonas: "+line) }

var openOnce = sync.OnceValues(func() (*Backend, error) { return OpenWith(Options{}) })

// Open returns the process's backend, opened at the first call. Where no
// plug-in is found it is the pure-Go one and a line of warning names the
// command that brings a plug-in. An error means that a plug-in was found or
// asked for and cannot be used.
func Open() (*Backend, error) { return openOnce() }

// OpenWith opens a backend of its own, for tests and tools; programs use Open.
func OpenWith(options Options) (*Backend, error) {
	var found Found
	switch options.Plugin {
	case "":
		var err error
		if found, err = Find(); err != nil {
			return nil, err
		}
		for _, place := range found.Places {
			if place.Refused != "" {
				Warn(fmt.Sprintf("the plug-in in %s was passed over, for it would be run as code: %s", place.Path, place.Refused))
			}
		}
	case KindGo:
		found = Found{Kind: KindGo, Source: "options"}
	default:
		found = Found{Kind: kindOf(pluginName(options.Plugin)), Path: options.Plugin, Source: "options"}
	}
	if found.Kind == KindGo {
		return openGo(found, "")
	}
	b, err := openXLA(found, options)
	if errors.Is(err, errNoXLA) && options.Plugin == "" && os.Getenv(EnvBackend) == "" {
		return openGo(found, err.Error())
	}
	return b, err
}

// openGo opens the pure-Go backend; why says what stands in the way of a plug-in that was found.
func openGo(found Found, why string) (*Backend, error) {
	// With operations side by side it deadlocks: a convolution waits for a worker that its own caller holds.
	inner, err := gobackend.New("ops_sequential")
	if err != nil {
		return nil, fmt.Errorf("pure-Go backend: %w", err)
	}
	b := &Backend{Backend: inner, Info: Info{Kind: KindGo, Source: found.Source}}
	b.Info.Devices = devices(inner)
	b.Info.CacheError = "the pure-Go backend does not compile"
	switch {
	case why != "":
		b.Info.Warning = why + ": using the pure-Go backend, many times slower"
	case found.Source == "":
		b.Info.Warning = "no XLA plug-in found: using the pure-Go backend, many times slower; `" + InstallCommand + "` installs one for this user"
	}
	if b.Info.Warning != "" {
		Warn(b.Info.Warning)
	}
	return b, nil
}

func devices(b compute.Backend) []string {
	list := make([]string, b.NumDevices())
	for i := range list {
		list[i] = b.DeviceDescription(compute.DeviceNum(i))
	}
	return list
}

// errNoXLA says that this binary cannot load plug-ins.
var errNoXLA = errors.New("this binary was built without cgo or not for Linux and cannot load an XLA plug-in")
