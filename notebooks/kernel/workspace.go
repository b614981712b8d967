package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// ModulePath is that of the module whose packages notebooks import.
const ModulePath = "github.com/gonas/gonas"

var moduleLine = regexp.MustCompile(`(?m)^module\s+` + regexp.QuoteMeta(ModulePath) + `\s*(//.*)?$`)

// IsCheckout tells whether dir is the root of a checkout of gonas.
func IsCheckout(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && moduleLine.Match(text)
}

// FindCheckout is the checkout that holds one of these folders, the first that is in one, or "".
func FindCheckout(dirs ...string) string {
	for _, dir := range dirs {
		for ; dir != ""; dir = filepath.Dir(dir) {
			if IsCheckout(dir) {
				return dir
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return ""
}

// Published is the folder, one of this user's, that Publish makes of a version of the module. A version that no module
// proxy can have is ErrUnpublished.
func Published(version string) (dir string, err error) {
	if !published.MatchString(version) {
		return "", fmt.Errorf("%s %q: %w", ModulePath, version, ErrUnpublished)
	}
	data := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no data folder for this user: %w", err)
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "gonas", "kernel", version), nil
}

// published matches a version that a module proxy can have.
var published = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

// ErrUnpublished means that no module proxy can have this version.
var ErrUnpublished = errors.New("not a published version")

// Publish makes dir a module that requires gonas at this version, which is taken, with what it requires itself, from
// the module proxy. One that is there already is kept.
func Publish(ctx context.Context, dir, version string) error {
	goPath, err := lookGo()
	if err != nil {
		return err
	}
	require := []byte(ModulePath + " " + version)
	if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && bytes.Contains(text, require) {
		return nil
	}
	// Made aside and renamed: a run that was cut short leaves nothing that looks whole.
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("%s %s: %w", ModulePath, version, err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".tmp-")
	if err != nil {
		return fmt.Errorf("%s %s: %w", ModulePath, version, err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	if err := os.WriteFile(filepath.Join(temp, "go.mod"), []byte("module gonas_notebooks\n"), 0o644); err != nil {
		return fmt.Errorf("%s %s: %w", ModulePath, version, err)
	}
	// The pattern brings the checksums of all that the packages import, not only of the module.
	if err := goCommand(ctx, goPath, temp, "get", ModulePath+"/...@"+version); err != nil {
		return fmt.Errorf("%s %s from the module proxy: %w", ModulePath, version, err)
	}
	if err := os.RemoveAll(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s %s: %w", ModulePath, version, err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return fmt.Errorf("%s %s: %w", ModulePath, version, err)
	}
	return os.Chmod(dir, 0o755)
}

// Compile brings what cells build with and builds the packages that they import, so that the first of them need not.
func Compile(ctx context.Context, workspace string) error {
	goPath, err := lookGo()
	if err != nil {
		return err
	}
	// In a cell's workspace go reads the whole graph of modules, of which a build here needs a part.
	if err := goCommand(ctx, goPath, workspace, "list", "-m", "all"); err != nil {
		return err
	}
	return goCommand(ctx, goPath, workspace, "build", ModulePath+"/...")
}
