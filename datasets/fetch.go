package datasets

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/gonas/gonas/internal/regular"
)

// Progress tells how far a fetch is.
type Progress struct {
	// Stage is "download", "check", "unpack" or "verify".
	Stage string
	// Done and Total count bytes; Total is 0 where it is not known.
	Done, Total int64
}

// Fetcher downloads data sets. The zero value is ready.
type Fetcher struct {
	// Client does the requests; nil means http.DefaultClient.
	Client *http.Client
	// Mirrors replaces the upstream URL of a data set's archive, by name. The checksum stays.
	Mirrors map[string]string
	// Stall is how long a request may go without an answer or a byte; 0 means a minute.
	Stall time.Duration

	sets []*cifarSet // for tests; nil means all that are known
}

// Fetch downloads a data set by name into dir with a zero [Fetcher].
func Fetch(ctx context.Context, name, dir string, progress func(Progress)) error {
	return new(Fetcher).Fetch(ctx, name, dir, progress)
}

// maxUnpacked bounds what an archive may unpack to; the known ones take less than 190 MB.
const maxUnpacked = 1 << 30

// Fetch downloads the archive of a data set into dir, checks its MD5, unpacks it and verifies what
// came out; only then does the folder appear under its name, with a SHA256SUMS in it. A download
// that breaks off leaves a .part file from which the next call goes on; one with a wrong checksum is
// removed. A set that is already there is verified, and not touched: if something is wrong with it
// the error says so. Sheets that list some of the images are not the set: it is downloaded beside
// them, or refused where they would hide it. progress may be nil.
func (f *Fetcher) Fetch(ctx context.Context, name, dir string, progress func(Progress)) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("fetch %s: %w", name, err)
		}
	}()
	if progress == nil {
		progress = func(Progress) {}
	}
	s, err := f.set(name)
	if err != nil {
		return err
	}
	if dir == "" {
		return ErrNoDataDir
	}
	loc, _, ok := s.locate(dir)
	some := ok && loc.sheets && s.listed // which is not what was asked for
	if some && loc.dir == dir {
		return fmt.Errorf("%s holds images of it that %s lists, which would be found before the whole set: name another folder", dir, indexFile)
	}
	if ok && !some && len(loc.missing) == 0 {
		progress(Progress{Stage: "verify"})
		if err := failed(append(verifySums(loc.dir), s.verify(loc)...)); err != nil {
			return fmt.Errorf("%s is there already and was left as it is, but it is damaged (move it away to fetch it anew): %w", loc.dir, err)
		}
		return nil
	}
	target := filepath.Join(dir, s.binFolder)
	if _, err := os.Lstat(target); err == nil {
		return fmt.Errorf("%s is there already and was left as it is, but it is incomplete: move it away to fetch it anew", target)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	part := filepath.Join(dir, s.archive+".part")
	if err := f.download(ctx, s, part, progress); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(dir, "."+s.binFolder+"-*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := unpack(ctx, part, scratch, progress); err != nil {
		return err
	}
	unpacked := filepath.Join(scratch, s.binFolder)
	progress(Progress{Stage: "verify"})
	loc, _, ok = s.locate(unpacked)
	if !ok || loc.dir != unpacked {
		return fmt.Errorf("%s: expected a folder %s with %s in it", s.archive, s.binFolder, strings.Join(s.names(false), ", "))
	}
	if err := failed(s.verify(loc)); err != nil {
		return err
	}
	if err := writeSums(unpacked); err != nil {
		return err
	}
	if err := os.Chmod(unpacked, 0o755); err != nil {
		return err
	}
	if err := os.Rename(unpacked, target); err != nil {
		return err
	}
	if err := syncFolder(dir); err != nil {
		return err
	}
	return os.Remove(part)
}

func (f *Fetcher) set(name string) (*cifarSet, error) {
	sets := f.sets
	if sets == nil {
		sets = knownSets
	}
	var names []string
	for _, s := range sets {
		if s.name == name {
			return s, nil
		}
		names = append(names, s.name)
	}
	if name == "embedded" {
		return nil, errors.New("it is part of the program, there is nothing to fetch")
	}
	return nil, fmt.Errorf("not a data set that can be fetched, expected one of %q", names)
}

// failed joins the problems of the checks that failed.
func failed(results []VerifyResult) error {
	var errs []error
	for _, r := range results {
		if !r.OK {
			errs = append(errs, fmt.Errorf("%s: %s: %s", r.File, r.Check, r.Problem))
		}
	}
	return errors.Join(errs...)
}

// download brings the whole archive, with the right MD5, to part.
func (f *Fetcher) download(ctx context.Context, s *cifarSet, part string, progress func(Progress)) error {
	url := s.url
	if m := f.Mirrors[s.name]; m != "" {
		url = m
	}
	for {
		resumed, err := f.transfer(ctx, url, part, s.archiveBytes, progress)
		if err != nil {
			return err
		}
		progress(Progress{Stage: "check", Total: s.archiveBytes})
		got, err := md5File(part)
		if err != nil {
			return err
		}
		if got == s.md5 {
			return nil
		}
		if err := os.Remove(part); err != nil {
			return err
		}
		// The beginning may be left over from another file: once more from the start.
		if !resumed {
			return fmt.Errorf("%s: MD5 is %s, expected %s; the download was removed", url, got, s.md5)
		}
	}
}

