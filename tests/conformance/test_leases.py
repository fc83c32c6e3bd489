"""Leases and names over random files of dnsmasq: who gets which address, what is configured, what is answered."""

from __future__ import annotations

import re
from typing import Any

from tests.conformance.lease_strategies import CLIENTS, Asking, askings
from tests.conformance.pair import Pair, both
from tests.engines.kernel.kernel_site import needs_kernel
from tests.kernel_lab import judged, lasting

pytestmark = [*needs_kernel, judged()]

EXAMPLES = 3
MOMENT_NS = 100_000_000  # for what is still under way
CHANCE = (
    (re.compile(r"renewal in \d+ seconds"), "renewal in N seconds"),  # dhclient draws it
    (
        re.compile(r"(DHCP(DISCOVER|REQUEST) .* port 67)( interval \d+)?\n(\1.*\n)*"),
        r"\1\n",
    ),  # so is when it asks again
    (re.compile(r"(?m)^Timeout too large.*\n"), ""),  # where the time that it drew is beyond 2038
    (re.compile(r"DiG [0-9][^ ]*"), "DiG V"),
    (re.compile(r"\bid: \d+"), "id: N"),
    (re.compile(r"(?m)^;; (Query time|WHEN): .*\n"), ""),
    (re.compile(r"(?m)^; COOKIE: .*\n"), ""),
    (re.compile(r"@if\d+"), ""),
    (re.compile(r"valid_lft \d+sec preferred_lft \d+sec"), "valid_lft Nsec preferred_lft Nsec"),
)
WHEN = re.compile(r"(?m)^ *(renew|rebind|expire) .*\n")


def plain(text: str) -> str:
    """Without what is drawn, or depends on the moment."""
    for pattern, instead in CHANCE:
        text = pattern.sub(instead, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def said(pair: Pair, place: str, line: str) -> str:
    """What differs in the answer to a line, or nothing."""
    one, other = pair.sim.run(place, line), pair.kernel.run(place, line)
    if (plain(one.text), one.status) == (plain(other.text), other.status):
        return ""
    line = re.sub(r"timeout \d+", "timeout N", line)
    return f"{place}$ {line}\n  sim {one.status}\n{plain(one.text)}\n  kernel {other.status}\n{plain(other.text)}"


def leases(engine: Any) -> list[tuple[str, ...]]:
    """Address, MAC, name and identifier of each lease of the server; and which never end."""
    rows = [line.split() for line in engine.run("gw", "cat /var/lib/misc/dnsmasq.leases").text.splitlines()]
    return sorted((row[0] if row[0] == "0" else "T", *row[1:]) for row in rows)


def settled(engine: Any, name: str) -> dict[str, str]:
    """What a client made of its lease."""
    show = {
        "address": "ip -4 -o addr show dev eth0",
        "mtu": "cat /sys/class/net/eth0/mtu",
        "routes": "ip -4 route",
        "resolv.conf": "cat /etc/resolv.conf",
        "lease": "cat /var/lib/dhcp/dhclient.leases",
    }
    found = {part: plain(engine.run(name, line).text) + "\n" for part, line in show.items()}
    *_, last = ["", *WHEN.sub("", found["lease"]).split("lease {\n")]  # it may have been renewed meanwhile
    return found | {"lease": "\n".join(sorted(last.splitlines())) + "\n"}  # each time it is read, options change places


def answers(text: str, questions: tuple[str, ...]) -> dict[str, list[str]]:
    """Status, flags and records of each question, or that nobody answered; several addresses take turns."""
    parts = re.split(r"(?m)^(?=;; Got answer:|;; communications error)", text)[1:]
    assert len(parts) == len(questions), text
    return {
        question: sorted(re.findall(r"(?m)status: \w+|flags: [a-z ]+;|^[^;\n].*$|^;; comm.*$", part))
        for question, part in zip(questions, parts, strict=True)
    }


def differences(asking: Asking, patience: int = 1) -> list[str]:
    """What differs, one piece each."""
    found = []
    with both(asking.site, patience) as pair:
        for place, line in asking.lines:
            found.append(said(pair, place, line.replace("timeout 2", f"timeout {2 * patience}")))
            pair.wait(MOMENT_NS)
        for name in CLIENTS:
            one, other = settled(pair.sim, name), settled(pair.kernel, name)
            found += [
                f"{name} {part}\n  sim\n{one[part]}  kernel\n{other[part]}" for part in one if one[part] != other[part]
            ]
        one, other = leases(pair.sim), leases(pair.kernel)
        found.append("" if one == other else f"leases\n  sim    {one}\n  kernel {other}")
        line = f"dig +noall +comments +answer +notcp +time=1 +tries=1 @127.0.0.1 {' '.join(asking.questions)}"
        one, other = (answers(engine.run("gw", line).text, asking.questions) for engine in (pair.sim, pair.kernel))
        found += [
            f"gw asked for {question}\n  sim    {one[question]}\n  kernel {other[question]}"
            for question in asking.questions
            if one[question] != other[question]
        ]
    return [text for text in found if text]


def test_random_servers_give_the_same_leases_and_answers(draw_many):
    def judge(asking: Asking) -> None:
        found = list(lasting(lambda patience: dict.fromkeys(differences(asking, patience), True)))
        files = "\n".join(f"--- {name}\n{asking.site.devices[name].files['/etc/dnsmasq.conf']}" for name in ("gw", "r"))
        assert not found, "\n\n".join([f"{len(found)} differences", *found[:12], files])

    draw_many(askings(), EXAMPLES, judge)
