"""Draws the pictures of the README anew: `make images`. The table of checks needs playwright and chromium."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import grader
import labs
from labs.ui import html
from labs.ui.map import svg_map
from labs.ui.style import Screen

HERE = Path(__file__).parent
SCENARIO, SEED = "bakery-address-clash", 7
REPAIRED = ("till", "gw")  # the places of the reference repair that are done on the picture of the checks
MAX_BYTES = 150_000


def draw_map() -> str:
    """The bakery as it should be."""
    return svg_map(labs.open(SCENARIO, seed=SEED).variant.healthy)


def half_repaired() -> str:
    """The table of checks when part of the work is done."""
    lab = labs.open(SCENARIO, seed=SEED)
    for place, lines in lab.variant.steps(lab.scenario.solution):
        if place in REPAIRED:
            for line in lines.strip().splitlines():
                lab.run(place, line)
    table = html.grade(grader.check(lab), Screen("en"))
    lab.close()
    page = table._repr_mimebundle_()["text/html"]
    head = '<!doctype html><meta charset="utf-8"><body style="margin:0;background:#fff">'
    return f'{head}<div id="all" style="padding:4px 18px;width:880px">{page}</div>'


def photograph(page: str, target: Path) -> None:
    """A picture of the page, in one and a half pixels for each of its own."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        tab = browser.new_page(viewport={"width": 960, "height": 800}, device_scale_factor=1.5)
        tab.set_content(page)
        tab.locator("details").nth(1).evaluate("evidence => { evidence.open = true }")
        tab.locator("#all").screenshot(path=target)
        browser.close()


def main() -> int:
    """Both pictures; 1 where one is too heavy for a README."""
    (HERE / "map.svg").write_text(draw_map(), encoding="utf-8", newline="\n")
    photograph(half_repaired(), HERE / "check.png")
    heavy = [path.name for path in (HERE / "map.svg", HERE / "check.png") if path.stat().st_size > MAX_BYTES]
    if heavy:
        sys.stderr.write(f"heavier than {MAX_BYTES} bytes: {', '.join(heavy)}\n")
    return 1 if heavy else 0


if __name__ == "__main__":
    sys.exit(main())
