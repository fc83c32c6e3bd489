"""Finding and reading scenarios, and what needs the whole of one: names that must exist, placeholders, variants."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from labs.data import scenario_root
from labs.faults import A_DEVICE, CATALOGUE
from labs.messages import Message, message
from labs.model.site import Kind
from labs.model.text import Text
from labs.scenario.control_intents import Reacts, Stays, Watching, window_of
from labs.scenario.data_intents import (
    Authenticated,
    Authorised,
    BatteryLife,
    Listening,
    NoPlaintext,
    Origin,
    Reading,
)
from labs.scenario.document import SCENARIO, SCENARIO_NAME
from labs.scenario.intents import (
    Fresh,
    Kept,
    PolicyHolds,
    Reach,
    Refuse,
    Resolve,
    Shows,
    Unique,
    Untouched,
    Withstands,
)
from labs.scenario.readable import unreadable
from labs.scenario.rooms_document import quantities_of
from labs.scenario.scenario import Check, Scenario, ScenarioError, Step
from labs.scenario.schema import MISSING, Problem, Report, suggest
from labs.scenario.variant import Variant, break_site, draw
from labs.scenario.yaml_tree import Node, YamlError, line_of, parse_yaml
from labs.things.conditions import ConditionError, parse_condition
from labs.things.library import MODELS
from labs.things.timezone import ZoneError
from labs.things.timezone import zone as time_zone

__all__ = [
    "find_scenario",
    "half_translated",
    "load_scenario",
    "parse_scenario",
    "scenario_files",
    "submitted_scenario",
]

HANDS = "hands"
MOST_TRIES = 1500  # of one reach check: a minute apart, that is a day
MEASURING = frozenset({"sensor", "modbus", "lorawan", "zigbee", "push"})  # they publish a quantity of their room


def _battery_model(services: Mapping[str, Any]) -> bool:
    """Whether a device is a sensor with a model that has a battery."""
    own = services.get("lorawan") or services.get("sensor") or {}
    return bool(own.get("model")) and MODELS[own["model"]].battery is not None


def scenario_files() -> list[Path]:
    """Every scenario that is shipped, by module and name."""
    return sorted(scenario_root().glob("*/*.yaml"))


def find_scenario(name: str) -> Scenario:
    """A scenario by its name or by the path of its file. Raises ScenarioError."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return load_scenario(path)
    if Path(f"{name}.yaml").is_file():
        return load_scenario(Path(f"{name}.yaml"))
    known = {file.stem: file for file in scenario_files()}
    if name in known:
        return load_scenario(known[name])
    listed = ", ".join(known)
    said = message(
        'there is no scenario "{name}"; there are: {listed}{near}', name=name, listed=listed, near=suggest(name, known)
    )
    raise ScenarioError(name, [Problem(0, "", said)])


def submitted_scenario(name: str) -> Scenario | None:
    """The scenario that a submission names: one that is shipped, else NAME.yaml in this folder, else None.

    Whoever submits chooses the name. It leads to no other file, whose text a report would show, and no file beside a
    submission takes the place of a shipped scenario. Raises ScenarioError.
    """
    if re.fullmatch(SCENARIO_NAME, name) is None:
        return None
    known = {file.stem: file for file in scenario_files()}
    path = known.get(name, Path(f"{name}.yaml"))
    return load_scenario(path) if path.is_file() else None


