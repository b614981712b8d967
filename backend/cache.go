package backend

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Environment variables of the compile cache.
const (
	EnvCacheDir = "GONAS_CACHE_DIR"       // folder; "off" turns the cache off
	EnvCacheMax = "GONAS_CACHE_MAX_BYTES" // bound on the entries' bytes together
)

// DefaultCacheMax is the bound on the cache's size where nothing sets another.
const DefaultCacheMax = 4 << 30

const (
	entrySuffix = ".xla"
	tempPrefix  = ".tmp-"
	lastRunFile = "last-run.json"

	// An unfinished write is this old when its process is surely gone.
	tempLifetime = time.Hour
	// Other processes write too: the folder is counted anew after so many writes.
	recountEvery = 32
)

// An entry is a header of fixed size and the serialised executable.
const (
	entryMagic   = "gonasxla"
	entryVersion = 1
	headerSize   = len(entryMagic) + 4 + 8 + 2*sha256.Size
)

type cacheKey [sha256.Size]byte

func (k cacheKey) String() string { return hex.EncodeToString(k[:]) }

// diskCache is a folder of serialised executables. Its methods may be called
// from many goroutines and the folder shared by many processes: an entry
// appears by a rename and is never changed afterwards.
type diskCache struct {
	dir string
	max int64

	mu      sync.Mutex
	size    int64 // of all entries, as last counted and added to since
	writes  int   // since the folder was last counted
	counted bool
	broken  error // the first failed write: nothing is written after it
	keys    map[cacheKey]*keyLock
}

type keyLock struct {
	sync.Mutex
	users int
}

// errCacheOff says that the user turned the cache off.
var errCacheOff = errors.New("turned off by " + EnvCacheDir + "=off")

// cacheDirectory is where the cache belongs, by the environment.
func cacheDirectory() (string, error) {
	switch dir := os.Getenv(EnvCacheDir); dir {
	case "off":
		return "", errCacheOff
	case "":
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no cache folder for this user, set %s: %w", EnvCacheDir, err)
		}
		return filepath.Join(user, "gonas", "xla"), nil
	default:
		return filepath.Abs(dir)
	}
}

// cacheMax is the bound on the cache's size, by the environment.
func cacheMax() (int64, error) {
	text := os.Getenv(EnvCacheMax)
	if text == "" {
		return DefaultCacheMax, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return DefaultCacheMax, fmt.Errorf("%s=%q: expected a number of bytes above 0", EnvCacheMax, text)
	}
	return n, nil
}

// openCache makes the folder where it is missing and checks that nobody else
// can put code into it.
func openCache(dir string, max int64) (*diskCache, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("compile cache: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("compile cache: %w", err)
	}
	if err := checkPrivate(dir); err != nil {
		return nil, err
	}
	return &diskCache{dir: dir, max: max, keys: map[cacheKey]*keyLock{}}, nil
}

// checkPrivate returns an error unless the folder is this user's own with mode
// 0700 and nobody else can put another in its place (see trusted). What lies in
// the cache is run as code.
func checkPrivate(dir string) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("compile cache: %w", err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return fmt.Errorf("compile cache: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("compile cache: %s is not a folder", dir)
	}
	if uid, known := owner(info); known && uid != os.Getuid() {
		return fmt.Errorf("compile cache: %s belongs to user %d, not to user %d who runs this: not used, its files are run as code",
			dir, uid, os.Getuid())
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		return fmt.Errorf("compile cache: %s has mode %04o, expected 0700: not used, its files are run as code (chmod 700 %s)",
			dir, mode, dir)
	}
	if err := trusted(dir); err != nil {
		return fmt.Errorf("compile cache: %s not used, for its files are run as code: %w", dir, err)
	}
	return nil
}

func (c *diskCache) path(key cacheKey) string {
	return filepath.Join(c.dir, key.String()+entrySuffix)
}

// lock makes the caller the only one of this process to work on key, so that
// equal programs compiled at once are compiled once.
func (c *diskCache) lock(key cacheKey) (unlock func()) {
	c.mu.Lock()
	l := c.keys[key]
	if l == nil {
		l = &keyLock{}
		c.keys[key] = l
	}
	l.users++
	c.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		c.mu.Lock()
		if l.users--; l.users == 0 {
			delete(c.keys, key)
		}
		c.mu.Unlock()
	}
}

