"""What a notebook shows, on a page as narrow as half a laptop's screen."""

from __future__ import annotations

import shutil

import pytest

import grader
import labs
from labs.ui.html import grade
from labs.ui.style import Screen

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTH = 434  # what is left of 480 beside a cell
BEYOND = """width => [...document.querySelectorAll("td, th, pre")]
    .filter(e => e.checkVisibility() && !e.closest("[data-scrolls]") && e.getBoundingClientRect().right > width)
    .map(e => e.innerText)"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]


@pytest.mark.parametrize("language", ["en", "nl"])
def test_grade_on_a_narrow_page_is_read_without_scrolling(language: str) -> None:
    """The end of each line of the reason was cut off."""
    lab = labs.open("bakery-address-clash", seed=7)
    shown = grade(grader.check(lab), Screen(language))._repr_mimebundle_()["text/html"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": WIDTH, "height": 900})
            page.set_content(f'<!doctype html><body style="margin:0">{shown}</body>')
            assert page.evaluate(BEYOND, WIDTH) == []
            page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH
        finally:
            browser.close()
