"""`netwerf doctor`: what works on this machine; what does not, what that excludes and how it is mended."""

from __future__ import annotations

import os
import platform
import sys
import textwrap
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from labs.messages import Message, message
from labs.ui.doctor_kernel import kernel_findings
from labs.ui.finding import ABSENT, GOOD, LACKING, Finding
from labs.ui.storage import home, is_writable
from labs.ui.style import Screen
from labs.version import version as own_version

__all__ = ["examine", "tell"]

PACKAGES = ("simpy", "networkx", "PyYAML", "click", "rich", "prompt_toolkit")


def examine(screen: Screen) -> int:
    """Look at everything; 0 if the simulator works, else 1."""
    works = True
    for finding in _findings():
        tell(screen, finding)
        works = works and not (finding.vital and finding.mark == LACKING)
    screen.show()
    if works:
        screen.say("  Everything that the labs need works. Begin with: netwerf tour")
    else:
        screen.say("  The simulator does not work here; mend what is marked and try again.")
    return 0 if works else 1


def tell(screen: Screen, finding: Finding) -> None:
    """One line; what is longer goes on below, and so does how to mend it."""
    what = finding.what.in_language(screen.language)
    first, *more = _lines(screen, finding.found) or [""]
    screen.verdict(f"  {finding.mark} {what:<20}  {first}")
    if finding.mend is not None:
        more.append(finding.mend.in_language(screen.language))
    for line in more:
        screen.show(f"    {'':<20}  {line}")


def _lines(screen: Screen, text: Message) -> list[str]:
    """A sentence in lines. How to mend it is not broken: people copy it."""
    said = text.in_language(screen.language)
    return textwrap.wrap(said, max(40, screen.width - 26), break_long_words=False, break_on_hyphens=False)


def _findings() -> Iterator[Finding]:
    yield Finding(GOOD, message("Netwerf"), message("{text}", text=own_version()))
    yield _python()
    yield _packages()
    yield _terminal()
    yield _folder()
    yield _notebook()
    yield _simulator()
    yield from kernel_findings()


def _python() -> Finding:
    found = f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} {platform.machine()}"
    return Finding(GOOD, message("Python"), message("{text}", text=found))


def _packages() -> Finding:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        mend = message("mend it with: pip install {names}", names=" ".join(missing))
        return Finding(
            LACKING, message("packages"), message("missing: {names}", names=", ".join(missing)), mend, vital=True
        )
    return Finding(GOOD, message("packages"), message("{text}", text=", ".join(found)))


def _terminal() -> Finding:
    encoding = sys.stdout.encoding or "ascii"
    try:
        "✔─→".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return Finding(
            ABSENT,
            message("terminal"),
            message("{encoding}: marks and drawings in plain letters (+ x -)", encoding=encoding),
            message("for signs: set PYTHONUTF8=1, or use Windows Terminal"),
        )
    if not sys.stdout.isatty():
        return Finding(GOOD, message("terminal"), message("{encoding}, no terminal: no colours", encoding=encoding))
    if os.environ.get("NO_COLOR"):
        return Finding(GOOD, message("terminal"), message("{encoding}, colours off (NO_COLOR)", encoding=encoding))
    return Finding(GOOD, message("terminal"), message("{encoding}, colours", encoding=encoding))


def _folder() -> Finding:
    folder = home()
    if is_writable(folder):
        return Finding(GOOD, message("folder"), message("{folder} can be written", folder=folder))
    return Finding(
        LACKING,
        message("folder"),
        message("{folder} cannot be written: labs are kept in the folder where you start them", folder=folder),
        message("set NETWERF_HOME to a folder of yours"),
    )


def _notebook() -> Finding:
    lacking = [name for name in ("jupyterlab", "ipykernel") if find_spec(name) is None]
    if not lacking:
        return Finding(GOOD, message("notebook"), message("JupyterLab {version}", version=version("jupyterlab")))
    return Finding(
        ABSENT,
        message("notebook"),
        message("not installed: `netwerf notebook` does not work; everything else does"),
        message('mend it with: pip install "netwerf[notebook]"'),
    )


def _simulator() -> Finding:
    """Open the first lab and let a device ping its own network."""
    from labs.lab import open_lab
    from labs.scenario.library import load_scenario, scenario_files

    try:
        scenario = load_scenario(scenario_files()[0])
        begun = time.perf_counter()
        lab = open_lab(scenario)
        opened = time.perf_counter() - begun
        place = next(iter(lab.variant.healthy.devices))
        output = lab.run(place, "ping -c 1 127.0.0.1")
        lab.close()
    except Exception as error:  # noqa: BLE001 - the doctor reports, whatever it is
        found = message("{error}", error=f"{type(error).__name__}: {error}")
        mend = message("no lab can be opened; install Netwerf again, or report this line")
        return Finding(LACKING, message("engine sim"), found, mend, vital=True)
    if output.status:
        mend = message("no lab can be trusted here; report this line")
        return Finding(
            LACKING, message("engine sim"), message("ping failed: {text}", text=output.text[:200]), mend, vital=True
        )
    found = message("{lab} opens in {ms} ms, and ping answers", lab=scenario.id, ms=round(opened * 1000))
    return Finding(GOOD, message("engine sim"), found)
