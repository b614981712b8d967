package backend

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// plant makes empty files under root, with their folders.
func plant(t *testing.T, root string, files ...string) {
	t.Helper()
	for _, file := range files {
		path := filepath.Join(root, file)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
	}
}

func TestFind(t *testing.T) {
	const (
		wheel = "lib/python3.11/site-packages/lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so"
		cuda  = "lib/python3.12/site-packages/jax_plugins/xla_cuda13/xla_cuda_plugin.so"
	)
	for _, test := range []struct {
		name  string
		files []string
		env   map[string]string // "ROOT" stands for the test's folder
		gpu   bool
		kind  string
		path  string
		opts  string
		err   string
	}{
		{name: "nothing", files: []string{"work/go.mod"}, kind: KindGo},
		{name: "venv beside go.mod", files: []string{"work/go.mod", "work/.venv/" + wheel}, kind: KindCPU, path: "work/.venv/" + wheel},
		{name: "a venv without go.mod is not ours", files: []string{"work/.venv/" + wheel}, kind: KindGo},
		{name: "the module of a nested module", files: []string{"work/deep/go.mod", "work/go.mod", "work/.venv/" + wheel}, kind: KindCPU, path: "work/.venv/" + wheel},
		{name: "venv beside the binary", files: []string{"bin/.venv/" + wheel}, kind: KindCPU, path: "bin/.venv/" + wheel},
		{name: "venv above the binary", files: []string{".venv/" + wheel}, kind: KindCPU, path: ".venv/" + wheel},
		{name: "user data folder", files: []string{"home/.local/share/gonas/plugin/pjrt_c_api_cpu_plugin.so"}, kind: KindCPU, path: "home/.local/share/gonas/plugin/pjrt_c_api_cpu_plugin.so"},
		{name: "XDG_DATA_HOME", files: []string{"xdg/gonas/plugin/pjrt_c_api_cpu_plugin.so"}, env: map[string]string{"XDG_DATA_HOME": "ROOT/xdg"}, kind: KindCPU, path: "xdg/gonas/plugin/pjrt_c_api_cpu_plugin.so"},
		{name: "binary before module before data", files: []string{"work/go.mod", "work/.venv/" + wheel, "bin/.venv/" + wheel, "home/.local/share/gonas/plugin/pjrt_c_api_cpu_plugin.so"}, kind: KindCPU, path: "bin/.venv/" + wheel},
		{name: "module before data", files: []string{"work/go.mod", "work/.venv/" + wheel, "home/.local/share/gonas/plugin/pjrt_c_api_cpu_plugin.so"}, kind: KindCPU, path: "work/.venv/" + wheel},
		{name: "go-xla's folder before venv", files: []string{"work/go.mod", "work/.venv/" + wheel, "home/.local/lib/go-xla/pjrt_c_api_cpu_v0.83.1_plugin.so"}, kind: KindCPU, path: "home/.local/lib/go-xla/pjrt_c_api_cpu_v0.83.1_plugin.so"},
		{name: "user's before system's", files: []string{"system/go-xla/pjrt_c_api_cpu_plugin.so", "home/.local/lib/gomlx/pjrt/pjrt_c_api_cpu_plugin.so"}, kind: KindCPU, path: "home/.local/lib/gomlx/pjrt/pjrt_c_api_cpu_plugin.so"},
		{name: "variable before all", files: []string{"a/pjrt-plugin-cpu.so", "home/.local/lib/go-xla/pjrt_c_api_cpu_plugin.so"}, env: map[string]string{EnvPluginPath: "ROOT/none:ROOT/a"}, kind: KindCPU, path: "a/pjrt-plugin-cpu.so"},
		{name: "variable with nothing in it", files: []string{"a/readme.so", "home/.local/lib/go-xla/pjrt_c_api_cpu_plugin.so"}, env: map[string]string{EnvPluginPath: "ROOT/a"}, kind: KindCPU, path: "home/.local/lib/go-xla/pjrt_c_api_cpu_plugin.so"},
		{name: "variable names the file", files: []string{"a/pjrt_c_api_cpu_plugin.so"}, env: map[string]string{EnvPluginPath: "ROOT/a/pjrt_c_api_cpu_plugin.so"}, kind: KindCPU, path: "a/pjrt_c_api_cpu_plugin.so"},
		{name: "CUDA where a device is", files: []string{"work/go.mod", "work/.venv/" + wheel, "work/.venv/" + cuda}, gpu: true, kind: KindCUDA, path: "work/.venv/" + cuda},
		{name: "no CUDA where none is", files: []string{"work/go.mod", "work/.venv/" + wheel, "work/.venv/" + cuda}, kind: KindCPU, path: "work/.venv/" + wheel},
		{name: "CUDA alone without a device", files: []string{"work/go.mod", "work/.venv/" + cuda}, kind: KindGo},
		{name: "other platforms only by name", files: []string{"a/pjrt_c_api_tpu_plugin.so"}, env: map[string]string{EnvPluginPath: "ROOT/a"}, kind: KindGo},
		{name: "backend go", files: []string{"bin/.venv/" + wheel}, env: map[string]string{EnvBackend: "go"}, kind: KindGo},
		{name: "backend go with options", files: []string{"bin/.venv/" + wheel}, env: map[string]string{EnvBackend: "go:parallelism=2"}, kind: KindGo},
		{name: "backend by path", files: []string{"x/plug.so", "bin/.venv/" + wheel}, env: map[string]string{EnvBackend: "xla:ROOT/x/plug.so,preallocate=false"}, kind: KindCPU, path: "x/plug.so", opts: ",preallocate=false"},
		{name: "backend by name", files: []string{"work/go.mod", "work/.venv/" + wheel, "work/.venv/" + cuda}, env: map[string]string{EnvBackend: "xla:cpu"}, gpu: true, kind: KindCPU, path: "work/.venv/" + wheel},
		{name: "backend by name of a version", files: []string{"a/pjrt_c_api_cpu_v0.83.1_plugin.so"}, env: map[string]string{EnvBackend: "xla:cpu", EnvPluginPath: "ROOT/a"}, kind: KindCPU, path: "a/pjrt_c_api_cpu_v0.83.1_plugin.so"},
		{name: "backend xla, any plug-in", files: []string{"bin/.venv/" + wheel}, env: map[string]string{EnvBackend: "xla"}, kind: KindCPU, path: "bin/.venv/" + wheel},
		{name: "backend by path that is not there", env: map[string]string{EnvBackend: "xla:ROOT/x/plug.so"}, err: "no such plug-in"},
		{name: "backend by path of a folder", files: []string{"x/plug.so"}, env: map[string]string{EnvBackend: "xla:ROOT/x"}, err: "is not a file"},
		{name: "backend by name that is not there", files: []string{"bin/.venv/" + wheel}, env: map[string]string{EnvBackend: "xla:cuda"}, err: "no plug-in of this name"},
		{name: "unknown backend", env: map[string]string{EnvBackend: "onnx"}, err: "unknown backend"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "with [brackets]*")
			plant(t, root, test.files...)
			require.NoError(t, os.MkdirAll(filepath.Join(root, "work/deep"), 0o755))
			found, err := finder{
				getenv:     func(name string) string { return strings.ReplaceAll(test.env[name], "ROOT", root) },
				workDir:    filepath.Join(root, "work/deep"),
				executable: filepath.Join(root, "bin/gonas"),
				home:       filepath.Join(root, "home"),
				system:     filepath.Join(root, "system"),
				hasGPU:     func() bool { return test.gpu },
			}.find()
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.kind, found.Kind)
			assert.Equal(t, test.opts, found.Options)
			if test.path != "" {
				assert.Equal(t, filepath.Join(root, test.path), found.Path)
				taken := 0
				for _, place := range found.Places {
					if place.Found != "" {
						taken++
						assert.Equal(t, found.Source, place.Source)
					}
				}
				assert.Equal(t, 1, taken, "exactly one place gives the plug-in")
			} else {
				assert.Empty(t, found.Path)
			}
		})
	}
}

