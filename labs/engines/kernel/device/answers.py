"""What the init of a device answers when one of the commands of `commands.py` asks."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from labs.engines.kernel.device.interfaces import ifdown, ifup
from labs.engines.kernel.device.machine import run_child
from labs.engines.kernel.sandbox.commands import PASS
from labs.engines.kernel.serial.client import at_the_port
from labs.net.process import Process, Program, Routine, Writer

if TYPE_CHECKING:
    from labs.engines.kernel.device.init import Init

__all__ = ["Reply", "program_for"]


class _Stream(Writer):
    def __init__(self, reply: Reply, mark: str) -> None:
        self._reply = reply
        self._mark = mark
        self._partial = ""

    def write(self, text: str) -> None:
        *lines, self._partial = (self._partial + text).split("\n")
        self._reply.put("".join(f"{self._mark}{line}\n" for line in lines))

    def flush(self) -> None:
        if self._partial:
            self.write("\n")


class Reply:
    """The pipe of one asking script. It is written without waiting: who does not read loses the rest."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._streams: list[_Stream] = []
        self.broken = False

    def stream(self, mark: str) -> _Stream:
        """Where standard output (1) or standard error (2) goes."""
        self._streams.append(_Stream(self, mark))
        return self._streams[-1]

    def put(self, text: str) -> None:
        """Send."""
        try:
            os.write(self._descriptor, text.encode())
        except OSError:
            self.broken = True

    def finish(self, status: int) -> None:
        """End with an exit status, or send the script to the real tool."""
        for stream in self._streams:
            stream.flush()
        self.put("!\n" if status == PASS else f"={status}\n")
        os.close(self._descriptor)


KNOWN = frozenset({"-a", "--all", "-f", "--force", "-v", "--verbose", "--read-environment"})


def _interfaces(verb: str) -> Program:
    def program(process: Process) -> Routine:
        words = process.argv[1:]
        everything = bool({"-a", "--all"} & set(words))
        force = bool({"-f", "--force"} & set(words))
        names = [word for word in words if not word.startswith("-")]
        unknown = [word for word in words if word.startswith("-") and word not in KNOWN]
        if unknown:
            process.error(f'{verb}: "{unknown[0]}" is not implemented on this engine')
            return 1
        if not names and not everything:
            process.error(f"{verb}: either -a, -h, -V or at least one interface must be specified")
            return 1
        function = ifup if verb == "ifup" else ifdown
        return (yield from function(process, names, everything=everything, force=force))

    return program


def _service(process: Process) -> Routine | int:
    from labs.shell.commands.systemctl import systemctl

    words = process.argv[1:]
    if len(words) != 2:
        process.error("Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]")
        return 1
    process.argv = ["systemctl", words[1], words[0]]
    return systemctl(process)


def _power(init: Init, word: str) -> Program:
    def program(process: Process) -> int:
        restart = word == "reboot" or "-r" in process.argv[1:]
        init.channel.send({"event": "power", "restart": restart})
        return 0

    return program


def _ss(process: Process) -> Routine:
    """The real one, with the right to see whose a socket is; it can close sockets of its own network alone."""
    words = [word for word in process.argv[1:] if not word.startswith(("-D", "--diag", "-F", "--filter"))]
    return (yield from run_child(process, ["/usr/bin/ss", *words], extra=("CAP_SYS_PTRACE",)))


def _passed_on(process: Process) -> int:
    del process
    return PASS


LACKING = {
    "sensorctl": "this device is no sensor, display or actuator",
    "gatewayctl": "this device is no gateway (it has no /etc/gateway.toml)",
    "rulesctl": "/etc/rules.toml: No such file or directory",
    "dashboard": "/etc/dashboard.toml: No such file or directory",
}
"""What the tools of things say on a device that has none of their files; there they are not loaded."""


def _not_here(process: Process) -> int:
    if process.name in LACKING:
        process.error(f"{process.name}: {LACKING[process.name]}")
        return 1
    process.error(f'{process.name}: "{" ".join(process.argv)}" is not implemented on this engine')
    return 1


def _links(name: str, init: Init) -> Program:
    """Open vSwitch or tunnels of ours have a say in it."""
    vlans, tunnels = init.machine.vlans, init.machine.tunnels
    program: Program = _passed_on
    if vlans is not None:
        from labs.engines.kernel.vlans.commands import answer

        program = answer(name, vlans)
    if tunnels is not None and name == "ip":
        from labs.engines.kernel.tunnels.commands import answer as answer_tunnels

        program = answer_tunnels(tunnels, program)
    return program


def program_for(name: str, init: Init) -> Program:
    """The program that answers."""
    if name == "systemctl":
        from labs.shell.commands.systemctl import systemctl

        return systemctl
    if name == "journalctl":
        from labs.shell.commands.journalctl import journalctl

        return journalctl
    if name in init.tools:
        commands: dict[str, Program] = import_module(f"labs.shell.commands.{name}").COMMANDS
        return at_the_port(commands[name]) if name == "gatewayctl" else commands[name]
    if name in ("ifup", "ifdown"):
        return _interfaces(name)
    if name == "ss":
        return _ss
    if name in ("ip", "bridge"):
        return _links(name, init)
    if name == "service":
        return _service
    if name in ("reboot", "poweroff", "shutdown", "halt"):
        return _power(init, name)
    return _not_here
