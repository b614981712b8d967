package backend

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Environment variables that say which backend to take and where plug-ins are;
// both are GoMLX's own.
const (
	EnvBackend    = "GOMLX_BACKEND"
	EnvPluginPath = "PJRT_PLUGIN_LIBRARY_PATH"
)

// Kinds of backend.
const (
	KindGo   = "go"       // GoMLX's pure-Go backend
	KindCPU  = "xla-cpu"  // XLA on the processor
	KindCUDA = "xla-cuda" // XLA on an NVIDIA GPU
)

// Place is one place where a plug-in was looked for.
type Place struct {
	Source string `json:"source"`          // why it was looked at
	Path   string `json:"path"`            // folder, or the file that a variable names
	Found  string `json:"found,omitempty"` // plug-in taken from it
	Note   string `json:"note,omitempty"`  // what else there is to say
	// Refused says why a plug-in that lies there was not taken: another user could have put it there, and it is run as code.
	Refused string `json:"refused,omitempty"`
}

// Found is the outcome of a search for a plug-in.
type Found struct {
	Kind    string  `json:"kind"`              // KindGo where there is no plug-in
	Path    string  `json:"path,omitempty"`    // absolute path of the plug-in
	Options string  `json:"options,omitempty"` // options after the plug-in's name in GOMLX_BACKEND, with their comma
	Source  string  `json:"source"`            // the Source of the place that gave it
	Places  []Place `json:"places"`            // every place looked at, in order
}

// finder holds what a search depends on, so that tests can set it.
type finder struct {
	getenv     func(string) string
	workDir    string
	executable string
	home       string
	system     string // root of /usr/local/lib
	hasGPU     func() bool
}

func newFinder() finder {
	f := finder{getenv: os.Getenv, system: "/usr/local/lib", hasGPU: hasNVIDIA}
	f.workDir, _ = os.Getwd()
	f.home, _ = os.UserHomeDir()
	if exe, err := os.Executable(); err == nil {
		f.executable = exe
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			f.executable = real
		}
	}
	return f
}

// Find looks for an XLA plug-in and takes the first that it finds: what
// GOMLX_BACKEND names, the folders of PJRT_PLUGIN_LIBRARY_PATH, go-xla's own
// folders, .venv beside the binary and one folder up, .venv beside a go.mod
// found by walking up from the working directory, the user's data folder.
// Within a folder a CUDA plug-in is taken before a CPU one where the machine has
// an NVIDIA device, and never where it has none. Outside the variables' folders
// a plug-in that another user could have put there is passed over (see trusted).
//
// Finding nothing is no error: Kind is then KindGo. An error means that
// GOMLX_BACKEND asks for something that is not there.
func Find() (Found, error) {
	return newFinder().find()
}

func (f finder) find() (Found, error) {
	var found Found
	want := "" // plug-in name asked for by GOMLX_BACKEND
	if config := f.getenv(EnvBackend); config != "" {
		source := "$" + EnvBackend
		name, rest, _ := strings.Cut(config, ":")
		switch name {
		case "go":
			found.Places = append(found.Places, Place{Source: source, Path: config, Note: "asks for the pure-Go backend"})
			found.Kind, found.Source = KindGo, source
			return found, nil
		case "xla", "stablehlo", "shlo", "hlo":
		default:
			return found, fmt.Errorf("%s=%q: unknown backend %q, expected go, xla or xla:PLUGIN", EnvBackend, config, name)
		}
		plugin, options, has := strings.Cut(rest, ",")
		if has {
			found.Options = "," + options
		}
		if strings.ContainsRune(plugin, filepath.Separator) {
			path, err := filepath.Abs(plugin)
			if err != nil {
				return found, fmt.Errorf("%s=%q: %w", EnvBackend, config, err)
			}
			found.Places = append(found.Places, Place{Source: source, Path: path})
			if info, err := os.Stat(path); err != nil {
				return found, fmt.Errorf("%s=%q: no such plug-in: %w", EnvBackend, config, err)
			} else if !info.Mode().IsRegular() {
				return found, fmt.Errorf("%s=%q: %s is not a file", EnvBackend, config, path)
			}
			found.Places[len(found.Places)-1].Found = path
			found.Kind, found.Path, found.Source = kindOf(pluginName(path)), path, source
			return found, nil
		}
		want = plugin
		found.Places = append(found.Places, Place{Source: source, Path: config, Note: "names no file: the places below are searched"})
	}
	for _, place := range f.places() {
		if found.Path == "" {
			path, note := f.search(place, want)
			if path != "" && !place.named {
				if err := trusted(path); err != nil {
					place.Refused = err.Error()
					path, note = "", fmt.Sprintf("%s not taken, for it would be run as code: %v", filepath.Base(path), err)
				}
			}
			place.Found, place.Note = path, note
			if path != "" {
				found.Kind, found.Path, found.Source = kindOf(pluginName(path)), path, place.Source
			}
		} else {
			place.Note = "not looked at: found before"
		}
		found.Places = append(found.Places, place.Place)
	}
	if found.Path == "" {
		if want != "" {
			return found, fmt.Errorf("%s=%q: no plug-in of this name in any of the %d places looked at",
				EnvBackend, f.getenv(EnvBackend), len(found.Places)-1)
		}
		found.Kind = KindGo
	}
	return found, nil
}

// candidate is a place and the patterns, relative to it, of plug-ins.
type candidate struct {
	Place
	patterns []string
	named    bool // by the user, who trusts it
}

