"""The rule engine: listen to readings, judge the rules at every message and every minute, and command the outputs."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import TYPE_CHECKING

from labs.net.process import Process, Routine, Wait
from labs.shell.daemons.broker_visit import BrokerVisit
from labs.shell.daemons.thing_unit import EXIT_CONFIG, work_until_stopped
from labs.shell.system_clock import system_zone
from labs.things.display import read_field
from labs.things.mqtt.client import Received, Subscribed
from labs.things.mqtt.codec import SUBSCRIPTION_FAILED
from labs.things.rules import Decision, RuleBook, RulesError, decide, parse_rules
from labs.things.rules_config import RulesConfig, parse_rules_config
from labs.things.thing_config import ThingConfigError

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.things.mqtt.client import Event

__all__ = ["CONFIG", "STATUS", "load_rule_book", "load_rules", "rules"]

CONFIG = "/etc/rules.toml"
STATUS = "/run/rules.json"
SECOND = 1_000_000_000
MINUTE_S = 60


def load_rules(node: LinuxNode) -> RulesConfig:
    """The configuration as the file says now. Raises ThingConfigError."""
    if not node.files.is_file(CONFIG):
        raise ThingConfigError("No such file or directory")
    return parse_rules_config(node.files.read(CONFIG))


def load_rule_book(node: LinuxNode, path: str) -> RuleBook:
    """The rules as the file says now. Raises RulesError."""
    if not node.files.is_file(path):
        raise RulesError(0, "No such file or directory")
    return parse_rules(node.files.read(path), system_zone(node))


class _Engine:
    def __init__(self, process: Process, config: RulesConfig, book: RuleBook) -> None:
        self.process = process
        self.config = config
        self.book = book
        self.visit = BrokerVisit(process, config.mqtt)
        self.readings: dict[str, tuple[float, int]] = {}
        self.active: dict[str, bool] = {}
        self.told: dict[str, tuple[str, int]] = {}
        self.decisions: list[Decision] = []
        self.again_ns = process.node.now

    def write_status(self) -> None:
        status = {
            **self.visit.status(),
            "inputs": {name: {"value": value, "at_ns": at} for name, (value, at) in self.readings.items()},
            "active": [name for name, on in self.active.items() if on],
            "outputs": {d.output: {"value": d.value, "why": d.why} for d in self.decisions},
        }
        self.process.node.files.write(STATUS, json.dumps(status) + "\n")

    def judge(self) -> None:
        """Judge every rule, and tell the outputs what is new or long ago."""
        node = self.process.node
        moment = self.book.moment(self.readings, node.now, node.wall_clock())
        before = dict(self.active)
        known = {decision.output: decision.value for decision in self.decisions}
        self.decisions = decide(self.book, moment, self.active)
        for name, on in self.active.items():
            if on != before.get(name, False):
                self.process.print(f'rule "{name}" is {"active" if on else "no longer active"}')
        for decision in self.decisions:
            if decision.value != known.get(decision.output) or decision.output not in known:
                self.process.print(f"{decision.output} {decision.value or 'as it is'}: {decision.why}")
            self.tell(decision)
        self.write_status()

    def tell(self, decision: Decision) -> None:
        node = self.process.node
        value, at = self.told.get(decision.output, ("", 0))
        wanted = decision.value
        due = at + self.config.repeat_s * SECOND <= node.now
        if wanted is None or (wanted == value and not due):
            return
        self.told[decision.output] = (wanted, node.now)
        topic = self.book.outputs[decision.output].topic
        self.visit.link.client.publish(topic, wanted.encode(), node.now, qos=self.config.mqtt.qos)

    def run(self) -> Generator[Wait, None, None]:
        """For ever."""
        while True:
            connected = yield from self.visit.connect(self.write_status)
            if not connected:
                continue
            topics = dict.fromkeys(known.topic for known in self.book.inputs.values())
            qos = self.config.mqtt.qos
            if topics:
                self.visit.link.client.subscribe([(topic, qos) for topic in topics], self.process.node.now)
            self.told.clear()
            while self.visit.connected:
                if self.process.node.now >= self.again_ns:
                    self.judge()
                    self.again_ns = self._next_look()
                events = yield from self.visit.events(self.again_ns)
                if sum(self.take(event) for event in events):
                    self.judge()

    def _next_look(self) -> int:
        """The next full minute of the clock, or the next repetition."""
        node = self.process.node
        rest_s = MINUTE_S - node.wall_clock() % MINUTE_S
        return node.now + min(int(rest_s * SECOND) + 1_000_000, self.config.repeat_s * SECOND)

    def take(self, event: Event) -> bool:
        """True where a reading came."""
        if isinstance(event, Subscribed) and SUBSCRIPTION_FAILED in event.codes:
            self.visit.problem("the broker refuses a topic")
        if not isinstance(event, Received):
            return False
        came = False
        for known in self.book.inputs.values():
            if known.topic != event.message.topic:
                continue
            value = read_field(event.message.payload, known.field)
            if value is None:
                text = json.dumps(event.message.payload[:60].decode(errors="replace"), ensure_ascii=False)
                self.visit.problem(f'{known.topic}: no number in "{known.field}": {text}')
                continue
            self.readings[known.name] = (value, self.process.node.now)
            came = True
        return came


def rules(process: Process) -> Routine:
    """The unit `rules`."""
    try:
        config = load_rules(process.node)
    except ThingConfigError as error:
        process.error(f"{CONFIG}: {error}")
        return EXIT_CONFIG
    try:
        book = load_rule_book(process.node, config.file)
    except RulesError as error:
        process.error(f"{config.file}: {error}")
        return EXIT_CONFIG
    engine = _Engine(process, config, book)
    process.endless = True
    process.print(f"{len(book.rules)} rules, time zone {book.zone.name}")
    return (yield from work_until_stopped(process, engine, STATUS))