// errNoEntry says that the cache has nothing under a key.
var errNoEntry = errors.New("no entry")

// get returns the payload stored under key: errNoEntry where there is none,
// another error where what is there cannot be used.
func (c *diskCache) get(key cacheKey) ([]byte, error) {
	path := c.path(key)
	file, err := openEntry(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoEntry
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if uid, known := owner(info); known && uid != os.Getuid() {
		return nil, fmt.Errorf("%s: belongs to user %d", path, uid)
	}
	if info.Size() < int64(headerSize) {
		return nil, fmt.Errorf("%s: %d bytes, expected at least the header of %d", path, info.Size(), headerSize)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	payload, err := decodeEntry(key, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // only makes it one of the last to be removed
	return payload, nil
}

// put stores payload under key and then removes the oldest entries until all
// fit. After an error nothing more is written.
func (c *diskCache) put(key cacheKey, payload []byte) error {
	c.mu.Lock()
	broken := c.broken
	c.mu.Unlock()
	if broken != nil {
		return nil
	}
	size := int64(headerSize + len(payload))
	if size > c.max {
		return nil
	}
	if err := writeAtomic(c.path(key), encodeEntry(key, payload), 0o600); err != nil {
		err = fmt.Errorf("compile cache: cannot write, going on without: %w", err)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.broken != nil {
			return nil // another goroutine has said so
		}
		c.broken = err
		return err
	}
	count(func(s *Stats) { s.Stored++ })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size += size
	c.writes++
	if !c.counted || c.writes >= recountEvery || c.size > c.max {
		c.trim()
	}
	return nil
}

// cacheEntry is one file of the cache.
type cacheEntry struct {
	path string
	size int64
	used time.Time
}

// list returns all entries, the longest unused first, and clears away what
// writes that never ended have left.
func (c *diskCache) list() ([]cacheEntry, int64, error) {
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, 0, err
	}
	var entries []cacheEntry
	var total int64
	for _, file := range files {
		info, err := file.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // removed since by another process
		}
		path := filepath.Join(c.dir, file.Name())
		switch {
		case strings.HasPrefix(file.Name(), tempPrefix):
			if time.Since(info.ModTime()) > tempLifetime {
				_ = os.Remove(path)
			}
		case filepath.Ext(file.Name()) == entrySuffix:
			entries = append(entries, cacheEntry{path, info.Size(), info.ModTime()})
			total += info.Size()
		}
	}
	slices.SortFunc(entries, func(a, b cacheEntry) int { return a.used.Compare(b.used) })
	return entries, total, nil
}

// trim counts the folder and removes entries, the longest unused first, until
// a tenth of the room is free again. The caller holds the lock.
func (c *diskCache) trim() {
	entries, total, err := c.list()
	if err != nil {
		return
	}
	if total > c.max {
		for _, e := range entries {
			if total <= c.max-c.max/10 {
				break
			}
			if os.Remove(e.path) == nil {
				total -= e.size
			}
		}
	}
	c.size, c.writes, c.counted = total, 0, true
}

// encodeEntry lays out magic, version, payload length, key, payload checksum, payload.
func encodeEntry(key cacheKey, payload []byte) []byte {
	sum := sha256.Sum256(payload)
	data := make([]byte, 0, headerSize+len(payload))
	data = append(data, entryMagic...)
	data = binary.LittleEndian.AppendUint32(data, entryVersion)
	data = binary.LittleEndian.AppendUint64(data, uint64(len(payload)))
	data = append(data, key[:]...)
	data = append(data, sum[:]...)
	return append(data, payload...)
}

// decodeEntry returns the payload of an entry's bytes, or what is wrong with them.
func decodeEntry(key cacheKey, data []byte) ([]byte, error) {
	if len(data) < headerSize {
		return nil, fmt.Errorf("%d bytes, expected at least the header of %d", len(data), headerSize)
	}
	header, payload := data[:headerSize], data[headerSize:]
	if string(header[:len(entryMagic)]) != entryMagic {
		return nil, fmt.Errorf("offset 0: not an entry of this cache")
	}
	at := len(entryMagic)
	if v := binary.LittleEndian.Uint32(header[at:]); v != entryVersion {
		return nil, fmt.Errorf("offset %d: version %d, expected %d", at, v, entryVersion)
	}
	at += 4
	if n := binary.LittleEndian.Uint64(header[at:]); n != uint64(len(payload)) {
		return nil, fmt.Errorf("offset %d: payload of %d bytes announced, %d there", at, n, len(payload))
	}
	at += 8
	if !bytes.Equal(header[at:at+sha256.Size], key[:]) {
		return nil, fmt.Errorf("offset %d: entry of another program", at)
	}
	at += sha256.Size
	if len(payload) == 0 {
		return nil, errors.New("nothing behind the header")
	}
	if sum := sha256.Sum256(payload); !bytes.Equal(header[at:], sum[:]) {
		return nil, fmt.Errorf("offset %d: checksum does not match the payload", at)
	}
	return payload, nil
}

// writeAtomic writes a file so that it is there whole or not at all.
func writeAtomic(path string, data []byte, mode fs.FileMode) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), tempPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	if _, err = file.Write(data); err != nil {
		return err
	}
	if err = file.Chmod(mode); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// CacheStatus describes the compile cache on disk.
