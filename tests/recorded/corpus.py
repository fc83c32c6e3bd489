"""Lines to type on a small office, and what real machines answered to them.

`office.lines` is written by hand; `office.answers` by `python -m tests.recorded.record`, on the engine that runs real
kernels and real tools. Both are plain text, so that a person can read a difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from labs.engines.base import Engine
from labs.model.site import Site
from labs.scenario.library import load_scenario
from labs.scenario.variant import draw

HERE = Path(__file__).parent
LINES = HERE / "office.lines"
ANSWERS = HERE / "office.answers"
TYPED = re.compile(r"([a-z]+)\$ (.*)")


class Said(NamedTuple):
    """A line and its answer."""

    place: str
    line: str
    text: str
    status: int

    def __str__(self) -> str:
        body = "".join(f"  {row}\n" for row in self.text.splitlines())
        return f"{self.place}$ {self.line}\n{body}= {self.status}\n"


Corpus = dict[str, list[Said]]


def read(path: Path) -> Corpus:
    """Paragraphs by name. Without answers (office.lines), texts are empty and statuses 0."""
    found: Corpus = {}
    current: list[Said] = []
    for row in path.read_text(encoding="utf-8").splitlines():
        typed = TYPED.fullmatch(row)
        if row.startswith("["):
            found[row.strip("[]")] = current = []
        elif typed:
            current.append(Said(typed[1], typed[2], "", 0))
        elif row.startswith("  "):
            current[-1] = current[-1]._replace(text=current[-1].text + row[2:] + "\n")
        elif row.startswith("= "):
            current[-1] = current[-1]._replace(status=int(row[2:]))
    return found


def office() -> Site:
    """The site, healthy; the same addresses and MACs every time."""
    return draw(load_scenario(HERE / "office.yaml"), "0").healthy


def answers(engine: Engine, typed: list[Said]) -> Iterator[Said]:
    """Type a paragraph on a started engine."""
    for said in typed:
        output = engine.run(said.place, said.line)
        yield said._replace(text=output.text, status=output.status)


USAGES = r"Usage|USAGE| {2}traceroute \[|usage:|TARGET SPEC|Here: |mosquitto_\w+ is a|Use 'mosq"
# What two runs of the same real tool need not share: time, what a kernel numbers by itself, the far end of a veth pair.
CHANCE = [
    (re.compile(r"time=[\d.]+ ms"), "time=T ms"),
    (re.compile(r"time \d+ms"), "time Tms"),
    (re.compile(r"= [\d.]+/[\d.]+/[\d.]+/[\d.]+ ms"), "= RTT ms"),
    (re.compile(r"^\d\d:\d\d:\d\d\.\d+ ", re.MULTILINE), "HH:MM:SS "),
    (re.compile(r"\b[\d.]+ ?ms\b|\b\d+ milliseconds"), "T ms"),
    (re.compile(r"Start: \S+"), "Start: WHEN"),
    (re.compile(r"(\d%\s+\d+)(\s+[\d.]+){5}"), r"\1 TIMES"),
    (re.compile(r"@if\d+|@[a-z]\w*(?=:)|,M-DOWN|,\"M-DOWN\"| permaddr \S+"), ""),
    (re.compile(r" link-netns(id)? \S+"), ""),
    (re.compile(r"\"link(_index|_netnsid)?\":(\d+|\"\w+\"),"), ""),
    (re.compile(r"^\d+: ", re.MULTILINE), "N: "),
    (re.compile(r"\"ifindex\":\d+"), '"ifindex":N'),
    (re.compile(r"(ephemeral |id |seq |ack |win |val |ecr |id=)\d+"), r"\1N"),
    (re.compile(r"(?<=[.:])[3-6]\d{4}(?=[ :])"), "PORT"),
    (re.compile(r"(?<=\.53: )\d+|(?<=PORT: )\d+"), "ID"),
    (re.compile(r"(sport|dport)=[3-6]\d{4}|id=\d+"), r"\1=PORT"),
    (re.compile(r"Starting Nmap .*|Nmap done: .* in [\d.]+ seconds|\([\d.]+s latency\)"), "NMAP"),
    (re.compile(r"qdisc (noqueue|fq_codel|pfifo_fast|noop)|\"qdisc\":\"\w+\""), "qdisc Q"),
    (re.compile(r"^\[\d+\].*\n", re.MULTILINE), ""),  # jobs: only a shell at a terminal speaks of them
    (re.compile(r"^\d+ packets received by filter", re.MULTILINE), "N packets received by filter"),
    (re.compile(r"^Date: .*", re.MULTILINE), "Date: WHEN"),
    (re.compile(r" {2,}"), "  "),  # what stands before it may be shorter now
]
# Where the simulator is known to say something else, and docs/what-is-simulated.md tells so.
KNOWN = [
    (re.compile(r",sackOK,TS val N ecr N,nop,wscale \d+"), ""),  # its TCP has no options but the segment size
    (re.compile(r" options \[nop,nop,TS val N ecr N\],"), ""),
    (re.compile(r"cost \d+|\"cost\":\d+"), "cost N"),  # a veth claims 10 Gb/s, the ports of a switch here 100 Mb/s
    (re.compile(r"(\d+/tcp (?:open|closed|filtered)) +\S+"), r"\1 NAME"),  # nmap's own list of names of ports
    (re.compile(r"^33:33:\S+ self permanent\n", re.MULTILINE), ""),  # groups of IPv6
    (re.compile(r"^(Last-Modified|ETag): .*\n", re.MULTILINE), ""),  # files here have no dates
    (re.compile(r"^LISTEN 0 +\d+ +\[::\].*\n", re.MULTILINE), ""),  # with IPv6 off no server here asks for it
    (re.compile(r"^LISTEN 0 +\d+", re.MULTILINE), "LISTEN 0 N"),  # how long a queue a server asks for
    (re.compile(rf"^\n*({USAGES}).*", re.MULTILINE | re.DOTALL), "USAGE"),
]
UNORDERED = ("ss ", "conntrack ", "bridge fdb")  # prints in the order of a hash


def comparable(line: str, text: str) -> str:
    """The answer to a line without what cannot be equal."""
    for pattern, instead in (*CHANCE, *KNOWN):
        text = pattern.sub(instead, text)
    rows = [row.rstrip() for row in text.splitlines()]
    return "\n".join(sorted(rows) if line.startswith(UNORDERED) else rows)
