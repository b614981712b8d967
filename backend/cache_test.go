package backend

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*"+entrySuffix))
	require.NoError(t, err)
	return list
}

// noLeftovers asserts that a folder holds whole entries and nothing half-written.
func noLeftovers(t *testing.T, dir string) {
	t.Helper()
	temps, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
	require.NoError(t, err)
	assert.Empty(t, temps)
	for _, path := range entries(t, dir) {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		var key cacheKey
		_, err = fmt.Sscanf(filepath.Base(path), "%64x", (*hexKey)(&key))
		require.NoError(t, err)
		_, err = decodeEntry(key, data)
		assert.NoError(t, err, path)
	}
}

// hexKey reads a key from a file's name.
type hexKey cacheKey

func (k *hexKey) Scan(state fmt.ScanState, _ rune) error {
	text, err := state.Token(true, func(r rune) bool { return r != '.' })
	if err != nil {
		return err
	}
	var b []byte
	if _, err := fmt.Sscanf(string(text), "%x", &b); err != nil {
		return err
	}
	copy(k[:], b)
	return nil
}

func TestSecondProcessCompilesNothing(t *testing.T) {
	needXLA(t)
	dir := filepath.Join(t.TempDir(), "deep", "cache")
	first, _ := runChild(t, "run", EnvCacheDir+"="+dir)
	assert.EqualValues(t, 3, first.Stats.Compilations)
	assert.EqualValues(t, 3, first.Stats.CacheMisses)
	assert.EqualValues(t, 3, first.Stats.Stored)
	assert.Zero(t, first.Stats.CacheHits)
	assert.Positive(t, first.Stats.CompileTime)
	assert.Len(t, entries(t, dir), 3)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	second, warnings := runChild(t, "run", EnvCacheDir+"="+dir)
	assert.Zero(t, second.Stats.Compilations)
	assert.Zero(t, second.Stats.CacheMisses)
	assert.EqualValues(t, 3, second.Stats.CacheHits)
	assert.Positive(t, second.Stats.LoadTime)
	assert.Empty(t, warnings)
	assert.Equal(t, first.Numbers, second.Numbers, "bit for bit")

	for _, change := range []string{"XLA_FLAGS=--xla_cpu_enable_fast_math=true", EnvThreads + "=1"} {
		other, _ := runChild(t, "run", EnvCacheDir+"="+dir, change)
		assert.EqualValues(t, 3, other.Stats.Compilations, change)
	}

	off, _ := runChild(t, "run", EnvCacheDir+"=off")
	assert.EqualValues(t, 3, off.Stats.Compilations)
	assert.Contains(t, off.Info.CacheError, "off")

	t.Setenv(EnvCacheDir, dir)
	status := CacheInfo()
	assert.Equal(t, 9, status.Entries)
	require.NotNil(t, status.LastRun)
	assert.EqualValues(t, 3, status.LastRun.CacheMisses)
}

func TestProcessesShareCache(t *testing.T) {
	needXLA(t)
	dir := filepath.Join(t.TempDir(), "cache")
	var waits []func() (report, string)
	for range 4 {
		waits = append(waits, startChild(t, "run", "", EnvCacheDir+"="+dir))
	}
	var all []report
	for _, wait := range waits {
		r, warnings := wait()
		assert.Empty(t, warnings)
		assert.EqualValues(t, 3, r.Stats.Compilations+r.Stats.CacheHits)
		assert.Zero(t, r.Stats.Rejected)
		all = append(all, r)
	}
	for _, r := range all[1:] {
		assert.Equal(t, all[0].Numbers, r.Numbers)
	}
	assert.Len(t, entries(t, dir), 3)
	noLeftovers(t, dir)
	last, _ := runChild(t, "run", EnvCacheDir+"="+dir)
	assert.Zero(t, last.Stats.Compilations)
}

