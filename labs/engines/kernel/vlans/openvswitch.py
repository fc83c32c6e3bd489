"""The Open vSwitch of one device: its two daemons in the device's own namespaces, and the tools that speak to them.

A user-space datapath can open only ports of its own network namespace, so each device that needs one has a pair of
daemons of its own. They are children of the device's init and end with it; their files lie on the device's tmpfs.
Before changing this file read ovs-vswitchd.conf.db(5), ovs-ofctl(8) and ovs-actions(7).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from labs.engines.kernel.device.machine import ENVIRONMENT, Machine, run_child
from labs.engines.kernel.vlans.flows import STATIONS
from labs.engines.kernel.vlans.way import DAEMONS, SCHEMA
from labs.model.addresses import Mac
from labs.net.process import Process, Program, Routine

__all__ = ["OpenVSwitch", "Seen", "SwitchError", "write_template"]

HOME = "/run/netwerf/openvswitch"
SOCKET, CONTROL = f"{HOME}/db.sock", f"{HOME}/switch.ctl"
READY_S = 5.0
TOOL_S = 10
SECOND = 1_000_000_000
TEMPLATE = "/usr/local/share/openvswitch.db"  # as a device sees it
OPTIONS = {
    "userspace-tso-enable": "true",  # without it veth hands over TCP segments whose checksums are not done
    "n-handler-threads": "1",
    "n-revalidator-threads": "1",
}
QUIET = ("--no-chdir", "--verbose=OFF")
FIELD = re.compile(r"(duration|hard_age|reg0|dl_dst|cookie)=([^,\s]+)")


def write_template(path: Path) -> None:
    """The database that every Open vSwitch of a lab begins with. Raises OSError and subprocess.SubprocessError."""
    row = {"other_config": ["map", [list(option) for option in OPTIONS.items()]]}
    insert = ["Open_vSwitch", {"op": "insert", "table": "Open_vSwitch", "row": row}]
    for words in (("create", str(path), SCHEMA), ("transact", str(path), json.dumps(insert))):
        subprocess.run(["ovsdb-tool", *words], check=True, capture_output=True)


class SwitchError(Exception):
    """Open vSwitch refused something, in its own words."""


class Seen(NamedTuple):
    """A station that Open vSwitch has learned: the number of its port, its VLAN, and since when it is silent."""

    port: int
    vid: int
    mac: Mac
    silent_ns: int


class OpenVSwitch:
    """Starts when it is first asked something."""

    def __init__(self, machine: Machine, revived: Callable[[], None]) -> None:
        self._machine = machine
        self._revived = revived
        self._environment = ENVIRONMENT | {f"OVS_{name}DIR": HOME for name in ("RUN", "LOG", "DB", "SYSCONF")}
        self._filled: set[str] = set()
        self.running = False

    def start(self) -> None:
        """Start both daemons. Raises SwitchError."""
        if self.running:
            return
        os.makedirs(HOME, mode=0o700)
        shutil.copyfile(TEMPLATE, f"{HOME}/conf.db")
        self._keep("ovsdb-server", (DAEMONS[0], f"{HOME}/conf.db", f"--remote=punix:{SOCKET}", *QUIET))
        until = time.monotonic() + READY_S
        while not os.path.exists(SOCKET):
            if time.monotonic() > until:
                raise SwitchError("ovsdb-server does not start")
            time.sleep(0.001)
        self._keep("ovs-vswitchd", (DAEMONS[1], f"unix:{SOCKET}", f"--unixctl={CONTROL}", *QUIET))
        self.running = True

    def _keep(self, name: str, argv: Sequence[str]) -> None:
        """Start a daemon, and start it again when somebody ends it: no kernel loses its bridges so."""

        def guard(process: Process) -> Routine:
            while True:
                status = yield from run_child(process, argv, environment=self._environment)
                if status == 203:
                    return status
                self._machine.loop.call_later(0.1, self._revived)

        program: Program = guard
        self._machine.spawn([name], program)

    def configure(self, words: Iterable[Sequence[str]]) -> None:
        """One transaction of ovs-vsctl; returns when the switch is as it says. Raises SwitchError."""
        self.start()
        argv: list[str] = []
        for command in words:
            argv += ["--", *command]
        self._tool("ovs-vsctl", f"--timeout={TOOL_S}", *argv)

    def replace(self, bridge: str, lines: Sequence[str]) -> None:
        """Change flows of a bridge, all at once; what was decided before is forgotten. Raises SwitchError."""
        self._tool("ovs-ofctl", "--bundle", "add-flows", bridge, "-", text="\n".join(lines) + "\n")
        if bridge in self._filled:
            self._tool("ovs-appctl", "-t", CONTROL, "revalidator/purge")
        self._filled.add(bridge)

    def stations(self, bridge: str) -> list[Seen]:
        """What it has learned. Raises SwitchError."""
        found = []
        for line in self._tool("ovs-ofctl", "dump-flows", bridge, f"table={STATIONS}").splitlines():
            fields = dict(FIELD.findall(line))
            number = int(fields.get("cookie", "0x0"), 16)
            if number and "dl_dst" in fields:
                silent_s = float(fields.get("hard_age") or fields["duration"].removesuffix("s"))
                vid = int(fields.get("reg0", "0"), 16)
                found.append(Seen(number, vid, Mac.parse(fields["dl_dst"]), int(silent_s * SECOND)))
        return found

    def _tool(self, *argv: str, text: str = "") -> str:
        done = subprocess.run(
            list(argv), input=text, capture_output=True, text=True, check=False, env=self._environment, cwd="/"
        )
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["failed"])[-1]
            raise SwitchError(f"{argv[0]}: {said}")
        return done.stdout