var (
	flatPatterns = []string{"*.so"}
	// A wheel keeps its plug-in in its own folder, or in one of jax_plugins.
	venvPatterns = []string{
		"lib/python3*/site-packages/*/*.so",
		"lib/python3*/site-packages/jax_plugins/*/*.so",
	}
)

// places lists where to look, in order.
func (f finder) places() []candidate {
	var all []candidate
	add := func(source, path string, patterns []string) {
		if path == "" || slices.ContainsFunc(all, func(c candidate) bool { return c.Path == path }) {
			return
		}
		all = append(all, candidate{Place{Source: source, Path: path}, patterns, source == "$"+EnvPluginPath})
	}
	for _, dir := range filepath.SplitList(f.getenv(EnvPluginPath)) {
		add("$"+EnvPluginPath, dir, flatPatterns)
	}
	if f.home != "" {
		for _, dir := range []string{"go-xla", "go-xla/nvidia", "gomlx/pjrt"} {
			add("go-xla's folder", filepath.Join(f.home, ".local/lib", dir), flatPatterns)
		}
	}
	for _, dir := range []string{"go-xla", "go-xla/nvidia", "gomlx/pjrt"} {
		add("go-xla's folder", filepath.Join(f.system, dir), flatPatterns)
	}
	if f.executable != "" {
		dir := filepath.Dir(f.executable)
		add(".venv beside the binary", filepath.Join(dir, ".venv"), venvPatterns)
		add(".venv beside the binary", filepath.Join(filepath.Dir(dir), ".venv"), venvPatterns)
	}
	for dir := f.workDir; dir != ""; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			add(".venv beside go.mod", filepath.Join(dir, ".venv"), venvPatterns)
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if dir := f.dataDir(); dir != "" {
		add("user data folder", filepath.Join(dir, "plugin"), flatPatterns)
	}
	return all
}

// dataDir is this user's data folder of gonas, or "" where there is no home.
func (f finder) dataDir() string {
	if dir := f.getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "gonas")
	}
	if f.home == "" {
		return ""
	}
	return filepath.Join(f.home, ".local/share/gonas")
}

// search returns the best plug-in of a place, or why there is none.
func (f finder) search(place candidate, want string) (path, note string) {
	info, err := os.Stat(place.Path)
	if err != nil {
		return "", "does not exist"
	}
	patterns, root := place.patterns, place.Path
	if !info.IsDir() { // a variable may name the file itself
		root, patterns = filepath.Dir(place.Path), []string{filepath.Base(place.Path)}
	}
	best := 0
	for _, pattern := range patterns {
		files, _ := filepath.Glob(filepath.Join(escapeGlob(root), pattern))
		for _, file := range files {
			name := pluginName(file)
			if name == "" || want != "" && name != want && !strings.HasPrefix(name, want+"_v") {
				continue
			}
			if real, err := os.Stat(file); err != nil || !real.Mode().IsRegular() {
				note = fmt.Sprintf("%s is not a readable file", filepath.Base(file))
				continue
			}
			rank := 1
			switch kindOf(name) {
			case KindCUDA:
				if !f.hasGPU() && want == "" {
					note = "holds a CUDA plug-in, but no NVIDIA device was found"
					continue
				}
				rank = 3
			case KindCPU:
				rank = 2
			default:
				if want == "" {
					continue
				}
			}
			if rank > best {
				best, path = rank, file
			}
		}
	}
	if path == "" && note == "" {
		note = "holds no plug-in"
	}
	if path != "" {
		note = ""
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
	}
	return path, note
}

var globMeta = regexp.MustCompile(`[*?\[\\]`)

// escapeGlob quotes what filepath.Glob would expand in a folder's name.
func escapeGlob(path string) string {
	return globMeta.ReplaceAllString(path, `\$0`)
}

var pluginNames = regexp.MustCompile(`^(?:pjrt_c_api_(.+)_plugin|pjrt[-_]plugin[-_](.+)|xla_(.+)_plugin)\.so$`)

// pluginName is the platform in a plug-in's file name ("cpu" of
// pjrt_c_api_cpu_plugin.so), or "" where the name is not a plug-in's.
func pluginName(path string) string {
	match := pluginNames.FindStringSubmatch(filepath.Base(path))
	if match == nil {
		return ""
	}
	return match[1] + match[2] + match[3]
}

// kindOf is the kind of backend of a plug-in's name; a name that says nothing
// is taken for a CPU plug-in until its platform is known.
func kindOf(name string) string {
	lower := strings.ToLower(name)
	switch {
	case strings.Contains(lower, "cuda"), strings.Contains(lower, "gpu"):
		return KindCUDA
	case lower == "", strings.Contains(lower, "cpu"):
		return KindCPU
	default:
		return "xla-" + lower
	}
}

// hasNVIDIA tells whether the machine has an NVIDIA device.
var hasNVIDIA = sync.OnceValue(func() bool {
	if runtime.GOOS != "linux" {
		return false
	}
	if devices, _ := filepath.Glob("/dev/nvidia[0-9]*"); len(devices) > 0 {
		return true
	}
	// Under WSL there is no /dev/nvidia*.
	path, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return false
	}
	return exec.Command(path, "-L").Run() == nil
})

// gpuModels are the names of the NVIDIA GPUs that the driver tells of in a folder, each once.
func gpuModels(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(escapeGlob(dir), "*", "information"))
	var models []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if model, ok := strings.CutPrefix(line, "Model:"); ok {
				models = append(models, strings.TrimSpace(model))
			}
		}
	}
	slices.Sort(models)
	return slices.Compact(models)
}