func TestUnusableEntryIsRecompiled(t *testing.T) {
	needXLA(t)
	silence(t)
	edit := func(change func([]byte) []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, change(data), 0o600))
		}
	}
	flip := func(at func(n int) int) func(t *testing.T, path string) {
		return edit(func(data []byte) []byte { data[at(len(data))] ^= 0x10; return data })
	}
	var key cacheKey
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, path string)
	}{
		{"empty", edit(func([]byte) []byte { return nil })},
		{"header only", edit(func(data []byte) []byte { return data[:headerSize] })},
		{"truncated in the header", edit(func(data []byte) []byte { return data[:headerSize/2] })},
		{"truncated in the payload", edit(func(data []byte) []byte { return data[:len(data)*2/3] })},
		{"last byte missing", edit(func(data []byte) []byte { return data[:len(data)-1] })},
		{"longer", edit(func(data []byte) []byte { return append(data, 0) })},
		{"magic", flip(func(int) int { return 0 })},
		{"version", flip(func(int) int { return len(entryMagic) })},
		{"length", flip(func(int) int { return len(entryMagic) + 4 })},
		{"key", flip(func(int) int { return len(entryMagic) + 12 })},
		{"checksum", flip(func(int) int { return headerSize - 1 })},
		{"payload's first byte", flip(func(int) int { return headerSize })},
		{"payload's last byte", flip(func(n int) int { return n - 1 })},
		{"another file", edit(func([]byte) []byte { return []byte(strings.Repeat("someone else's\n", 50)) })},
		{"another program's entry", edit(func(data []byte) []byte { return encodeEntry(cacheKey{1}, data[headerSize:]) })},
		{"sound entry of another compiler", edit(func([]byte) []byte { return encodeEntry(key, []byte("not an executable of this plug-in")) })},
		{"sound entry of nothing", edit(func([]byte) []byte { return encodeEntry(key, nil) })},
		{"symbolic link", func(t *testing.T, path string) {
			moved := filepath.Join(t.TempDir(), "elsewhere")
			require.NoError(t, os.Rename(path, moved))
			require.NoError(t, os.Symlink(moved, path))
		}},
		{"pipe", func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, syscall.Mkfifo(path, 0o600))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			run := func() ([]float32, Stats) {
				b, err := OpenWith(Options{CacheDir: dir})
				require.NoError(t, err)
				before := CompileStats()
				n, err := numbers(b.Backend, 1)
				require.NoError(t, err)
				return n, CompileStats().Sub(before)
			}
			want, stats := run()
			require.EqualValues(t, 1, stats.Stored)
			path := entries(t, dir)[0]
			_, err := fmt.Sscanf(filepath.Base(path), "%64x", (*hexKey)(&key))
			require.NoError(t, err)

			test.spoil(t, path)
			got, stats := run()
			assert.Equal(t, want, got)
			assert.EqualValues(t, 1, stats.Rejected)
			assert.EqualValues(t, 1, stats.Compilations)
			assert.EqualValues(t, 1, stats.Stored, "the entry is replaced")
			noLeftovers(t, dir)

			got, stats = run()
			assert.Equal(t, want, got)
			assert.EqualValues(t, 1, stats.CacheHits)
			assert.Zero(t, stats.Compilations)
		})
	}
}

func TestFullDiskCostsOnlyTheCache(t *testing.T) {
	needXLA(t)
	dir := filepath.Join(t.TempDir(), "cache")
	full, warnings := runChild(t, "full", EnvCacheDir+"="+dir)
	assert.EqualValues(t, 3, full.Stats.Compilations)
	assert.Zero(t, full.Stats.Stored)
	assert.Equal(t, 1, strings.Count(warnings, "\n"), warnings)
	assert.Contains(t, warnings, "cannot write")
	assert.Contains(t, warnings, dir)
	assert.Empty(t, entries(t, dir))
	noLeftovers(t, dir)

	sound, _ := runChild(t, "run", EnvCacheDir+"="+dir)
	assert.Equal(t, sound.Numbers, full.Numbers)
	assert.EqualValues(t, 3, sound.Stats.Stored)
	// What is stored can still be read on a full disk.
	full, warnings = runChild(t, "full", EnvCacheDir+"="+dir)
	assert.EqualValues(t, 3, full.Stats.CacheHits)
	assert.Empty(t, warnings)
}

