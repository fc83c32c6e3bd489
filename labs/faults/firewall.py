"""Rules that let too much through, or too little."""

from __future__ import annotations

import re

from labs.faults.edit import change_each_line, change_lines
from labs.faults.fault import FaultError, fault
from labs.model.site import Site

__all__ = ["FAULTS"]

FAMILY = "firewall"
PATH = "/etc/nftables.conf"
WHAT = "a device with a firewall"


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _insert_before_first_rule(lines: list[str], chain: str, rule: str) -> list[str]:
    """Put a rule at the top of a chain, below its `type … hook …` line."""
    inside = False
    for i, line in enumerate(lines):
        if re.match(rf"\s*chain\s+{re.escape(chain)}\s*\{{", line):
            inside = True
        elif inside and ("hook" in line):
            return [*lines[: i + 1], _indent(line) + rule, *lines[i + 1 :]]
        elif inside and line.strip() == "}":
            break
    message = f'there is no chain "{chain}" with a hook in {PATH}'
    raise FaultError(message)


@fault(
    FAMILY,
    symptom="A network that should only get out reaches everything inside",
    shown_by="nft list ruleset: a rule for its interface without a destination",
    fix="Limit the rule to the way out",
)
def guest_reaches_inside(site: Site, on: str, interface: str, chain: str = "forward") -> Site:
    """A rule accepts everything that comes in on an interface."""
    return change_lines(
        site, on, PATH, WHAT, lambda lines: _insert_before_first_rule(lines, chain, f'iifname "{interface}" accept')
    )


@fault(
    FAMILY,
    symptom="Everything works; so does everything that should not",
    shown_by="nft list ruleset: the rule names no port",
    fix="Name the port that is needed, and nothing else",
)
def rule_too_wide(site: Site, on: str, port: int) -> Site:
    """The rule for a port lost its port: every port is open on that way."""

    def widen(lines: list[str]) -> list[str]:
        pattern = re.compile(rf"\s*(tcp|udp) dport {port}(?= )")
        for i, line in enumerate(lines):
            if pattern.search(line) and "accept" in line:
                lines[i] = pattern.sub("", line)
                return lines
        return lines

    return change_lines(site, on, PATH, WHAT, widen)


@fault(
    FAMILY,
    symptom="One service times out; everything else works",
    shown_by="nft list ruleset: no rule for the port; the counter of the policy climbs",
    fix="Allow that service, and nothing else",
)
def firewall_drops_needed_port(site: Site, on: str, port: int) -> Site:
    """The rule for a port is gone."""

    def close(line: str) -> str | None:
        return None if re.search(rf"dport {port}\b", line) and "accept" in line else line

    return change_each_line(site, on, PATH, WHAT, close)


@fault(
    FAMILY,
    symptom="There is a firewall, and it passes everything",
    shown_by="nft list ruleset: policy accept",
    fix="Refuse by default and allow what is needed",
)
def any_any_rule(site: Site, on: str, chain: str = "forward") -> Site:
    """A rule at the top accepts everything."""
    return change_lines(site, on, PATH, WHAT, lambda lines: _insert_before_first_rule(lines, chain, "accept"))


@fault(
    FAMILY,
    symptom="The router gets out, nobody behind it does",
    shown_by="tcpdump on the outside: private source addresses",
    fix="Translate the source on the way out",
)
def nat_missing(site: Site, on: str) -> Site:
    """Source translation is gone."""
    return change_each_line(site, on, PATH, WHAT, lambda line: None if "masquerade" in line else line)


FAULTS = (guest_reaches_inside, rule_too_wide, firewall_drops_needed_port, any_any_rule, nat_missing)