// TestFindTrustsNobodyElse: what another user could have put in place is passed over and said, what follows it is taken; a
// folder that the user names is the user's decision.
func TestFindTrustsNobodyElse(t *testing.T) {
	const wheel = "lib/python3.11/site-packages/lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so"
	data := "home/.local/share/gonas/plugin/pjrt_c_api_cpu_plugin.so"
	open := func(path string, mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, root string) { require.NoError(t, os.Chmod(filepath.Join(root, path), mode)) }
	}
	for name, test := range map[string]struct {
		do      func(*testing.T, string)
		named   bool
		refused string // "" where it is taken
	}{
		"a file that all can write":             {do: open("work/.venv/"+wheel, 0o666), refused: "every user can write to"},
		"a folder that all can write":           {do: open("work/.venv/lib", 0o777), refused: "every user can write to"},
		"a checkout that all can write":         {do: open("work", 0o777), refused: "every user can write to"},
		"a sticky folder above":                 {do: open("work", 0o777|os.ModeSticky)},
		"the same, named by the user":           {do: open("work", 0o777), named: true},
		"a file of another user":                {do: chown("work/.venv/"+wheel, 12345, 0), refused: "belongs to user 12345"},
		"a checkout of another user":            {do: chown("work", 12345, 0), refused: "belongs to user 12345"},
		"a group that can write":                {do: func(t *testing.T, root string) { chown("work", 0, 12345)(t, root); open("work", 0o775)(t, root) }, refused: "group 12345 can write to"},
		"a link to what others can change":      {do: linkTo("away"), refused: "every user can write to"},
		"a link to what nobody else can change": {do: linkTo("safe")},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			plant(t, root, "work/go.mod", "work/.venv/"+wheel, data)
			test.do(t, root)
			found, err := finder{
				getenv: func(name string) string {
					if name == EnvPluginPath && test.named {
						return filepath.Dir(filepath.Join(root, "work/.venv", wheel))
					}
					return ""
				},
				workDir: filepath.Join(root, "work"), home: filepath.Join(root, "home"), system: filepath.Join(root, "system"), hasGPU: func() bool { return false },
			}.find()
			require.NoError(t, err)
			if test.refused == "" {
				assert.Equal(t, filepath.Join(root, "work/.venv", wheel), found.Path)
				return
			}
			assert.Equal(t, filepath.Join(root, data), found.Path)
			var refused []string
			for _, place := range found.Places {
				if place.Refused != "" {
					refused = append(refused, place.Refused)
					assert.Contains(t, place.Note, "would be run as code")
				}
			}
			require.Len(t, refused, 1)
			assert.Contains(t, refused[0], test.refused)
		})
	}
}

