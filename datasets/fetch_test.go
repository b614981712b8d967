package datasets

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// balancedSet is a small data set of CIFAR-10's layout that passes every rule, with its files.
func balancedSet() (*cifarSet, map[string][]byte) {
	s := cifar10Set
	s.perTrain, s.perTest = 10, 10
	s.binSHA256 = map[string]string{}
	files := map[string][]byte{}
	for i, b := range s.batches() {
		data := randomBatch(s.layout, 10, uint64(i))
		for k := range 10 {
			data[k*3073] = byte((k + i) % 10)
		}
		files[b+".bin"] = data
		s.binSHA256[b+".bin"] = sumOf("", data).SHA256
	}
	return &s, files
}

type tarEntry struct {
	header tar.Header
	body   []byte
}

// pack makes a .tar.gz and records its length and MD5 in s.
func pack(t *testing.T, s *cifarSet, entries []tarEntry) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for _, e := range entries {
		e.header.Mode = 0o644
		e.header.Size = int64(len(e.body))
		require.NoError(t, w.WriteHeader(&e.header))
		_, err := w.Write(e.body)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, zipped.Close())
	sum := md5.Sum(out.Bytes())
	s.md5, s.archiveBytes = hex.EncodeToString(sum[:]), int64(out.Len())
	return out.Bytes()
}

func regularEntry(name string, body []byte) tarEntry {
	return tarEntry{tar.Header{Name: name, Typeflag: tar.TypeReg}, body}
}

func goodEntries(s *cifarSet, files map[string][]byte) []tarEntry {
	entries := []tarEntry{{tar.Header{Name: s.binFolder + "/", Typeflag: tar.TypeDir}, nil}}
	for _, name := range s.names(false) {
		entries = append(entries, regularEntry(s.binFolder+"/"+name, files[name]))
	}
	return append(entries, regularEntry(s.binFolder+"/readme.html", []byte("about")))
}

// server serves what body says at the time, and records the Range headers.
type server struct {
	*httptest.Server
	handler http.HandlerFunc
	ranges  []string
}

func newServer(t *testing.T) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		s.handler(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func serveWhole(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

// breakOff announces everything and sends the first n bytes.
func breakOff(data []byte, n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:n])
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func (s *server) fetcher(set *cifarSet) *Fetcher {
	return &Fetcher{Client: s.Client(), Mirrors: map[string]string{set.name: s.URL + "/a.tar.gz"}, sets: []*cifarSet{set}}
}

func TestFetch(t *testing.T) {
	s, files := balancedSet()
	archive := pack(t, s, goodEntries(s, files))
	web := newServer(t)
	web.handler = serveWhole(archive)
	dir := filepath.Join(t.TempDir(), "new", "data")
	var stages []string
	var last Progress
	progress := func(p Progress) {
		if len(stages) == 0 || stages[len(stages)-1] != p.Stage {
			stages = append(stages, p.Stage)
		}
		if p.Stage == "download" {
			last = p
		}
	}
	require.NoError(t, web.fetcher(s).Fetch(t.Context(), "cifar10", dir, progress))
	assert.Equal(t, []string{"download", "check", "unpack", "verify"}, stages)
	assert.Equal(t, Progress{"download", s.archiveBytes, s.archiveBytes}, last)
	assert.Equal(t, []string{s.binFolder}, names(t, dir), "no archive and no scratch folder is left")
	for name, data := range files {
		got, err := os.ReadFile(filepath.Join(dir, s.binFolder, name))
		require.NoError(t, err)
		assert.Equal(t, data, got, name)
	}
	train, _, err := s.load(dir)
	require.NoError(t, err)
	assert.Equal(t, 50, train.N)
	assert.NoError(t, failed(verify(dir, []*cifarSet{s})))

	// Again: verified, nothing downloaded.
	requests := len(web.ranges)
	require.NoError(t, web.fetcher(s).Fetch(t.Context(), "cifar10", dir, nil))
	assert.Len(t, web.ranges, requests)

	// Damaged meanwhile: said, and left alone.
	path := filepath.Join(dir, s.binFolder, "data_batch_3.bin")
	data := bytes.Clone(files["data_batch_3.bin"])
	data[5]++
	require.NoError(t, os.WriteFile(path, data, 0o644))
	err = web.fetcher(s).Fetch(t.Context(), "cifar10", dir, nil)
	assert.ErrorContains(t, err, "fetch cifar10: ")
	assert.ErrorContains(t, err, "data_batch_3.bin")
	assert.ErrorContains(t, err, "SHA-256 is ")
	require.NoError(t, os.Remove(path))
	err = web.fetcher(s).Fetch(t.Context(), "cifar10", dir, nil)
	assert.ErrorContains(t, err, "incomplete")
	assert.Len(t, web.ranges, requests)
}

func TestFetchResumes(t *testing.T) {
	s, files := balancedSet()
	archive := pack(t, s, goodEntries(s, files))
	cut := len(archive) / 3
	web := newServer(t)
	dir := t.TempDir()
	part := filepath.Join(dir, s.archive+".part")

	web.handler = breakOff(archive, cut)
	err := web.fetcher(s).Fetch(t.Context(), "cifar10", dir, nil)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.ErrorContains(t, err, fmt.Sprintf("broke off at byte %d of %d", cut, len(archive)))
	assert.Equal(t, []string{s.archive + ".part"}, names(t, dir), "only the .part file, under that name")

	web.handler = serveWhole(archive)
	require.NoError(t, web.fetcher(s).Fetch(t.Context(), "cifar10", dir, nil))
	assert.Equal(t, []string{"", fmt.Sprintf("bytes=%d-", cut)}, web.ranges)
	assert.Equal(t, []string{s.binFolder}, names(t, dir))

	for name, c := range map[string]struct {
		part    []byte
		handler http.HandlerFunc
		ranges  []string
	}{
		"a server that ignores the range": {archive[:cut], func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) },
			[]string{fmt.Sprintf("bytes=%d-", cut)}},
		"the beginning is of another file": {bytes.Repeat([]byte{7}, cut), serveWhole(archive), []string{fmt.Sprintf("bytes=%d-", cut), ""}},
		"complete already":                 {archive, nil, nil},
		"of full length, but another file": {bytes.Repeat([]byte{7}, len(archive)), serveWhole(archive), []string{""}},
		"longer than the archive":          {bytes.Repeat([]byte{7}, len(archive)+1), serveWhole(archive), []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, s.binFolder)))
			require.NoError(t, os.WriteFile(part, c.part, 0o644))
			web.handler, web.ranges = c.handler, nil
			require.NoError(t, web.fetcher(s).Fetch(t.Context(), "cifar10", dir, nil))
			assert.Equal(t, c.ranges, web.ranges)
			assert.Equal(t, []string{s.binFolder}, names(t, dir))
		})
	}
}

