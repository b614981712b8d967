package kernels_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The kernels, built with sanitizers into a program that plays the runtime,
// equal their definitions on every instruction set of this machine, with the
// same bits on 1, 2 and 8 threads, and neither overrun a buffer nor race.
func TestSanitizers(t *testing.T) {
	t.Parallel()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no gcc")
	}
	sets, err := filepath.Glob("set_*.c")
	require.NoError(t, err)
	require.Len(t, sets, 3)
	for sanitizer, with := range map[string]struct {
		optimize string
		check    []string
	}{
		"address,undefined": {"-O0", []string{"check"}},          // optimising takes far longer than it saves
		"thread":            {"-O1", []string{"check", "large"}}, // the others stay on one thread
	} {
		t.Run(sanitizer, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "driver")
			probe := filepath.Join(t.TempDir(), "probe.c")
			require.NoError(t, os.WriteFile(probe, []byte("int main(void) { return 0; }\n"), 0o600))
			if out, err := exec.Command(gcc, "-fsanitize="+sanitizer, "-o", program, probe).CombinedOutput(); err != nil {
				t.Skipf("gcc cannot build with -fsanitize=%s: %s", sanitizer, out)
			}
			if out, err := exec.Command(program).CombinedOutput(); err != nil {
				t.Skipf("a program built with -fsanitize=%s does not run here: %s", sanitizer, out)
			}
			args := []string{with.optimize, "-std=gnu11", "-Wno-psabi", "-fsanitize=" + sanitizer, "-fno-sanitize-recover=all",
				"-o", program, "testdata/driver.c", "handlers.c", "run.c"}
			out, err := exec.Command(gcc, append(append(args, sets...), "-lm", "-lpthread")...).CombinedOutput()
			require.NoError(t, err, "%s", out)
			out, err = exec.Command(program, with.check...).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Equal(t, "all equal\n", string(out))
		})
	}
}
