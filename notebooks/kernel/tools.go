package kernel

import (
	"bytes"
	"context"
	"debug/buildinfo"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The versions and checksums of the programs. They cannot be named go.mod, which would put them outside the module.
var (
	//go:embed tools.mod
	toolsMod []byte
	//go:embed tools.sum
	toolsSum []byte
)

// packages are those of the programs, each named as its last folder.
var packages = []string{"github.com/janpfeifer/gonb", "golang.org/x/tools/cmd/goimports", "golang.org/x/tools/gopls"}

// Programs are the programs behind a kernel; without completion it needs no gopls.
func Programs(completion bool) []string {
	all := []string{"gonb", "goimports", "gopls"}
	if completion {
		return all
	}
	return all[:2]
}

// packageOf is the package of a program.
func packageOf(program string) string {
	return packages[slices.IndexFunc(packages, func(pkg string) bool { return path.Base(pkg) == program })]
}

// Missing tells which of the programs are not in dir, at the versions of tools.mod.
func Missing(dir string, programs []string) []string {
	var missing []string
	for _, program := range programs {
		info, err := buildinfo.ReadFile(filepath.Join(dir, program))
		if err != nil || info.Path != packageOf(program) ||
			!bytes.Contains(toolsMod, []byte("\t"+info.Main.Path+" "+info.Main.Version+" ")) {
			missing = append(missing, program)
		}
	}
	return missing
}

// Build compiles the programs into dir, at the versions of tools.mod and checked by tools.sum.
func Build(ctx context.Context, dir string, programs []string) error {
	goPath, err := lookGo()
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("build the kernel's programs: %w", err)
	}
	module, err := os.MkdirTemp("", "gonas-tools-")
	if err != nil {
		return fmt.Errorf("build the kernel's programs: %w", err)
	}
	defer func() { _ = os.RemoveAll(module) }()
	for name, text := range map[string][]byte{"go.mod": toolsMod, "go.sum": toolsSum} {
		if err := os.WriteFile(filepath.Join(module, name), text, 0o644); err != nil {
			return fmt.Errorf("build the kernel's programs: %w", err)
		}
	}
	args := []string{"build", "-trimpath", "-o", dir + string(filepath.Separator)}
	for _, program := range programs {
		args = append(args, packageOf(program))
	}
	if err := goCommand(ctx, goPath, module, args...); err != nil {
		return fmt.Errorf("build %s: %w", strings.Join(programs, ", "), err)
	}
	return nil
}

// goCommand runs go in dir, with that module alone and none of the user's flags; its output is part of the error only.
func goCommand(ctx context.Context, goPath, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, goPath, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
	return nil
}