func TestFetchBadBodies(t *testing.T) {
	s, files := balancedSet()
	archive := pack(t, s, goodEntries(s, files))
	flipped := bytes.Clone(archive)
	flipped[len(flipped)/2] ^= 1
	partName := s.archive + ".part"
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
		left    []string
	}{
		"one bit wrong":   {serveWhole(flipped), "expected " + s.md5, []string{}},
		"truncated":       {breakOff(archive, 1000), "broke off at byte 1000", []string{partName}},
		"truncated, said": {serveWhole(archive[:1000]), "ended at byte 1000", []string{partName}},
		"too long":        {serveWhole(append(bytes.Clone(archive), 0)), "is longer than the expected", []string{}},
		"an error page": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "gone", http.StatusNotFound) },
			`the server answers "404 Not Found"`, []string{partName}},
	} {
		t.Run(name, func(t *testing.T) {
			web, dir := newServer(t), t.TempDir()
			web.handler = c.handler
			err := web.fetcher(s).Fetch(t.Context(), "cifar10", dir, nil)
			assert.ErrorContains(t, err, c.want)
			assert.Equal(t, c.left, names(t, dir), "never a folder under the final name")
		})
	}
}

func TestFetchBadArchives(t *testing.T) {
	good, files := balancedSet()
	outside := filepath.Join(t.TempDir(), "outside")
	link := tarEntry{tar.Header{Name: good.binFolder + "/link", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, nil}
	withLabel := bytes.Clone(files["test_batch.bin"])
	withLabel[3073] = 77
	for name, c := range map[string]struct {
		entries []tarEntry
		want    string
	}{
		"leads out":         {append([]tarEntry{regularEntry("../evil", []byte("x"))}, goodEntries(good, files)...), `"../evil" leads out`},
		"leads out inside":  {[]tarEntry{regularEntry(good.binFolder+"/../../evil", []byte("x"))}, "leads out"},
		"absolute":          {[]tarEntry{regularEntry(outside, []byte("x"))}, "leads out"},
		"a link":            {append([]tarEntry{link}, goodEntries(good, files)...), "neither file nor folder"},
		"a name twice":      {append(goodEntries(good, files), regularEntry(good.binFolder+"/test_batch.bin", nil)), "exists"},
		"other folder":      {[]tarEntry{regularEntry("other/test_batch.bin", nil)}, "expected a folder " + good.binFolder},
		"a batch missing":   {goodEntries(good, files)[2:], "lacks data_batch_1.bin"},
		"nothing":           {nil, "expected a folder"},
		"a label too large": {append(goodEntries(good, files)[:6], regularEntry(good.binFolder+"/test_batch.bin", withLabel)), "label of image 1: 77"},
	} {
		t.Run(name, func(t *testing.T) {
			s := *good
			web, dir := newServer(t), t.TempDir()
			web.handler = serveWhole(pack(t, &s, c.entries))
			err := web.fetcher(&s).Fetch(t.Context(), "cifar10", dir, nil)
			assert.ErrorContains(t, err, c.want)
			assert.Equal(t, []string{s.archive + ".part"}, names(t, dir), "nothing unpacked is left")
			assert.NoFileExists(t, filepath.Join(filepath.Dir(dir), "evil"))
			assert.NoFileExists(t, outside)
		})
	}
	t.Run("not an archive", func(t *testing.T) {
		s := *good
		data := []byte("<html>maintenance</html>")
		sum := md5.Sum(data)
		s.md5, s.archiveBytes = hex.EncodeToString(sum[:]), int64(len(data))
		web, dir := newServer(t), t.TempDir()
		web.handler = serveWhole(data)
		assert.ErrorContains(t, web.fetcher(&s).Fetch(t.Context(), "cifar10", dir, nil), "not a gzip file")
		assert.NoDirExists(t, filepath.Join(dir, s.binFolder))
	})
}

func TestFetchStops(t *testing.T) {
	s, files := balancedSet()
	archive := pack(t, s, goodEntries(s, files))
	hang := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(archive)))
		_, _ = w.Write(archive[:500])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	t.Run("when cancelled", func(t *testing.T) {
		web, dir := newServer(t), t.TempDir()
		web.handler = hang
		ctx, cancel := context.WithCancel(t.Context())
		err := web.fetcher(s).Fetch(ctx, "cifar10", dir, func(Progress) { cancel() })
		assert.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, []string{s.archive + ".part"}, names(t, dir))
	})
	t.Run("when nothing comes", func(t *testing.T) {
		web, dir := newServer(t), t.TempDir()
		web.handler = hang
		f := web.fetcher(s)
		f.Stall = 50 * time.Millisecond
		err := f.Fetch(t.Context(), "cifar10", dir, nil)
		assert.ErrorContains(t, err, "nothing came for 50ms")
		assert.ErrorContains(t, err, "byte 500")
	})
}

