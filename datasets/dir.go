package datasets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// DataEnv is the environment variable that names the data folder.
const DataEnv = "GONAS_DATA"

// ErrNoDataDir means that neither the flag nor the environment names a data folder.
var ErrNoDataDir = errors.New("no data folder: give -data DIR or set " + DataEnv)

// ResolveDir returns the absolute path of the data folder: flag if it is not empty, else what
// GONAS_DATA says. A relative path starts at the working directory. The folder need not exist yet;
// something there that is no folder is an error, and so is neither being set ([ErrNoDataDir]).
func ResolveDir(flag string) (string, error) {
	dir, from := flag, "-data"
	if dir == "" {
		dir, from = os.Getenv(DataEnv), DataEnv
	}
	if dir == "" {
		return "", ErrNoDataDir
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", from, dir, err)
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return "", fmt.Errorf("%s: %s is a file, expected a folder", from, dir)
	}
	return dir, nil
}

// Load reads a data set of images of one size by name from a data folder; "embedded" needs none.
func Load(name, dir string) (train, test *Images, err error) {
	switch name {
	case "embedded":
		return Embedded()
	case "cifar10":
		return LoadCIFAR10(dir)
	case "cifar100":
		return LoadCIFAR100(dir)
	}
	return nil, nil, fmt.Errorf("data set %q: expected one of %q", name, []string{EmbeddedName, CIFAR10Name, CIFAR100Name})
}