// chown gives a file to others, which root alone can do.
func chown(path string, uid, gid int) func(*testing.T, string) {
	return func(t *testing.T, root string) {
		if os.Getuid() != 0 {
			t.Skip("not root")
		}
		require.NoError(t, os.Lchown(filepath.Join(root, path), uid, gid))
	}
}

// linkTo puts a link in the place of the environment; what is in "away" all can change.
func linkTo(folder string) func(*testing.T, string) {
	return func(t *testing.T, root string) {
		require.NoError(t, os.Mkdir(filepath.Join(root, folder), 0o755))
		require.NoError(t, os.Rename(filepath.Join(root, "work/.venv"), filepath.Join(root, folder, "venv")))
		require.NoError(t, os.Symlink(filepath.Join(root, folder, "venv"), filepath.Join(root, "work/.venv")))
		if folder == "away" {
			require.NoError(t, os.Chmod(filepath.Join(root, folder), 0o777))
		}
	}
}

// A wheel's RECORD and METADATA name the package that brought a plug-in.
func TestPythonPackage(t *testing.T) {
	site := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(site, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	write("other-1.0.dist-info/RECORD", "other/x.py,,\nother/jax_plugins/xla_cuda13/xla_cuda_plugin.so,,\n")
	write("other-1.0.dist-info/METADATA", "Name: other\nVersion: 1.0\n")
	write("jax_cuda13_pjrt-0.9.dist-info/RECORD", "a.py,,\njax_plugins/xla_cuda13/xla_cuda_plugin.so,sha256=x,1\n")
	write("jax_cuda13_pjrt-0.9.dist-info/METADATA", "Metadata-Version: 2.1\nName: jax-cuda13-pjrt\nVersion: 0.9\n\nName: not this\n")
	name, version := pythonPackage(filepath.Join(site, "jax_plugins/xla_cuda13/xla_cuda_plugin.so"))
	assert.Equal(t, "jax-cuda13-pjrt 0.9", name+" "+version)
	name, _ = pythonPackage(filepath.Join(site, "nobody/plugin.so"))
	assert.Empty(t, name)
}

// fakePython is a python3 whose "venv" has a "pip" that plants the package;
// it logs what it was asked to do.
const fakePython = `#!/bin/sh
echo "$*" >> "$FAKE_LOG"
case "$*" in
"-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
"-m pip --version") test -z "$FAKE_NO_PIP" ;;
*"pip install"*)
  test -z "$FAKE_FAIL" || { echo "no route to index" >&2; exit 1; }
  site="$(dirname "$0")/../lib/python3.11/site-packages"
  mkdir -p "$site/lammps_jax_pjrt_cpu" "$site/l.dist-info"
  echo so > "$site/lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so"
  echo "lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so,," > "$site/l.dist-info/RECORD"
  printf 'Name: lammps-jax-pjrt-cpu\nVersion: 0.11.2\n' > "$site/l.dist-info/METADATA" ;;
*) exit 2 ;;
esac
`

func TestInstall(t *testing.T) {
	root := t.TempDir()
	python, log := filepath.Join(root, "python3"), filepath.Join(root, "log")
	require.NoError(t, os.WriteFile(python, []byte(fakePython), 0o755))
	t.Setenv("FAKE_LOG", log)
	f := finder{
		getenv: func(string) string { return "" }, home: filepath.Join(root, "home"),
		system: filepath.Join(root, "system"), hasGPU: func() bool { return false },
	}

	t.Setenv("FAKE_FAIL", "1")
	_, err := f.install(context.Background(), python)
	require.ErrorContains(t, err, "no route to index")
	found, err := f.find()
	require.NoError(t, err)
	require.Equal(t, KindGo, found.Kind, "a failed installation leaves no plug-in behind")

	t.Setenv("FAKE_FAIL", "")
	path, err := f.install(context.Background(), python)
	require.NoError(t, err)
	found, err = f.find()
	require.NoError(t, err)
	assert.Equal(t, path, found.Path)
	assert.Equal(t, "user data folder", found.Source)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "so\n", string(text))

	before, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.Contains(t, string(before), "--no-deps lammps-jax-pjrt-cpu==0.11.2")
	_, err = f.install(context.Background(), python)
	require.NoError(t, err)
	after, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after), "what is there already is kept")

	_, err = f.install(context.Background(), filepath.Join(root, "none"))
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(root, "home")))
	_, err = f.install(context.Background(), "gonas-no-such-python")
	require.ErrorContains(t, err, "apt install python3")
}

func TestGPUModels(t *testing.T) {
	dir := t.TempDir()
	assert.Empty(t, gpuModels(dir))
	for bus, model := range map[string]string{"0000:00:06.0": "NVIDIA H200", "0000:00:07.0": "NVIDIA H200", "0000:00:08.0": "NVIDIA L4"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, bus), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, bus, "information"), []byte("Model: \t\t "+model+"\nIRQ:   \t\t 0\n"), 0o644))
	}
	assert.Equal(t, []string{"NVIDIA H200", "NVIDIA L4"}, gpuModels(dir))
}
