//go:build !unix

package backend

import (
	"io/fs"
	"os"
)

func owner(fs.FileInfo) (uid int, known bool) { return 0, false }

func group(fs.FileInfo) (gid int, known bool) { return 0, false }

func openEntry(path string) (*os.File, error) { return os.Open(path) }

// PeakRSS returns the largest resident memory of the process so far, in bytes,
// or 0 where the system does not tell.
func PeakRSS() int64 { return 0 }