func TestFetchNames(t *testing.T) {
	assert.ErrorContains(t, Fetch(t.Context(), "embedded", t.TempDir(), nil), "part of the program")
	assert.ErrorContains(t, Fetch(t.Context(), "mnist", t.TempDir(), nil), `expected one of ["cifar10" "cifar100"]`)
	assert.ErrorIs(t, Fetch(t.Context(), "cifar10", "", nil), ErrNoDataDir)
}

func TestList(t *testing.T) {
	s, files := balancedSet()
	sets := []*cifarSet{s, &cifar100Set}
	dir := t.TempDir()
	got := list(dir, sets)
	require.Len(t, got, 3)
	assert.Equal(t, Names()[:3], []string{got[0].Name, got[1].Name, got[2].Name})
	assert.Equal(t, []State{Present, Absent, Absent}, []State{got[0].State, got[1].State, got[2].State})
	assert.Greater(t, got[0].Bytes, int64(8_000_000))
	assert.Less(t, got[0].Bytes, int64(10_000_000))
	assert.NotEmpty(t, got[1].Licence)
	assert.True(t, strings.HasSuffix(got[2].URL, "cifar-100-binary.tar.gz"))

	folder := filepath.Join(dir, s.binFolder)
	require.NoError(t, os.Mkdir(folder, 0o755))
	for name, data := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o644))
	}
	full := list(dir, sets)[1]
	assert.Equal(t, []any{Present, folder, "binary", int64(60 * 3073)}, []any{full.State, full.Path, full.Format, full.Bytes})
	require.NoError(t, os.Remove(filepath.Join(folder, "test_batch.bin")))
	partial := list(dir, sets)[1]
	assert.Equal(t, Partial, partial.State)
	assert.Equal(t, []string{"test_batch.bin"}, partial.Missing)
	assert.Equal(t, Present, List("")[0].State)
}
