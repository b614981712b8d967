package backend

import (
	"maps"
	"sync"
	"time"
)

// Stats counts what became of the programs handed to XLA since the process
// started, over all backends of the process. The pure-Go backend does not
// compile and is not counted.
type Stats struct {
	Compilations int64         `json:"compilations"`    // programs compiled by the plug-in
	CacheHits    int64         `json:"cache_hits"`      // programs loaded from the cache on disk
	CacheMisses  int64         `json:"cache_misses"`    // programs looked up and not found, or found unusable
	Rejected     int64         `json:"rejected"`        // cache entries found and not usable: damaged, truncated, foreign
	Stored       int64         `json:"stored"`          // entries written to the cache
	Fallbacks    int64         `json:"fallbacks"`       // programs that compiled only without the CPU kernels
	CompileTime  time.Duration `json:"compile_ns"`      // summed over parallel compilations
	CompileWall  time.Duration `json:"compile_wall_ns"` // time during which at least one compilation was under way
	LoadTime     time.Duration `json:"load_ns"`         // reading and loading of hits, summed likewise

	// Kernels counts operations that were replaced by a CPU kernel, by kernel.
	Kernels map[string]int `json:"kernels,omitempty"`
}

// Sub returns what happened between the snapshot earlier and s.
func (s Stats) Sub(earlier Stats) Stats {
	d := Stats{
		Compilations: s.Compilations - earlier.Compilations,
		CacheHits:    s.CacheHits - earlier.CacheHits,
		CacheMisses:  s.CacheMisses - earlier.CacheMisses,
		Rejected:     s.Rejected - earlier.Rejected,
		Stored:       s.Stored - earlier.Stored,
		Fallbacks:    s.Fallbacks - earlier.Fallbacks,
		CompileTime:  s.CompileTime - earlier.CompileTime,
		CompileWall:  s.CompileWall - earlier.CompileWall,
		LoadTime:     s.LoadTime - earlier.LoadTime,
		Kernels:      map[string]int{},
	}
	for name, n := range s.Kernels {
		if n -= earlier.Kernels[name]; n != 0 {
			d.Kernels[name] = n
		}
	}
	return d
}

var counters struct {
	sync.Mutex
	Stats
	compiling int       // compilations under way
	since     time.Time // when the first of them began
}

// count changes the process's counters under their lock.
func count(change func(*Stats)) {
	counters.Lock()
	defer counters.Unlock()
	if counters.Kernels == nil {
		counters.Kernels = map[string]int{}
	}
	change(&counters.Stats)
}

// CompileStats returns a snapshot of the process's counters.
func CompileStats() Stats {
	counters.Lock()
	defer counters.Unlock()
	s := counters.Stats
	s.Kernels = maps.Clone(s.Kernels)
	return s
}