def load_scenario(path: Path) -> Scenario:
    """Read a file. Raises ScenarioError with everything that is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError(
            str(path), [Problem(1, "", message("the file is not UTF-8 text (byte {start})", start=error.start))]
        ) from None
    except OSError as error:
        raise ScenarioError(str(path), [Problem(0, "", error.strerror or str(error))]) from None
    return parse_scenario(text, str(path))


def parse_scenario(text: str, file: str = "<text>") -> Scenario:
    """Read the text of a scenario. Raises ScenarioError with everything that is wrong with it."""
    try:
        root = parse_yaml(text)
    except YamlError as error:
        raise ScenarioError(file, [Problem(error.line, "", error.said)]) from None
    report = Report()
    scenario = SCENARIO.read(root, "", report)
    if scenario is not MISSING:
        object.__setattr__(scenario, "file", file)
        object.__setattr__(scenario, "digest", hashlib.sha256(text.encode()).hexdigest())
        _Names(scenario, report, root).check()
        if not report.problems:
            _check_variants(scenario, report)
    if report.problems:
        raise ScenarioError(file, [replace(p, line=max(p.line, line_of(root, p.path) or 0)) for p in report.problems])
    return scenario


class _Names:
    """Every name in a scenario must mean something."""

    def __init__(self, scenario: Scenario, report: Report, root: Node) -> None:
        self._scenario = scenario
        self._report = report
        self._devices = scenario.site.devices
        # A device or check that could not be read has been told about; it is not missing as well.
        self._unread = {*root.value["site"].value["devices"].value} - {*self._devices}

    def check(self) -> None:
        """Report every name that does not."""
        whole = not any(problem.path.startswith("checks") for problem in self._report.problems)
        seen: dict[str, int] = {}
        for index, check in enumerate(self._scenario.checks):
            path = f"checks[{index}]"
            if check.id in seen:
                self._report.add(
                    check.line,
                    path,
                    message('the id "{id}" is already taken on line {seen}', id=check.id, seen=seen[check.id]),
                )
            seen[check.id] = check.line
            self._check(check, path)
        for index, check in enumerate(self._scenario.checks):
            for need in check.needs:
                self._known(need, seen, message("a check"), check.line, f"checks[{index}].needs")
            if check.id in check.needs:
                self._report.add(check.line, f"checks[{index}].needs", message("a check cannot need itself"))
        self._circles()
        if HANDS in self._devices:
            said = message("{name} is a place of its own; call the device something else", name=HANDS)
            self._report.add(self._devices[HANDS].line, f"site.devices.{HANDS}", said)
        if whole and self._scenario.max_points == 0:
            self._report.add(1, "checks", message("no check is worth a point"))
        for name in self._scenario.hints if whole else ():  # a check that could not be read is not missing
            self._known(name, seen, message("a check"), 1, f"hints.{name}")
        for choice in self._scenario.faults:
            for use in choice.options:
                for parameter in CATALOGUE[use.fault].parameters:
                    device = use.parameters.get(parameter.name)
                    if parameter.expects == A_DEVICE and isinstance(device, str) and "${" not in device:
                        where = f"faults.{use.fault}.{parameter.name}"
                        self._known(device, self._devices, message("a device"), use.line, where)
        self._rooms()
        self._policy()
        for where, steps in _every_solution(self._scenario):
            for step in steps:
                if step.place != HANDS:
                    self._known(step.place, self._devices, message("a device (or hands)"), step.line, where)

    def _circles(self) -> None:
        """No check waits for itself by way of others: none of them would ever be judged."""
        needs = {check.id: check.needs for check in self._scenario.checks}
        for index, check in enumerate(self._scenario.checks):
            waiting, seen = [need for need in check.needs if need != check.id], set[str]()
            while waiting:
                need = waiting.pop()
                if check.id in needs.get(need, ()) and need != check.id:
                    said = message("a circle: {need} needs {check} as well", need=need, check=check.id)
                    self._report.add(check.line, f"checks[{index}].needs", said)
                    break
                if need not in seen:
                    seen.add(need)
                    waiting += needs.get(need, ())

    def _known(self, name: str, names: Collection[str], what: Message, line: int, path: str) -> None:
        if name not in names and not (names is self._devices and name in self._unread):
            self._report.add(
                line,
                path,
                message(
                    '"{name}" is not {what}; known: {names}{near}',
                    name=name,
                    what=what,
                    names=", ".join(names),
                    near=suggest(name, names),
                ),
            )

    def _device(self, name: str, check: Check, path: str) -> None:
        self._known(name, self._devices, message("a device"), check.line, path)

    def _check(self, check: Check, path: str) -> None:
        body = check.body
        here = f"{path}.{check.kind}"
        if isinstance(body, (Reach, Refuse)):
            for name in body.sources:
                self._device(name, check, f"{here}.from")
            for name in body.targets:
                if "." not in name:
                    self._device(name, check, f"{here}.to")
            if isinstance(body, Reach) and body.during // body.every > MOST_TRIES:
                said = message(
                    "that is {count} tries; at most {most} are allowed: make during shorter or every longer",
                    count=body.during // body.every,
                    most=MOST_TRIES,
                )
                self._report.add(check.line, f"{here}.during", said)
            if isinstance(body, Reach) and body.at:
                self._device(body.at, check, f"{here}.at")
                if not any("." in name for name in body.targets):
                    self._report.add(
                        check.line, f"{here}.at", message("at goes with a name in to, which may lead anywhere")
                    )
        elif isinstance(body, Untouched):
            for name in body.devices:
                self._device(name, check, f"{here}.devices")
            for name in body.apart:
                self._known(name, self._scenario.site.rooms, message("a room"), check.line, f"{here}.apart")
            if not body.devices and not body.apart:
                self._report.add(check.line, here, message("neither devices nor apart: nothing is asked"))
        elif isinstance(body, Resolve):
            self._device(body.source, check, f"{here}.from")
            self._device(body.target, check, f"{here}.to")
        elif isinstance(body, Unique):
            self._known(body.subnet, self._scenario.site.subnets, message("a subnet"), check.line, f"{here}.subnet")
        elif isinstance(body, (Fresh, Kept)):
            self._serves(body.broker, "broker", check, f"{here}.broker")
        elif isinstance(body, Shows):
            self._serves(body.display, "display", check, f"{here}.display")
            self._measured(body.room, body.quantity, check, here)
        elif isinstance(body, Watching):
            self._watching(body, check, here)
        elif isinstance(body, (Listening, Authenticated, Authorised)):
            self._data(body, check, here)
        elif isinstance(body, Withstands):
            for name in body.switches:
                self._device(name, check, f"{here}.loop_on")
                if name in self._devices and self._devices[name].kind != Kind.SWITCH:
                    self._report.add(check.line, f"{here}.loop_on", message("{name} is not a switch", name=name))
        elif isinstance(body, PolicyHolds) and self._scenario.policy is None:
            self._report.add(check.line, here, message('the scenario has no "policy" to compare with'))

    def _data(self, body: Listening | Authenticated | Authorised, check: Check, here: str) -> None:
        self._serves(body.broker, "broker", check, f"{here}.broker")
        if isinstance(body, Reading):
            self._measured(body.room, body.quantity, check, here)
        elif isinstance(body, BatteryLife):
            for name in body.devices:
                self._device(name, check, f"{here}.of")
                if name in self._devices and not _battery_model(self._devices[name].services):
                    self._report.add(check.line, f"{here}.of", message("{name} has no model with a battery", name=name))
        elif isinstance(body, Origin):
            for name in body.of.values():
                self._device(name, check, f"{here}.of")
            if body.broker in body.of.values():
                self._report.add(
                    check.line, f"{here}.of", message("the broker itself cannot be switched off to hear it")
                )
            if not body.of:
                self._report.add(check.line, f"{here}.of", message("no topic is named"))
        elif isinstance(body, NoPlaintext):
            for name in body.devices:
                self._device(name, check, f"{here}.from")
        elif isinstance(body, Authenticated) and body.source:
            self._device(body.source, check, f"{here}.from")

    def _watching(self, body: Watching, check: Check, here: str) -> None:
        quantity = getattr(body, "quantity", "")
        if quantity:
            self._measured(body.room, quantity, check, here)
        else:
            self._known(body.room, self._scenario.site.rooms, message("a room"), check.line, f"{here}.room")
        if isinstance(body, Reacts):
            for name in body.without:
                self._device(name, check, f"{here}.without")
            if (body.quantity == "") != (body.below is None and body.above is None):
                self._report.add(check.line, here, message("a quantity goes with below or above"))
        if isinstance(body, Stays) and body.low is None and body.high is None:
            self._report.add(check.line, here, message("neither low nor high: nothing is asked"))
        try:
            time_zone(body.timezone)
            parse_condition(window_of(body), frozenset())
        except (ZoneError, ConditionError) as error:
            self._report.add(check.line, here, str(error))

    def _measured(self, room: str, quantity: str, check: Check, here: str) -> None:
        known = self._scenario.site.rooms.get(room)
        if known is None:
            self._known(room, self._scenario.site.rooms, message("a room"), check.line, f"{here}.room")
        else:
            self._known(
                quantity, quantities_of(known), message("a quantity of that room"), check.line, f"{here}.quantity"
            )

    def _rooms(self) -> None:
        """What a device measures exists in its room."""
        rooms = self._scenario.site.rooms
        for name, device in self._devices.items():
            if device.room not in rooms:
                continue
            known = quantities_of(rooms[device.room])
            for path, quantity in _measures(device.services):
                if quantity not in known:
                    said = message(
                        '{room} has no quantity "{quantity}"; it has none', room=device.room, quantity=quantity
                    )
                    if known:
                        said = message(
                            '{room} has no quantity "{quantity}"; it has {known}{near}',
                            room=device.room,
                            quantity=quantity,
                            known=", ".join(known),
                            near=suggest(quantity, known),
                        )
                    self._report.add(device.line, f"site.devices.{name}.services.{path}", said)

    def _serves(self, device: str, service: str, check: Check, path: str) -> None:
        self._device(device, check, path)
        if device in self._devices and service not in self._devices[device].services:
            self._report.add(check.line, path, message("{device} runs no {service}", device=device, service=service))

    def _policy(self) -> None:
        policy = self._scenario.policy
        if policy is None:
            return
        homes: dict[str, str] = {}
        for zone, members in policy.zones.items():
            for name in members:
                self._known(name, self._devices, message("a device"), 1, f"policy.zones.{zone}")
                if name in homes:
                    self._report.add(
                        1,
                        f"policy.zones.{zone}",
                        message("{name} is already in the zone {homes}", name=name, homes=homes[name]),
                    )
                homes[name] = zone
        for index, conduit in enumerate(policy.allow):
            for zone in (conduit.source, conduit.target):
                self._known(zone, policy.zones, message("a zone"), conduit.line, f"policy.allow[{index}]")
            bare = [service for service in conduit.services if service.protocol != "tcp"] if conduit.tls else []
            for service in bare:
                words = message(
                    "{service} cannot be asked to be encrypted: tls goes with services of TCP, such as https",
                    service=str(service),
                )
                self._report.add(conduit.line, f"policy.allow[{index}].service", words)


def _measures(services: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and name of each quantity that a device measures in its room."""
    for name, service in services.items():
        if name not in MEASURING or not isinstance(service, Mapping):
            continue
        if isinstance(service.get("quantity"), str) and service["quantity"]:
            yield f"{name}.quantity", service["quantity"]
        for register, place in dict(service.get("registers") or {}).items():
            if place["quantity"]:
                yield f"{name}.registers.{register}.quantity", place["quantity"]