func TestFolderThatOthersReachIsRefused(t *testing.T) {
	path := needXLA(t)
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		message string
	}{
		{"everybody writes", func(t *testing.T, dir string) { require.NoError(t, os.Chmod(dir, 0o777)) }, "0777"},
		{"group writes", func(t *testing.T, dir string) { require.NoError(t, os.Chmod(dir, 0o770)) }, "0770"},
		{"others read", func(t *testing.T, dir string) { require.NoError(t, os.Chmod(dir, 0o755)) }, "expected 0700"},
		{"somebody else's", func(t *testing.T, dir string) {
			if os.Getuid() != 0 {
				t.Skip("only root can give a folder away")
			}
			require.NoError(t, os.Chown(dir, 12345, -1))
		}, "belongs to user 12345"},
		{"folder above", func(t *testing.T, dir string) { require.NoError(t, os.Chmod(filepath.Dir(dir), 0o777)) }, "every user can write to"},
		{"a file", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(dir))
			require.NoError(t, os.WriteFile(dir, nil, 0o700))
		}, "not a folder"},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines := silence(t)
			dir := filepath.Join(t.TempDir(), "above", "cache")
			require.NoError(t, os.MkdirAll(dir, 0o700))
			test.prepare(t, dir)
			b, err := OpenWith(Options{Plugin: path, CacheDir: dir})
			require.NoError(t, err)
			assert.Empty(t, b.Info.CacheDir)
			assert.Contains(t, b.Info.CacheError, test.message)
			assert.Contains(t, b.Info.CacheError, dir)
			require.Len(t, *lines, 1)
			assert.Contains(t, (*lines)[0], test.message)
			_, err = numbers(b.Backend, 0)
			require.NoError(t, err, "it computes all the same")
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				assert.Empty(t, entries(t, dir))
			}
			t.Setenv(EnvCacheDir, dir)
			assert.Contains(t, CacheInfo().Error, test.message)
		})
	}
}

func TestParallelCompilation(t *testing.T) {
	needXLA(t)
	b, err := OpenWith(Options{CacheDir: filepath.Join(t.TempDir(), "cache")})
	require.NoError(t, err)
	before := CompileStats()
	const programs, times = 4, 4
	results := make([][]float32, programs*times)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() {
			n, err := numbers(b.Backend, float64(i%programs))
			assert.NoError(t, err)
			results[i] = n
		})
	}
	group.Wait()
	for i := range results {
		assert.Equal(t, results[i%programs], results[i])
		assert.InDeltaSlice(t, goNumbers(t, float64(i%programs)), results[i], 1e-5)
	}
	stats := CompileStats().Sub(before)
	assert.EqualValues(t, programs, stats.Compilations, "equal programs at once are compiled once")
	assert.EqualValues(t, programs*(times-1), stats.CacheHits)
}

