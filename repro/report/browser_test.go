//go:build unix

package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/repro/verdict"
)

// browser is a headless Chromium on a pair of pipes: the DevTools protocol, JSON messages that end in a zero byte.
type browser struct {
	t       *testing.T
	in      *os.File
	out     *bufio.Reader
	session string
	id      int
}

// openBrowser starts Chromium with one page, or skips the test where there is none.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if p, err := exec.LookPath(name); err == nil {
			program = p
			break
		}
	}
	if program == "" {
		t.Skip("no Chromium in the PATH (Debian: apt install chromium): the page is not tried in a browser")
	}
	theirIn, in, err := os.Pipe()
	require.NoError(t, err)
	out, theirOut, err := os.Pipe()
	require.NoError(t, err)
	profile, err := os.MkdirTemp("", "gonas-chromium-")
	require.NoError(t, err)
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
		"--disable-background-networking", "--hide-scrollbars", "--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // its files 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	require.NoError(t, theirIn.Close())
	require.NoError(t, theirOut.Close())
	require.NoError(t, out.SetReadDeadline(time.Now().Add(30*time.Second)))
	b := &browser{t: t, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its helpers too
		_ = cmd.Wait()
		in.Close()
		out.Close()
		// A helper may write to its last, so that t.TempDir would sometimes fail here.
		for range 50 {
			if os.RemoveAll(profile) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	var target struct {
		TargetID string `json:"targetId"`
	}
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.call("Page.enable", nil, nil)
	return b
}

// call sends a command and waits for its answer; what else arrives is dropped.
func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	data, err := json.Marshal(message)
	require.NoError(b.t, err)
	_, err = b.in.Write(append(data, 0))
	require.NoError(b.t, err)
	answer := b.wait(func(m reply) bool { return m.ID == b.id })
	require.Nil(b.t, answer.Error, "%s: %s", method, answer.Error)
	if result != nil {
		require.NoError(b.t, json.Unmarshal(answer.Result, result))
	}
}

type reply struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

func (b *browser) wait(is func(reply) bool) reply {
	b.t.Helper()
	for {
		data, err := b.out.ReadBytes(0)
		require.NoError(b.t, err)
		var m reply
		require.NoError(b.t, json.Unmarshal(bytes.TrimRight(data, "\x00"), &m))
		if is(m) {
			return m
		}
	}
}

// open loads a file of this machine.
func (b *browser) open(file, hash string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": "about:blank"}, nil)
	b.call("Page.navigate", map[string]any{"url": (&url.URL{Scheme: "file", Path: file}).String() + hash}, nil)
	require.Eventually(b.t, func() bool { return b.eval("document.readyState + location.protocol") == "completefile:" }, 5*time.Second, 10*time.Millisecond)
}

// eval runs an expression and gives its value as text.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	var r struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		Exception any `json:"exceptionDetails"`
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	require.Nil(b.t, r.Exception, expression)
	return fmt.Sprint(r.Result.Value)
}

func (b *browser) press(key, code string, number int) {
	b.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		b.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number}, nil)
	}
}

func (b *browser) size(width, height int, dark bool) {
	b.t.Helper()
	scheme := map[bool]string{false: "light", true: "dark"}[dark]
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}}}, nil)
}

