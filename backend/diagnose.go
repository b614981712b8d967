package backend

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// Diagnosis is what there is to know about computing on this machine.
type Diagnosis struct {
	OK          bool              `json:"ok"`              // a backend opens and it is XLA
	Backend     *Info             `json:"backend"`         // null where none opens
	Error       string            `json:"error,omitempty"` // why none opens
	Places      []Place           `json:"places"`          // where a plug-in was looked for, in order
	Cache       CacheStatus       `json:"cache"`
	Processor   string            `json:"processor,omitempty"`
	Processors  int               `json:"processors"`        // that this process may use
	NVIDIA      bool              `json:"nvidia"`            // the machine has an NVIDIA device
	Kernels     string            `json:"kernels,omitempty"` // instructions that the CPU kernels use, where they are in use
	MallocTuned bool              `json:"malloc_tuned"`
	Modules     map[string]string `json:"modules"` // versions of GoMLX's modules in this binary
	Missing     []Missing         `json:"missing"`
}

// Missing is something that would make gonas work, or work faster.
type Missing struct {
	What    string `json:"what"`
	Command string `json:"command"` // brings or mends it
}

// Diagnose looks for a plug-in, opens the process's backend and says what it
// found and what is missing. It never fails: what went wrong is part of the answer.
func Diagnose() Diagnosis {
	d := Diagnosis{
		Processors:  runtime.NumCPU(),
		Processor:   processorName(),
		NVIDIA:      hasNVIDIA(),
		MallocTuned: MallocTuned(),
		Modules:     moduleVersions(),
		Missing:     []Missing{},
	}
	found, err := Find()
	d.Places = found.Places
	if err == nil {
		var b *Backend
		if b, err = Open(); err == nil {
			d.Backend = &b.Info
			d.OK = b.Info.Kind != KindGo
			if b.Info.Kernels {
				d.Kernels = ownKernels.instructions
			}
		}
	}
	d.Cache = CacheInfo() // after Open, which makes its folder
	if err != nil {
		d.Error = err.Error()
	}
	d.Missing = d.missing()
	return d
}

// missing concludes what is missing from the rest of d.
func (d Diagnosis) missing() []Missing {
	list := []Missing{}
	switch {
	case d.Error != "" && os.Getenv(EnvBackend) != "":
		list = append(list, Missing{"the backend that " + EnvBackend + " asks for", "unset " + EnvBackend})
	case d.Error != "":
		list = append(list, Missing{"an XLA plug-in that loads", InstallCommand})
	case d.Backend.Kind == KindGo && os.Getenv(EnvBackend) == "":
		list = append(list, Missing{"an XLA plug-in: the pure-Go backend is many times slower", InstallCommand})
	}
	if d.NVIDIA && d.Backend != nil && d.Backend.Kind != KindCUDA {
		list = append(list, Missing{"an XLA plug-in for the NVIDIA device of this machine",
			`.venv/bin/pip install "jax-cuda13-plugin[with-cuda]"`})
	}
	if d.Cache.Error != "" && d.Cache.Dir != "" {
		what := Missing{"a compile cache that can be used: " + d.Cache.Error, "export " + EnvCacheDir + "=FOLDER"}
		if strings.Contains(d.Cache.Error, "chmod 700") {
			what.Command = "chmod 700 " + d.Cache.Dir
		}
		list = append(list, what)
	}
	return list
}

// moduleVersions is the versions of GoMLX's modules that this binary was built with.
func moduleVersions() map[string]string {
	versions := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versions
	}
	wanted := []string{"github.com/gomlx/gomlx", "github.com/gomlx/compute", "github.com/gomlx/go-xla"}
	for _, dep := range info.Deps {
		if slices.Contains(wanted, dep.Path) {
			if dep.Replace != nil {
				dep = dep.Replace
			}
			versions[dep.Path] = dep.Version
		}
	}
	return versions
}

// processorName is the model of the first processor, where Linux tells it.
func processorName() string {
	for lines := bufio.NewScanner(strings.NewReader(cpuFeatures())); lines.Scan(); {
		if name, found := strings.CutPrefix(lines.Text(), "model name:"); found {
			return name
		}
	}
	return ""
}