type CacheStatus struct {
	Dir      string `json:"dir,omitempty"`   // "" where it is turned off
	Error    string `json:"error,omitempty"` // why it is not used
	Entries  int    `json:"entries"`         // executables stored
	Bytes    int64  `json:"bytes"`           // of all entries
	MaxBytes int64  `json:"max_bytes"`       // the longest unused are removed beyond this
	LastRun  *Stats `json:"last_run,omitempty"`
}

// CacheInfo describes the cache that the environment names, without making it.
// It opens no backend. LastRun is what RecordRun stored last.
func CacheInfo() CacheStatus {
	var status CacheStatus
	dir, err := cacheDirectory()
	status.Dir = dir
	max, maxErr := cacheMax()
	status.MaxBytes = max
	if err = errors.Join(err, maxErr); err != nil {
		status.Error = err.Error()
		if dir == "" {
			return status
		}
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return status
	}
	if err := checkPrivate(dir); err != nil {
		status.Error = err.Error()
		return status
	}
	cache := &diskCache{dir: dir, max: max}
	entries, total, err := cache.list()
	if err != nil {
		status.Error = err.Error()
		return status
	}
	status.Entries, status.Bytes = len(entries), total
	if data, err := os.ReadFile(filepath.Join(dir, lastRunFile)); err == nil {
		var last Stats
		if json.Unmarshal(data, &last) == nil {
			status.LastRun = &last
		}
	}
	return status
}

// CacheClear removes every entry of the cache that the environment names and
// returns how many entries and bytes went. It is safe while others use the
// cache: they compile anew. Files that are not the cache's own are left alone.
func CacheClear() (entries int, bytes int64, err error) {
	dir, err := cacheDirectory()
	if errors.Is(err, errCacheOff) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("compile cache: %w", err)
	}
	for _, file := range files {
		name := file.Name()
		isEntry := filepath.Ext(name) == entrySuffix && len(name) == 2*sha256.Size+len(entrySuffix)
		if !isEntry && !strings.HasPrefix(name, tempPrefix) && name != lastRunFile && filepath.Ext(name) != identitySuffix {
			continue
		}
		info, infoErr := file.Info()
		if removeErr := os.Remove(filepath.Join(dir, name)); removeErr != nil {
			if !errors.Is(removeErr, fs.ErrNotExist) {
				err = errors.Join(err, fmt.Errorf("compile cache: %w", removeErr))
			}
			continue
		}
		if isEntry && infoErr == nil {
			entries++
			bytes += info.Size()
		}
	}
	return entries, bytes, err
}

// RecordRun stores the process's counters in the cache's folder, where
// CacheInfo finds them as the last run. A command calls it as it ends. It
// does nothing where no cache is in use.
func RecordRun() error {
	dir, err := cacheDirectory()
	if err != nil {
		return nil
	}
	if err := checkPrivate(dir); err != nil {
		return nil
	}
	data, err := json.Marshal(CompileStats())
	if err != nil {
		return err
	}
	return writeAtomic(filepath.Join(dir, lastRunFile), data, 0o600)
}