// TestPageInABrowser searches, filters and uses the keyboard, as a person would.
func TestPageInABrowser(t *testing.T) {
	b := openBrowser(t)
	dir := folder(t)
	r := load(t, dir)
	page := filepath.Join(dir, PageFile)
	require.NoError(t, os.WriteFile(page, []byte(render(t, r, dir)), 0o600))
	total := len(r.claims())
	count := func() string { return b.eval("document.getElementById('count').textContent") }
	visible := func(selector string) string {
		return b.eval("[...document.querySelectorAll('" + selector + "')].filter(e => e.checkVisibility()).length")
	}
	all := fmt.Sprintf("%d of %d claims", total, total)

	b.size(1280, 900, false)
	b.open(page, "")
	assert.Equal(t, all, count())
	assert.Equal(t, strconv.Itoa(total), visible("article.claim"))
	assert.Equal(t, "gonas: printed and measured, profile quick", b.eval("document.title"), "nothing hostile ran")
	assert.Equal(t, "0", b.eval("performance.getEntriesByType('resource').filter(r => !r.name.startsWith('data:')).length"), "nothing was loaded")

	// The first tab stop is the skip link; typing goes to the search box.
	b.press("Tab", "Tab", 9)
	assert.Equal(t, "#papers", b.eval("document.activeElement.getAttribute('href')"))
	b.eval("document.getElementById('q').focus()")
	b.call("Input.insertText", map[string]any{"text": "RetinaNet  ONERROR"}, nil) // words of one claim, in any order
	assert.Equal(t, fmt.Sprintf("1 of %d claims", total), count())
	assert.Equal(t, "claim-fd-coco", b.eval("[...document.querySelectorAll('article.claim')].filter(e => e.checkVisibility()).map(e => e.id).join()"))
	assert.Equal(t, "1", visible("li[data-claim]"))
	assert.Equal(t, "#q=RetinaNet%20%20ONERROR", b.eval("location.hash"), "the address keeps the filter")

	b.eval("document.getElementById('reset').click(); new Promise(r => setTimeout(r, 20))")
	assert.Equal(t, all, count())
	assert.Equal(t, "", b.eval("location.hash"))

	// Filters by status, kind and paper.
	choose := func(id, value string) {
		b.eval(fmt.Sprintf("{ const s = document.getElementById(%q); s.value = %q; s.dispatchEvent(new Event('input', {bubbles: true})) }", id, value))
	}
	for _, n := range r.counts() {
		if n.Claims > 0 {
			choose("status", string(n.Status))
			assert.Equal(t, fmt.Sprintf("%d of %d claims", n.Claims, total), count(), n.Status)
			assert.Equal(t, strconv.Itoa(2*n.Claims), visible("article.claim, li[data-claim]"), n.Status)
		}
	}
	choose("status", string(verdict.Reproduced))
	choose("kind", "level")
	assert.Equal(t, fmt.Sprintf("0 of %d claims", total), count())
	assert.NotEqual(t, "0", visible("p.none"))
	assert.Equal(t, "0", visible("section.paper"))
	choose("status", "")
	choose("kind", "")
	choose("paper", "fairdarts")
	assert.Equal(t, fmt.Sprintf("%d of %d claims", len(r.Papers[slices.IndexFunc(r.Papers, func(p Paper) bool { return p.ID == "fairdarts" })].Claims), total), count())

	// A shared address, by load and by link; one that leads to a hidden claim shows it.
	b.open(page, "#status=inconclusive&q=sigmoids")
	assert.Equal(t, fmt.Sprintf("1 of %d claims", total), count())
	assert.Equal(t, "sigmoids", b.eval("document.getElementById('q').value"))
	b.eval("document.querySelector('a.badge.reproduced').click(); new Promise(r => setTimeout(r, 50))")
	assert.Equal(t, fmt.Sprintf("1 of %d claims", total), count())
	assert.Equal(t, "reproduced", b.eval("document.getElementById('status').value"))
	b.eval("location.hash = 'claim-fd-coco'; new Promise(r => setTimeout(r, 50))")
	assert.Equal(t, all, count())
	assert.Equal(t, "claim-fd-coco", b.eval("document.activeElement.id"))

	for _, dark := range []bool{false, true} {
		b.size(360, 740, dark)
		assert.Equal(t, "360", b.eval("document.documentElement.scrollWidth"), "nothing sticks out of a narrow screen")
	}
	assert.NotEqual(t, "rgb(255, 255, 255)", b.eval("getComputedStyle(document.body).backgroundColor"), "dark")
}
