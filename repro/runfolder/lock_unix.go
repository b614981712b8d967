//go:build unix

package runfolder

import (
	"errors"
	"os"
	"syscall"
)

// lockDir takes the folder's lock, which the system gives back when the process ends in whatever way.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		f.Close()
		return nil, ErrLocked
	}
	// A file system without locks is no reason not to run.
	return func() { f.Close() }, nil
}
