"""The notebook of a trainee in a real JupyterLab, in a real browser: open it, run everything, read the page."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import grader
import labs
from labs.data import notebook_root

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("jupyterlab", reason="the extra `notebook` is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ROOT = Path(__file__).parent.parent.parent
TOKEN = "only-for-this-test"
ERRORS = ".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr'], .jp-RenderedText[data-mime-type$='.error']"
START_S = 60
RUN_S = 120

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.fail(f"JupyterLab ended with status {server.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)  # another process starts: there is nothing to wait on but its port
    pytest.fail(f"JupyterLab did not answer within {START_S} s")


def settings(folder: Path) -> Path:
    """JupyterLab keeps cells that are out of sight out of the page; here all of them are on it."""
    tracker = folder / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    tracker.parent.mkdir(parents=True)
    tracker.write_text('{"windowingMode": "none"}', encoding="utf-8")
    news = folder / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir()
    news.write_text('{"fetchNews": "false", "checkForUpdates": false}', encoding="utf-8")
    return folder


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[str]:
    """A JupyterLab of its own, with the notebooks; ended, with its kernels, afterwards."""
    work = tmp_path / "work"
    shutil.copytree(notebook_root(), work)
    port = free_port()
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings(tmp_path / "settings")),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "NETWERF_HOME": str(tmp_path / "labs"),
        "NETWERF_LANG": "en",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={work}"]
    command += ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=work, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(f"http://127.0.0.1:{port}/api?token={TOKEN}", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGTERM)  # the server ends its kernels
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait(10)


def test_bakery_notebook_run_in_jupyterlab_shows_map_and_checks(jupyter: str, tmp_path: Path) -> None:
    """Run All Cells: the work order, the map, terminals and the table of checks are on the page, and no error is."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.goto(f"{jupyter}/lab/tree/bakery-address-clash.ipynb?token={TOKEN}")
            page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=START_S * 1000)
            page.get_by_text("| Idle").wait_for(timeout=START_S * 1000)  # in the status bar: the kernel is connected
            run_everything(page)
            page.wait_for_selector(f".netwerf table caption, {ERRORS}", timeout=RUN_S * 1000, state="attached")
            look_at(page, tmp_path)
        finally:
            for opened in browser.contexts[0].pages:
                opened.screenshot(path=tmp_path / "last.png")
            browser.close()


def run_everything(page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def look_at(page, tmp_path: Path) -> None:
    assert page.locator(ERRORS).all_inner_texts() == []
    order = page.locator(".netwerf").first
    assert "Two devices, one address" in order.inner_text()
    picture = order.locator("svg[role=img]")
    assert picture.count() == 1
    assert {"terminal", "printer", "gw"} <= set(picture.locator("text").all_text_contents())
    assert "Map: 7 devices, 6 leads" in picture.locator("title").first.text_content()
    table = page.locator(".netwerf table").first
    assert "the terminal pays" in table.inner_text()
    assert "does not hold" in table.inner_text()
    assert "points are needed" in table.locator("caption").inner_text()
    table.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "check.png")
    order.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "lab.png")


def repaired_notebook(name: str, seed: int) -> str:
    """A notebook in which a trainee opened a lab, typed a whole repair and had it checked."""
    lab = labs.open(name, seed=seed)
    repair = [f"%%on {place}\n{text}" for place, text in lab.variant.steps(lab.scenario.solution)]
    cells = ["%load_ext labs", f"lab = %lab {name} --seed {seed}", *repair, "%check", "%submit mine.netwerf"]
    code = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        for i, text in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": code})


@pytest.mark.parametrize("name", ["bakery-address-clash", "first-sensor-online", "tasting-room-guests"])
def test_lab_repaired_in_the_browser_is_passed_and_submitted(jupyter: str, tmp_path: Path, name: str) -> None:
    """From work order to grade without leaving the page; the file it leaves earns the same."""
    (tmp_path / "work" / "mine.ipynb").write_text(repaired_notebook(name, 11), encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.goto(f"{jupyter}/lab/tree/mine.ipynb?token={TOKEN}")
            page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=START_S * 1000)
            page.get_by_text("| Idle").wait_for(timeout=START_S * 1000)
            run_everything(page)
            page.get_by_text("mine.netwerf", exact=False).last.wait_for(timeout=RUN_S * 1000)
            page.locator(".netwerf table caption").nth(1).wait_for(timeout=RUN_S * 1000, state="attached")
            assert page.locator(ERRORS).all_inner_texts() == []
            assert "passed" in page.locator(".netwerf table caption").first.inner_text()
            page.locator(".netwerf table").first.scroll_into_view_if_needed()
            page.screenshot(path=tmp_path / "passed.png")
        finally:
            browser.close()
    grade = grader.grade(tmp_path / "work" / "mine.netwerf")
    assert (grade.points, str(grade.outcome)) == (grade.max_points, "passed")
