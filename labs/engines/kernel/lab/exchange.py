"""The messages of the engine's process: with the product on one side, with the inits of all devices on the other."""

from __future__ import annotations

import os
import select
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labs.engines.kernel.channel import Channel, ChannelClosed
from labs.engines.kernel.clock import LabClock
from labs.engines.kernel.lab.leads import LeadError, PatchPanel
from labs.model.site import Endpoint

__all__ = ["Exchange", "Refused", "Running"]

BOOT_S = 60.0  # no device takes longer to boot
ANSWER_S = 200.0  # longer than any line may take


class Refused(Exception):
    """What was asked cannot be done; `kind` tells the product which exception to raise."""

    def __init__(self, text: str, kind: str = "rejected") -> None:
        super().__init__(text)
        self.kind = kind


@dataclass
class Running:
    """A device with power."""

    pid: int
    channel: Channel


class Exchange:
    """Asks devices and answers the product; what devices tell by themselves is dealt with while it waits."""

    def __init__(self, control: Channel) -> None:
        self.control = control
        self.devices: dict[str, Running] = {}
        self.panel = PatchPanel()
        self.leaving: set[str] = set()
        self.hurried = True
        """Spanning trees need less time than in life: until the trainee arrives, and for judges."""
        self.attached: dict[int, str] = {}
        """Sockets of other processes of the lab, and what these are: it ends with each of them."""
        self.later: list[Callable[[], None]] = []
        self.clock = LabClock()
        self._numbers = 0
        self._answers: dict[int, Mapping[str, Any]] = {}
        self._booting: dict[str, int] = {}
        self._orders: list[Mapping[str, Any]] = []

    # Messages

    def serve(self) -> None:
        """Until the product is gone."""
        while True:
            while self.later:
                self.later.pop(0)()
            if self._orders:
                self._reply(self._orders.pop(0))
            else:
                self._wait(None)

    def _reply(self, message: Mapping[str, Any]) -> None:
        answer: dict[str, Any]
        try:
            answer = {"value": getattr(self, f"do_{message['do']}")(message)}
        except Refused as error:
            answer = {"error": str(error), "kind": error.kind}
        except LeadError as error:
            answer = {"error": str(error), "kind": "unavailable"}
        except ChannelClosed:  # the init of a device was killed: the lab ends with it
            answer = {"error": "a device of the lab is gone", "kind": "unavailable"}
        except Exception as error:  # noqa: BLE001 - a bug of ours is told, not swallowed with the process
            answer = {"error": f"{type(error).__name__}: {error}", "kind": "bug", "trace": traceback.format_exc()}
        answer["now"] = self.now
        try:
            self.control.send(answer)
        except ChannelClosed:
            os._exit(0)

    def _wait(self, timeout_s: float | None) -> None:
        """Wait for something to come in; what the product asks is kept for later, the rest is dealt with."""
        channels = {running.channel.fileno(): name for name, running in self.devices.items()}
        watched: list[Channel | int] = [self.control, *channels, *self.attached]
        ready, _, _ = select.select(watched, [], [], timeout_s)
        for one in ready:
            if isinstance(one, Channel):
                try:
                    self._orders += self.control.arrived()
                except ChannelClosed:
                    os._exit(0)
                continue
            if one in self.attached:
                sys.stderr.write(f"{self.attached[one]} ended\n")
                os._exit(1)
            name = channels[one]
            running = self.devices.get(name)
            if running is None:
                continue
            try:
                messages = running.channel.arrived()
            except ChannelClosed:
                if self.devices.get(name) is running:
                    sys.stderr.write(f"the init of {name} ended\n")
                    os._exit(1)  # somebody outside killed it: a lab with a hole in it is no lab
                continue
            for message in messages:
                self._from_device(name, message)

    def _from_device(self, name: str, message: Mapping[str, Any]) -> None:
        event = message.get("event")
        if event == "ports":
            for port, up in message["ports"].items():
                self.panel.set_port(Endpoint(name, port), up=up)
        elif event == "power":
            self.leaving.add(name)
            self.later.append(lambda: self.power_down(name, restart=message["restart"]))
        elif event == "lost":
            self.later.append(lambda: self.replace_port(Endpoint(name, message["port"])))
        elif event == "drive":
            self.driven(name, message)
        elif message.get("to") is not None:
            self._answers[message["to"]] = message

    def ask(self, names: Iterable[str], timeout_s: float = ANSWER_S, **message: Any) -> dict[str, Mapping[str, Any]]:
        """The same question to several devices; their answers. Raises Refused."""
        return self.ask_each(dict.fromkeys(names, message), timeout_s)

    def ask_each(
        self, messages: Mapping[str, Mapping[str, Any]], timeout_s: float = ANSWER_S
    ) -> dict[str, Mapping[str, Any]]:
        """A question to each; their answers. Raises Refused."""
        self.booted(messages)
        numbers = {}
        for name, message in messages.items():
            self._numbers += 1
            numbers[name] = self._numbers
            self.devices[name].channel.send({**message, "n": self._numbers})
        until = time.monotonic() + timeout_s
        while not all(number in self._answers for number in numbers.values() if number):
            left = until - time.monotonic()
            if left <= 0:
                late = [name for name, number in numbers.items() if number not in self._answers]
                raise Refused(f"no answer from {', '.join(late)}", "bug")
            self._wait(left)
            for name in list(numbers):
                if name not in self.devices:
                    del numbers[name]
        answers = {name: self._answers.pop(number) for name, number in numbers.items()}
        for name, answer in answers.items():
            if "error" in answer:
                raise Refused(f"{name}: {answer['error']}\n{answer.get('trace', '')}", "bug")
        return answers

    # Time

    @property
    def now(self) -> int:
        """Nanoseconds since the site was switched on."""
        return self.clock.now

    def wait(self, duration_ns: int) -> None:
        """Let real time pass."""
        until = time.monotonic() + duration_ns / 1e9
        while (left := until - time.monotonic()) > 0:
            self._wait(left)

    def begin(self, name: str, **message: Any) -> int:
        """Ask a device something, and go on."""
        self._numbers += 1
        self.devices[name].channel.send({**message, "n": self._numbers})
        return self._numbers

    def end(self, number: int) -> Mapping[str, Any]:
        """The answer to what was begun. Raises Refused."""
        until = time.monotonic() + ANSWER_S
        while number not in self._answers:
            self._wait(until - time.monotonic())
            if time.monotonic() > until:
                raise Refused("a device does not answer", "bug")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise Refused(f"{answer['error']}\n{answer.get('trace', '')}", "bug")
        return answer

    # Boots

    def boot(self, names: list[str]) -> None:
        """Begin; whoever asks one of these devices something waits until it has booted."""
        for name in names:
            self._numbers += 1
            self._booting[name] = self._numbers
            self.devices[name].channel.send({"do": "boot", "n": self._numbers, "hurried": self.hurried})

    def booted(self, names: Iterable[str]) -> None:
        """Wait until these devices have booted. Raises Refused."""
        waiting = {name: self._booting[name] for name in names if name in self._booting}
        until = time.monotonic() + BOOT_S
        while waiting and time.monotonic() < until:
            for name, number in list(waiting.items()):
                answer = self._answers.pop(number, None)
                if answer is not None or name not in self.devices:
                    del waiting[name]
                    self._booting.pop(name, None)
                    if answer is not None and "error" in answer:
                        raise Refused(f"{name}: {answer['error']}\n{answer.get('trace', '')}", "bug")
                    for port, up in (answer or {"ports": {}})["ports"].items():
                        self.panel.set_port(Endpoint(name, port), up=up)
            if waiting:
                self._wait(until - time.monotonic())
        for name in waiting:
            self._booting.pop(name, None)

    # What the devices ask for

    def power_down(self, name: str, *, restart: bool) -> None:
        """A device switches itself off, or restarts."""
        raise NotImplementedError

    def replace_port(self, end: Endpoint) -> None:
        """A port is gone from its device."""
        raise NotImplementedError

    def driven(self, name: str, message: Mapping[str, Any]) -> None:
        """A program of a device did something to the world."""
        raise NotImplementedError
