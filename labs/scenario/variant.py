"""A variant: what a seed makes of a scenario. Same scenario, same seed, same variant, on every machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from labs.faults import CATALOGUE
from labs.model.site import Site
from labs.model.text import Text
from labs.scenario.build import build_site
from labs.scenario.placeholders import Placeholders
from labs.scenario.scenario import FaultUse, Scenario, ScenarioError, Step
from labs.scenario.schema import Problem, Report

__all__ = ["Variant", "break_site", "draw"]


@dataclass(frozen=True, slots=True)
class Variant:
    """A scenario with everything drawn: the healthy site, the broken one, and which faults made the difference."""

    scenario: Scenario
    seed: str
    healthy: Site
    broken: Site
    faults: tuple[FaultUse, ...]
    placeholders: Placeholders

    def text(self, text: Text) -> Text:
        """A text with its placeholders filled in."""
        return text.map(self.placeholders.fill)

    def steps(self, steps: tuple[Step, ...]) -> list[tuple[str, str]]:
        """Place and text of each step, placeholders filled in."""
        return [(step.place, self.placeholders.fill(step.text)) for step in steps]


def draw(scenario: Scenario, seed: str) -> Variant:
    """The variant of a seed. Raises ScenarioError."""
    report = Report()
    healthy = build_site(scenario.site, seed, report)
    if healthy is None:
        raise ScenarioError(scenario.file, report.problems)
    placeholders = Placeholders(healthy)
    healthy = replace(fill_files(healthy, placeholders), explained=scenario.why)
    chosen = []
    for index, choice in enumerate(scenario.faults):
        random = Random(f"{seed}/fault/{index}")  # noqa: S311 - not a secret
        chosen.append(choice.options[random.randrange(len(choice.options))])
    broken = break_site(scenario, healthy, tuple(chosen), placeholders)
    return Variant(scenario, seed, healthy, broken, tuple(chosen), placeholders)


def fill_files(site: Site, placeholders: Placeholders) -> Site:
    """The site with placeholders in files replaced."""
    for device in site.devices.values():
        for path, text in device.files.items():
            if "${" in text:
                site = site.with_device(site.devices[device.name].with_file(path, placeholders.fill(text)))
    return site


def break_site(scenario: Scenario, healthy: Site, faults: tuple[FaultUse, ...], placeholders: Placeholders) -> Site:
    """The site with faults in it, in the order they are written. Raises ScenarioError."""
    site = healthy
    for use in faults:
        fault = CATALOGUE[use.fault]
        try:
            parameters = {
                name: fault.value_of(name, placeholders.fill(value)) if isinstance(value, str) else value
                for name, value in use.parameters.items()
            }
            site = fault.apply(site, parameters)
        except ValueError as error:  # FaultError is one
            raise ScenarioError(scenario.file, [Problem(use.line, f"faults.{use.fault}", str(error))]) from None
    return site
