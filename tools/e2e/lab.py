"""Runs a notebook in JupyterLab in a real browser, as a person does, checks what it shows and takes screenshots.

Everything but the screenshots, which stay in E2E_OUT, is in a temporary folder: the copy of the notebook, the kernel,
Jupyter's own files and the runs. Nothing of it outlives the script.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from playwright.sync_api import Error, sync_playwright

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
START = 600  # seconds for JupyterLab, which may have to be installed first
RUN = 1200  # seconds for all cells
WIDE, NARROW, HEIGHT = 1280, 480, 900
MOST_OUTPUTS, MOST_LINES = 12, 40  # of a cell: what prints every step has more

# The notebook as it is now. textContent, since JupyterLab skips drawing what is off the screen, which has no innerText.
STATE = """() => {
    const shown = css => [...document.querySelectorAll('.jp-Notebook ' + css)];
    return {
        prompts: shown('.jp-CodeCell .jp-InputArea-prompt').map(e => e.textContent.trim()),
        kernel: document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status,
        bars: shown('progress').map(e => e.value / e.max),
        outputs: shown('.jp-OutputArea-output').length,
        errors: shown('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]').map(e => e.textContent),
        pictures: shown('.jp-OutputArea img').filter(e => e.complete && e.naturalWidth > 0).length,
        broken: shown('.jp-OutputArea img').filter(e => !e.complete || !e.naturalWidth).length,
    };
}"""


class Failure(Exception):
    """What the test found to be wrong."""


def require(true, message):
    if not true:
        raise Failure(message)


def wait(what, seconds, ready, alive=lambda: True):
    """Waits until ready() gives something true, and returns that."""
    end = time.monotonic() + seconds
    while not (value := ready()):
        require(alive(), f"JupyterLab ended while waiting for {what}")
        require(time.monotonic() < end, f"no {what} within {seconds} s")
        time.sleep(0.25)
    return value


def find_chromium():
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    raise Failure("no Chromium in PATH: apt install chromium")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def end_all(lab, mark):
    """Ends JupyterLab, and whatever of kernels and cells is left: all of them have our mark in their environment."""
    if lab.poll() is None:
        lab.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            lab.wait(20)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(process.name) != os.getpid() and mark.encode() in (process / "environ").read_bytes():
                    os.kill(int(process.name), sign)
        time.sleep(0.5)
    lab.wait()


def start_lab(stack, notebook, temporary):
    """Starts `gonas lab` on a copy of the notebook and returns its address, its token and whether it is alive."""
    work = temporary / "notebooks"
    work.mkdir()
    for path in notebook.parent.glob("*.ipynb"):
        shutil.copy(path, work)
    folders = {name: str(temporary / name.lower()) for name in (
        "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR", "GONAS_RUNS", "TMPDIR")}
    pathlib.Path(folders["TMPDIR"]).mkdir()
    # JupyterLab asks a newcomer whether it may fetch news, over the page.
    news = pathlib.Path(folders["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab/apputils-extension/notification.jupyterlab-settings")
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    log, mark = temporary / "lab.log", f"GONAS_E2E={temporary}"
    # No one types here: without completion no gopls loads the packages beside the search.
    command = [CHECKOUT / "bin/gonas", "lab", work, "--no-browser", "--no-completion", "--", f"--port={free_port()}"]
    with log.open("w") as out:
        lab = subprocess.Popen(command, cwd=CHECKOUT, env={**os.environ, **folders, "GONAS_E2E": str(temporary)}, stdin=subprocess.DEVNULL,
                               stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    stack.callback(end_all, lab, mark)

    def server():
        for path in pathlib.Path(folders["JUPYTER_RUNTIME_DIR"]).glob("jpserver-*.json"):
            with contextlib.suppress(ValueError):  # being written
                info = json.loads(path.read_text())
                with contextlib.suppress(OSError), urllib.request.urlopen(f"{info['url']}api?token={info['token']}"):
                    return info

    try:
        info = wait("JupyterLab", START, server, lambda: lab.poll() is None)
    except Failure:
        sys.stderr.write(log.read_text())
        raise
    return info["url"], info["token"], work / notebook.name, lambda: lab.poll() is None


class Page:
    """A notebook that is open in JupyterLab."""

    def __init__(self, page, out, name):
        self.page, self.out, self.name = page, out, name

    def menu(self, *path, command=None):
        """Chooses an item of the menu bar, by the texts on the way or at last by its command."""
        self.page.locator(".lm-MenuBar-item", has_text=path[0]).first.click()
        for text in path[1:]:
            item = self.page.locator(".lm-Menu-item", has=self.page.get_by_text(text, exact=True))
            item.last.hover()
            item.last.click()
        if command:
            self.page.locator(f'.lm-Menu-item[data-command="{command}"]').click()

    def state(self):
        return self.page.evaluate(STATE)

    def shot(self, what):
        path = self.out / f"{self.name}-{what}.png"
        self.page.screenshot(path=path)
        print(f"e2e: {path}", flush=True)

    def whole(self, what, width):
        """Takes the whole notebook: JupyterLab scrolls inside its page, so the window grows to where the last cell ends."""
        height = HEIGHT
        for _ in range(6):
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.wait_for_timeout(700)
            below = self.page.evaluate("""() => {
                const cells = [...document.querySelectorAll('.jp-Notebook .jp-Cell')];
                cells[0].scrollIntoView();
                return Math.ceil(cells.at(-1).getBoundingClientRect().bottom) + 60 - innerHeight;
            }""")
            if below <= 0:
                break
            height = min(height + below, 16000)  # as much as Chromium draws
        self.shot(what)
        self.page.set_viewport_size({"width": WIDE, "height": HEIGHT})

    def run(self, count, alive):
        """Runs all cells, so many, to the end, with a picture of a search on its way."""
        self.menu("Run", command="runmenu:run-all")
        wait("start of the first cell", 60, lambda: any(p.strip("[]: ") for p in self.state()["prompts"]), alive)
        seen = 0

        def done():
            nonlocal seen
            state = self.state()
            require(len(state["bars"]) <= 1, f"expected one progress at a time, got {len(state['bars'])}")
            # The first state there is, and then one with something to see.
            if state["bars"] and (seen == 0 or seen == 1 and state["bars"][0] >= 0.4):
                seen += 1
                self.page.locator(".jp-Notebook progress").evaluate("e => e.scrollIntoView({block: 'center'})")
                self.shot("search")
            require(not state["errors"], f"on the standard error: {state['errors']}")
            # JupyterLab brings the cells into the page one after the other.
            numbers = sum(p.strip("[]:").isdigit() for p in state["prompts"])
            return state["kernel"] == "idle" and numbers == count and state

        state = wait(f"end of {count} code cells", RUN, done, alive)
        require(seen, "no search was seen on its way")
        require(not state["bars"], "a progress stayed")

    def save(self, path):
        before = path.stat().st_mtime_ns
        self.menu("File", command="docmanager:save")
        wait("saved notebook", 30, lambda: path.stat().st_mtime_ns != before)
        return json.loads(path.read_text())


def code(notebook):
    return [c for c in notebook["cells"] if c["cell_type"] == "code"]


def check(saved):
    """Holds what the notebook keeps against what its cells expect; returns the number of pictures."""
    pictures = 0
    for i, cell in enumerate(code(saved)):
        where, outputs = f"code cell {i + 1}", cell["outputs"]
        require(cell["execution_count"], f"{where} was not run")
        for o in outputs:
            require(o["output_type"] != "error", f"{where}: {o.get('ename')}: {o.get('evalue')}")
            require(o.get("name") != "stderr", f"{where}, standard error: {''.join(o.get('text', []))}")
        lines = sum("".join(o.get("text", "")).count("\n") for o in outputs)
        require(len(outputs) <= MOST_OUTPUTS and lines <= MOST_LINES, f"{where}: {len(outputs)} outputs, {lines} lines")
        for mime, least in cell["metadata"].get("expect", {}).get("mime", {}).items():
            got = sum(mime in o.get("data", {}) for o in outputs)
            require(got >= least, f"{where}: expected {least} of {mime}, got {got}")
        for o in outputs:
            if "image/png" in o.get("data", {}):
                pictures += 1
                require(o["metadata"].get("image/png", {}).get("alt"), f"{where}: a picture without text alternative")
    return pictures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", nargs="?", default="notebooks/tour.ipynb", type=pathlib.Path)
    notebook = parser.parse_args().notebook.resolve()
    require(notebook.is_file(), f"{notebook}: no such notebook")
    out = pathlib.Path(os.environ.get("E2E_OUT") or CHECKOUT / "runs/e2e").resolve()
    out.mkdir(parents=True, exist_ok=True)
    # Ends in order when it is told to.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    with contextlib.ExitStack() as stack:
        temporary = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gonas-e2e-", ignore_cleanup_errors=True)))
        url, token, copy, alive = start_lab(stack, notebook, temporary)
        playwright = stack.enter_context(sync_playwright())
        # Chromium's own sandbox does not work for root.
        browser = playwright.chromium.launch(executable_path=find_chromium(), chromium_sandbox=os.geteuid() != 0)
        stack.callback(browser.close)
        page = browser.new_page(viewport={"width": WIDE, "height": HEIGHT})
        lab = Page(page, out, notebook.stem)
        try:
            page.goto(f"{url}lab/tree/{copy.name}?token={token}")
            # The status bar's words: the sign beside the kernel's name says idle before there is a kernel. GoNB's state
            # is unknown to JupyterLab until a cell has run.
            page.get_by_text(re.compile(r"Go \(gonas\) \| (Idle|Unknown)")).wait_for(timeout=120_000)
            cells = len(code(json.loads(copy.read_text())))
            wait(f"{cells} code cells", 60, lambda: len(lab.state()["prompts"]) == cells, alive)
            lab.menu("Edit", command="editmenu:clear-all")
            wait("notebook without outputs", 10, lambda: lab.state()["outputs"] == 0)
            lab.run(cells, alive)
            pictures = check(lab.save(copy))
            wait(f"{pictures} pictures", 30, lambda: lab.state()["pictures"] >= pictures)
            require(not lab.state()["broken"], "a picture is broken")
            lab.whole("wide", WIDE)
            page.keyboard.press("Control+b")  # the list of files would take half of it
            lab.whole("narrow", NARROW)
            page.keyboard.press("Control+b")
            lab.menu("Settings", "Theme", "JupyterLab Dark")
            page.locator('body[data-jp-theme-light="false"]').wait_for(state="attached")
            lab.whole("dark", WIDE)
        except BaseException:
            with contextlib.suppress(Error):
                lab.shot("failed")
            raise
        print(f"e2e: {notebook.name}: {cells} code cells run, {pictures} pictures, no errors")


if __name__ == "__main__":
    try:
        main()
    except (Failure, Error) as e:
        sys.exit(f"e2e: {e}")