// transfer completes part from url; resumed says whether it went on from an earlier beginning.
func (f *Fetcher) transfer(ctx context.Context, url, part string, want int64, progress func(Progress)) (resumed bool, err error) {
	out, err := regular.Edit(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	info, err := out.Stat()
	if err != nil {
		return false, err
	}
	have := info.Size()
	if have == want {
		return true, nil
	}
	if have > want {
		have = 0
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := f.Stall
	if stall == 0 {
		stall = time.Minute
	}
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("nothing came for %v", stall)) })
	defer watch.Stop()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	request.Header.Set("Accept-Encoding", "identity") // the archive's own bytes are what is counted
	if have > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	client := f.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return false, because(ctx, err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusOK:
		have = 0
	case response.StatusCode == http.StatusPartialContent && have > 0 &&
		strings.HasPrefix(response.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", have)):
	default:
		return false, fmt.Errorf("%s: the server answers %q to a request from byte %d on", url, response.Status, have)
	}
	resumed = have > 0
	if err := out.Truncate(have); err != nil {
		return resumed, err
	}
	if _, err := out.Seek(have, io.SeekStart); err != nil {
		return resumed, err
	}
	counter := &countingReader{reader: io.LimitReader(response.Body, want-have+1), progress: progress, watch: watch, stall: stall,
		at: Progress{Stage: "download", Done: have, Total: want}}
	n, err := io.Copy(out, counter)
	have += n
	if err != nil {
		return resumed, fmt.Errorf("%s: broke off at byte %d of %d, the next fetch goes on from there: %w", url, have, want, because(ctx, err))
	}
	if have < want {
		return resumed, fmt.Errorf("%s: ended at byte %d of %d, the next fetch goes on from there: %w", url, have, want, io.ErrUnexpectedEOF)
	}
	if have > want {
		return resumed, errors.Join(fmt.Errorf("%s: is longer than the expected %d bytes; the download was removed", url, want), os.Remove(part))
	}
	return resumed, out.Sync()
}

// because puts the reason for a cancelled request before the bare "context canceled".
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		return cause
	}
	return err
}

// countingReader reports progress and keeps the stall watch from barking.
type countingReader struct {
	reader   io.Reader
	progress func(Progress)
	watch    *time.Timer
	stall    time.Duration
	at       Progress
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.reader.Read(p)
	if n > 0 {
		r.watch.Reset(r.stall)
		r.at.Done += int64(n)
		r.progress(r.at)
	}
	return n, err
}

func md5File(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := md5.New() // upstream publishes no stronger sum
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// unpack unpacks a .tar.gz into dir. Nothing lands outside of it: a name that leads out, a link or
// a device is an error, as is more than maxUnpacked bytes.
func unpack(ctx context.Context, archive, dir string, progress func(Progress)) error {
	in, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer in.Close()
	root, err := os.OpenRoot(dir) // a second fence behind the check of the names
	if err != nil {
		return err
	}
	defer root.Close()
	unzipped, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("%s: not a gzip file: %w", archive, err)
	}
	files := tar.NewReader(unzipped)
	var total int64
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		header, err := files.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: damaged archive after %d bytes of files: %w", archive, total, err)
		}
		name := filepath.FromSlash(path.Clean(header.Name))
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%s: entry %q leads out of the folder, nothing was kept", archive, header.Name)
		}
		switch header.Typeflag {
		case tar.TypeDir:
			if err := root.MkdirAll(name, 0o755); err != nil {
				return err
			}
			continue
		case tar.TypeReg:
		case tar.TypeXGlobalHeader:
			continue
		default:
			return fmt.Errorf("%s: entry %q is neither file nor folder, nothing was kept", archive, header.Name)
		}
		if total += header.Size; total > maxUnpacked {
			return fmt.Errorf("%s: unpacks to more than %d bytes, nothing was kept", archive, maxUnpacked)
		}
		if err := unpackFile(root, name, files); err != nil {
			return fmt.Errorf("%s: entry %q: %w", archive, header.Name, err)
		}
		progress(Progress{Stage: "unpack", Done: total})
	}
}

func unpackFile(root *os.Root, name string, from io.Reader) (err error) {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, from); err != nil {
		return err
	}
	return out.Sync()
}

// writeSums writes the SHA256SUMS of the files in dir.
func writeSums(dir string) error {
	var text strings.Builder
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		sum, err := sumFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, filepath.ToSlash(name))
		return nil
	})
	if err != nil {
		return err
	}
	// The folder is not visible under its name yet, so a plain write is atomic enough.
	out, err := os.Create(filepath.Join(dir, sumsFile))
	if err != nil {
		return err
	}
	_, err = out.WriteString(text.String())
	return errors.Join(err, out.Sync(), out.Close())
}

// syncFolder makes a rename in dir durable where the system can do that.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
