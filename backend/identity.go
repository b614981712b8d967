package backend

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

const identitySuffix = ".id"

// pluginIdentity is the SHA-256 of a plug-in's file. Hashing 200 MB takes a
// second on a small machine, so the cache keeps the sum under the file's path,
// size and time.
func pluginIdentity(path string, cache *diskCache) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", err
	}
	name := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d", real, info.Size(), info.ModTime().UnixNano()))
	kept := filepath.Join(cache.dir, "plugin-"+hex.EncodeToString(name[:16])+identitySuffix)
	if data, err := os.ReadFile(kept); err == nil && len(data) == 2*sha256.Size {
		return string(data), nil
	}
	file, err := os.Open(real)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("%s: %w", real, err)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	_ = writeAtomic(kept, []byte(sum), 0o600) // hashed again next time
	return sum, nil
}

// hostIdentity describes what compiled code depends on besides program and
// plug-in: the processor and its features, and how many of them XLA may use,
// since it cuts work into as many parts at compile time.
func hostIdentity() string {
	var id strings.Builder
	fmt.Fprintf(&id, "%s/%s cpus=%d", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for _, name := range []string{"PJRT_NPROC", "NPROC", "OMP_NUM_THREADS"} {
		fmt.Fprintf(&id, " %s=%s", name, os.Getenv(name))
	}
	id.WriteString("\n" + cpuFeatures())
	return id.String()
}

// cpuFeatures is the model and the features of the first processor, as Linux
// lists them, or "" elsewhere.
func cpuFeatures() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	first, _, _ := bytes.Cut(data, []byte("\n\n"))
	var features strings.Builder
	lines := bufio.NewScanner(bytes.NewReader(first))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch strings.TrimSpace(name) {
		case "vendor_id", "cpu family", "model", "model name", "stepping", "flags", "Features", "CPU implementer", "CPU part":
			fmt.Fprintf(&features, "%s:%s\n", strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return features.String()
}

// xlaFlags is XLA_FLAGS, with the file's content where it names a file as XLA allows.
func xlaFlags() string {
	flags := strings.TrimSpace(os.Getenv("XLA_FLAGS"))
	if flags != "" && !strings.HasPrefix(flags, "-") {
		if data, err := os.ReadFile(flags); err == nil {
			flags += "\n" + string(data)
		}
	}
	return flags
}

var moduleName = regexp.MustCompile(`^(\s*module @)(?:"[^"]*"|[\w.$-]+)`)

// programKey is the cache's key of a program. The module's name is left out:
// GoMLX numbers its graphs in the order of their making.
func programKey(program, options []byte, environment string) cacheKey {
	hash := sha256.New()
	part := func(data []byte) {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(data)))
		hash.Write(n[:])
		hash.Write(data)
	}
	part(moduleName.ReplaceAll(program, []byte("${1}_")))
	part(options)
	part([]byte(environment))
	return cacheKey(hash.Sum(nil))
}
