"""What there is: labs, faults, and the map of a site."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from labs.faults import CATALOGUE, Fault
from labs.scenario.library import find_scenario, load_scenario, scenario_files
from labs.scenario.scenario import Scenario, ScenarioError
from labs.scenario.variant import draw
from labs.ui.storage import write_whole
from labs.ui.style import Refusal, Screen, columns, near

__all__ = ["list_faults", "list_scenarios", "scenario_named", "show_map"]


def scenario_named(name: str) -> Scenario:
    """A shipped scenario, or that of a file. Raises Refusal for a name that leads nowhere, else ScenarioError."""
    known = {path.stem: path for path in scenario_files()}
    if (
        name in known
        or Path(name).suffix in (".yaml", ".yml")
        or Path(name).is_file()
        or Path(f"{name}.yaml").is_file()
    ):
        return find_scenario(name)
    raise Refusal(
        'there is no scenario "{name}"; there are: {names}{near} (a scenario of your own is a file: {name}.yaml)',
        name=name,
        names=", ".join(known),
        near=near(name, known),
    )


def list_scenarios(screen: Screen, *, module: str | None, level: int | None, as_json: bool) -> int:
    """`netwerf list`. A scenario that cannot be read is told on standard error; the rest is listed."""
    known: list[Scenario] = []
    status = 0
    for path in scenario_files():
        try:
            known.append(load_scenario(path))
        except ScenarioError as error:
            screen.show("\n".join(error.lines(screen.language)), err=True)
            status = 2
    modules = sorted({scenario.module for scenario in known})
    if module is not None and module not in modules:
        raise Refusal(
            'there is no module "{module}"; there are: {modules}{near}',
            module=module,
            modules=", ".join(modules),
            near=near(module, modules),
        )
    chosen = [s for s in known if module in (None, s.module) and level in (None, s.level)]
    chosen.sort(key=lambda s: (s.module, s.level, s.id))
    if as_json:
        screen.show(json.dumps([_as_object(s) for s in chosen], indent=2))
        return status
    if not chosen:
        screen.say("There is no lab of that module and level.")
        return status
    head = [
        screen.phrase("lab"),
        screen.phrase("title"),
        screen.phrase("level"),
        screen.phrase("min"),
        screen.phrase("activities"),
    ]
    rows = [
        [s.id, s.title.in_language(screen.language), str(s.level), str(s.minutes), " ".join(s.activities)]
        for s in chosen
    ]
    for line in columns([head, *rows]):
        screen.show(line)
    screen.show()
    screen.say("Open one: netwerf play {lab}", lab=chosen[0].id)
    return status


def _as_object(scenario: Scenario) -> dict[str, Any]:
    return {
        "id": scenario.id,
        "title": {"en": scenario.title.en, "nl": scenario.title.nl},
        "module": scenario.module,
        "level": scenario.level,
        "minutes": scenario.minutes,
        "activities": list(scenario.activities),
        "points": scenario.max_points,
        "file": scenario.file,
        "digest": scenario.digest,
    }


def list_faults(screen: Screen, *, name: str | None) -> int:
    """`netwerf faults`, or everything about one."""
    if name is not None:
        if name not in CATALOGUE:
            raise Refusal(
                '"{name}" is not a fault of the catalogue{near} (see: netwerf faults)',
                name=name,
                near=near(name, CATALOGUE),
            )
        _show_fault(screen, CATALOGUE[name])
        return 0
    families = dict.fromkeys(fault.family for fault in CATALOGUE.values())
    for family in families:
        screen.show(family, bold=True)
        rows = [[f"  {f.name}", f.symptom] for f in CATALOGUE.values() if f.family == family]
        for line in columns(rows):
            screen.show(line)
        screen.show()
    screen.say("More about one: netwerf faults {name}", name=next(iter(CATALOGUE)))
    return 0


def _show_fault(screen: Screen, fault: Fault) -> None:
    screen.show(f"{fault.name}  ({fault.family})", bold=True)
    does = " ".join((fault.change.__doc__ or "").split())
    rows = [
        (screen.phrase("does"), does),
        (screen.phrase("symptom"), fault.symptom),
        (screen.phrase("shown by"), fault.shown_by),
        (screen.phrase("fix"), fault.fix),
    ]
    rows += [(screen.phrase("parameter"), _parameter(screen, fault, p.name)) for p in fault.parameters]
    required = ", ".join(f"{p.name}: …" for p in fault.parameters if p.required)
    rows.append((screen.phrase("in a scenario"), f"- {fault.name}: {{{required}}}"))
    width = max(len(word) for word, _ in rows)
    for word, text in rows:
        margin = " " * (width + 4)
        wrapped = textwrap.fill(text, screen.width, subsequent_indent=margin, initial_indent=f"  {word:<{width}}  ")
        screen.show(wrapped)


def _parameter(screen: Screen, fault: Fault, name: str) -> str:
    parameter = next(p for p in fault.parameters if p.name == name)
    if parameter.required:
        return screen.phrase("{name}: {what}", name=name, what=parameter.expects)
    return screen.phrase("{name}: {what} (may be left out)", name=name, what=parameter.expects)


def show_map(screen: Screen, *, scenario: str, seed: str, svg: Path | None) -> int:
    """`netwerf map`: the site as on the drawing, without the addresses: finding those out is the work."""
    site = draw(scenario_named(scenario), seed).healthy
    if svg is None:
        from labs.ui.map import text_map

        screen.show(text_map(site, addresses=False, language=screen.language, width=screen.width).rstrip("\n"))
        return 0
    from labs.ui.map import svg_map

    try:
        write_whole(svg, svg_map(site, addresses=False, language=screen.language))
    except OSError as error:
        raise Refusal("{file} cannot be written ({error})", file=svg, error=error.strerror or error) from None
    screen.say("{file} is written.", file=svg)
    return 0