def _every_solution(scenario: Scenario) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """Everything that somebody would type: the repair, the others, and those that are not enough."""
    yield "solution", scenario.solution
    yield from scenario.other_solutions.items()
    yield from scenario.not_enough.items()


def _texts(scenario: Scenario) -> Iterator[tuple[int, str, str]]:
    """Every text with placeholders: line, path, text."""
    localised: list[tuple[int, str, Text]] = [(1, "story", scenario.story), (1, "debrief", scenario.debrief)]
    localised += [(1, f"hints.{name}", text) for name, texts in scenario.hints.items() for text in texts]
    localised += [(c.line, f"checks.{c.id}.title", c.title) for c in scenario.checks if c.title is not None]
    for line, path, both in localised:
        yield line, path, both.en + both.nl
    for name, device in scenario.site.devices.items():
        yield device.line, f"site.devices.{name}.firewall", device.firewall
        for path, text in device.files.items():
            yield device.line, f"site.devices.{name}.files.{path}", text
    for where, steps in _every_solution(scenario):
        for step in steps:
            yield step.line, f"{where}.{step.place}", step.text


def half_translated(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Path of a text that one language lacks, and that language, where the scenario speaks both elsewhere."""
    texts = [("title", scenario.title), ("story", scenario.story)]  # a customer may be a name alone
    texts += [(f"site.devices.{name}.purpose", device.purpose) for name, device in scenario.site.devices.items()]
    texts += [(f"checks.{check.id}.title", check.title) for check in scenario.checks if check.title is not None]
    texts += [(f"hints.{name}", text) for name, several in scenario.hints.items() for text in several]
    texts.append(("debrief", scenario.debrief))
    if any(text.en and text.nl for _, text in texts):
        for path, text in texts:
            if bool(text.en) != bool(text.nl):
                yield path, "nl" if text.en else "en"


WRITTEN_AS = {"/etc/nftables.conf": "firewall", "/etc/rules.conf": "services.rules.text"}


def _check_variants(scenario: Scenario, report: Report) -> None:
    """Build one variant, read its texts, put in every fault by itself, and look up every placeholder."""
    try:
        variant: Variant = draw(scenario, "0")
    except ScenarioError as error:
        report.problems.extend(error.problems)
        return
    for name, spec in scenario.site.devices.items():
        for path, said in unreadable(variant.healthy.devices[name].files):
            key = f"files.{path}" if path in spec.files else WRITTEN_AS[path]
            report.add(spec.line, f"site.devices.{name}.{key}", said)
    for choice in scenario.faults:
        for use in choice.options:
            try:
                break_site(scenario, variant.healthy, (use,), variant.placeholders)
            except ScenarioError as error:
                report.problems.extend(error.problems)
            for name, value in use.parameters.items():
                for problem in variant.placeholders.unknown(value) if isinstance(value, str) else ():
                    report.add(use.line, f"faults.{use.fault}.{name}", problem)
    for line, path, text in _texts(scenario):
        for problem in variant.placeholders.unknown(text):
            report.add(line, path, problem)
    if not any(
        device.kind == Kind.INTERNET or device.at or device.kind == Kind.SWITCH
        for device in scenario.site.devices.values()
    ):
        report.add(1, "site.devices", message("there are no devices"))
