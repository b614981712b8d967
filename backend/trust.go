package backend

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// trusted returns an error unless a file that is to be run as code can be changed by nobody but this user and root: the file,
// what it links to and every folder above belong to one of the two, and no other user can write to them. Folders of which
// the sticky bit is set, such as /tmp, let others in and keep them from what is not theirs. A user's private group, which
// has the user's number, is the user.
func trusted(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for _, chain := range []string{path, real} {
		for at := chain; ; at = filepath.Dir(at) {
			info, err := os.Stat(at)
			if err != nil {
				return err
			}
			if uid, known := owner(info); known && uid != 0 && uid != os.Getuid() {
				return fmt.Errorf("%s belongs to user %d", at, uid)
			}
			mode := info.Mode()
			if sticky := mode.IsDir() && mode&fs.ModeSticky != 0; !sticky {
				if mode.Perm()&0o002 != 0 {
					return fmt.Errorf("every user can write to %s (mode %04o)", at, mode.Perm())
				}
				if gid, known := group(info); known && mode.Perm()&0o020 != 0 && gid != 0 && gid != os.Getuid() {
					return fmt.Errorf("group %d can write to %s (mode %04o)", gid, at, mode.Perm())
				}
			}
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	return nil
}