func TestCacheBound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	payload := make([]byte, 1000)
	size := int64(headerSize + len(payload))
	c, err := openCache(dir, 5*size)
	require.NoError(t, err)
	for i := range 5 {
		require.NoError(t, c.put(cacheKey{byte(i)}, payload))
		old := time.Now().Add(time.Duration(i-10) * time.Hour)
		require.NoError(t, os.Chtimes(c.path(cacheKey{byte(i)}), old, old))
	}
	stale, fresh := filepath.Join(dir, tempPrefix+"stale"), filepath.Join(dir, tempPrefix+"fresh")
	require.NoError(t, os.WriteFile(stale, nil, 0o600))
	require.NoError(t, os.Chtimes(stale, time.Time{}, time.Now().Add(-2*tempLifetime)))
	require.NoError(t, os.WriteFile(fresh, nil, 0o600))

	_, err = c.get(cacheKey{0}) // used again, so 1 and 2 are the oldest
	require.NoError(t, err)
	require.NoError(t, c.put(cacheKey{9}, payload))
	for key, want := range map[byte]bool{0: true, 1: false, 2: false, 3: true, 4: true, 9: true} {
		_, err := c.get(cacheKey{key})
		assert.Equal(t, want, err == nil, "key %d: %v", key, err)
	}
	assert.NoFileExists(t, stale)
	assert.FileExists(t, fresh)

	require.NoError(t, c.put(cacheKey{7}, make([]byte, 6*size)))
	_, err = c.get(cacheKey{7})
	assert.ErrorIs(t, err, errNoEntry, "what does not fit at all is not stored")

	// Another process has filled the folder meanwhile.
	other, err := openCache(dir, 5*size)
	require.NoError(t, err)
	require.NoError(t, other.put(cacheKey{8}, payload))
	_, total, err := other.list()
	require.NoError(t, err)
	assert.LessOrEqual(t, total, 5*size)
}

func TestCacheClear(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	t.Setenv(EnvCacheDir, dir)
	n, bytes, err := CacheClear()
	require.NoError(t, err, "no folder, nothing to clear")
	assert.Zero(t, n+int(bytes))

	c, err := openCache(dir, DefaultCacheMax)
	require.NoError(t, err)
	require.NoError(t, c.put(cacheKey{1}, []byte("one")))
	require.NoError(t, c.put(cacheKey{2}, []byte("two")))
	require.NoError(t, RecordRun())
	kept := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(kept, nil, 0o600))
	n, bytes, err = CacheClear()
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	assert.EqualValues(t, 2*(headerSize+3), bytes)
	assert.FileExists(t, kept)
	assert.Zero(t, CacheInfo().Entries)
	assert.Nil(t, CacheInfo().LastRun)
}

func TestCacheEnvironment(t *testing.T) {
	t.Setenv(EnvCacheMax, "lots")
	assert.Contains(t, CacheInfo().Error, EnvCacheMax)
	t.Setenv(EnvCacheMax, "1000")
	assert.EqualValues(t, 1000, CacheInfo().MaxBytes)
	t.Setenv(EnvCacheDir, "off")
	assert.Contains(t, CacheInfo().Error, "off")
	_, _, err := CacheClear()
	require.NoError(t, err)
	if runtime.GOOS == "linux" {
		t.Setenv(EnvCacheDir, "")
		t.Setenv("XDG_CACHE_HOME", "/elsewhere")
		assert.Equal(t, "/elsewhere/gonas/xla", CacheInfo().Dir)
	}
}

func TestProgramKey(t *testing.T) {
	const body = " {\n  func.func @main() -> () {}\n}\n"
	base := programKey([]byte("module @Exec_1"+body), []byte("o"), "e")
	assert.Equal(t, base, programKey([]byte("module @Exec_27"+body), []byte("o"), "e"), "the module's name does not count")
	assert.Equal(t, base, programKey([]byte(`module @"odd name"`+body), []byte("o"), "e"))
	for name, other := range map[string]cacheKey{
		"program":     programKey([]byte("module @Exec_1"+body+" "), []byte("o"), "e"),
		"options":     programKey([]byte("module @Exec_1"+body), []byte("p"), "e"),
		"environment": programKey([]byte("module @Exec_1"+body), []byte("o"), "f"),
		"boundary":    programKey([]byte("module @Exec_1"+body+"o"), nil, "e"),
	} {
		assert.NotEqual(t, base, other, name)
	}
}

func FuzzDecodeEntry(f *testing.F) {
	key := cacheKey{3}
	f.Add(encodeEntry(key, []byte("payload")))
	f.Add([]byte(entryMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if payload, err := decodeEntry(key, data); err == nil {
			assert.Equal(t, data, encodeEntry(key, payload))
		}
	})
}
