package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// machine describes where the numbers were taken; what cannot be found out stays empty.
type machine struct {
	CPU       string `json:"cpu"`
	Cores     int    `json:"cores"`
	VectorISA string `json:"vector_isa"`
	MemoryMB  int    `json:"memory_mb"`
	Kernel    string `json:"kernel"`
	OS        string `json:"os"`
	Virtual   bool   `json:"virtual_machine"`
	Go        string `json:"go"`
	Commit    string `json:"commit"`
	// Dirty is true when the working tree differs from Commit.
	Dirty bool `json:"dirty"`
}

// describeMachine reads Linux's /proc and asks git for the commit of dir.
func describeMachine(dir string) machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	m.CPU = field("/proc/cpuinfo", "model name", ":")
	flags := " " + field("/proc/cpuinfo", "flags", ":") + " "
	for _, isa := range []string{"avx512f", "avx2", "avx"} {
		if strings.Contains(flags, " "+isa+" ") {
			m.VectorISA = isa
			break
		}
	}
	m.Virtual = strings.Contains(flags, " hypervisor ")
	if kb, err := strconv.Atoi(strings.TrimSuffix(field("/proc/meminfo", "MemTotal", ":"), " kB")); err == nil {
		m.MemoryMB = kb / 1024
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	m.OS = strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`)
	if out, err := exec.Command("git", "-C", dir, "rev-parse", "--short=12", "HEAD").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(out))
	}
	if out, err := exec.Command("git", "-C", dir, "status", "--porcelain", "--untracked-files=no").Output(); err == nil {
		m.Dirty = len(strings.TrimSpace(string(out))) > 0
	}
	return m
}

// sentence is the description for people.
func (m machine) sentence() string {
	virtual, dirty := "", ""
	if m.Virtual {
		virtual = ", a virtual machine"
	}
	if m.Dirty {
		dirty = " with uncommitted changes"
	}
	return fmt.Sprintf("Machine: %s (%s), %d cores, %d MiB%s; %s, Linux %s; %s; commit %s%s.",
		m.CPU, m.VectorISA, m.Cores, m.MemoryMB, virtual, m.OS, m.Kernel, m.Go, m.Commit, dirty)
}

// field is the value behind the first "key<sep>" of a file, empty if there is none.
func field(path, key, sep string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		k, v, ok := strings.Cut(scanner.Text(), sep)
		if ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// loadAverage is the number of runnable processes over the last minute; -1 where the system does not tell.
func loadAverage() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return -1
	}
	first, _, _ := strings.Cut(string(b), " ")
	v, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return -1
	}
	return v
}
