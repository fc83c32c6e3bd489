"""The engine `kernel` as the product sees it: a process of its own is started, asked, and ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labs.engines.base import (
    HANDS,
    MAX_OUTPUT,
    BeyondEngine,
    CommandRejected,
    EngineUnavailable,
    HandsOutput,
    Observation,
    Output,
    Probe,
    SandboxMissing,
)
from labs.engines.kernel.channel import LONGEST_WAIT_NS, Channel, ChannelClosed
from labs.engines.kernel.codec import decode, encode
from labs.engines.kernel.users import SEARCH, User, unshare_command
from labs.model.durations import format_duration

if TYPE_CHECKING:
    from labs.model.site import Site

__all__ = ["KernelEngine", "check_machine"]

MAX_LINE = 16_384
BYTECODE = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
TOOLS = {"unshare": "util-linux", "ip": "iproute2", "nft": "nftables", "bash": "bash"}


class KernelEngine:
    """Engine `kernel`: Linux namespaces, real stacks, daemons and time. Needs root or user namespaces."""

    name = "kernel"
    repeats = False

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._diary = -1
        self._places: tuple[str, ...] = ()
        self._now = 0
        self._asked_at = 0.0

    # The contract

    @property
    def now(self) -> int:
        """Nanoseconds since the site was switched on; it passes by itself."""
        if self._channel is None:
            return self._now
        return self._now + int((time.monotonic() - self._asked_at) * 1e9)

    def start(self, site: Site) -> None:
        """Build, power and boot everything. Raises EngineUnavailable and SandboxMissing."""
        missing = media_of(site)
        if missing:
            message = f"the engine kernel has no {missing}: play this site on the engine sim"
            raise EngineUnavailable(message)
        check_tools()
        check_user()
        self._spawn()
        self._places = tuple(site.devices)
        try:
            self._ask("start", site=encode(site))
        except EngineUnavailable:
            self.stop()
            check_namespaces()  # where that is the cause, it says so better
            raise
        except BaseException:
            self.stop()
            raise

    def run(self, place: str, line: str, *, most: int = MAX_OUTPUT, longest_ns: int = 0) -> Output:
        """Run one line at a device, or at `hands`. Its output has the limit of a session.

        Raises CommandRejected, and BeyondEngine for a line that may take more than a quarter of an hour.
        """
        del most
        in_real_time(longest_ns)
        if len(line) > MAX_LINE:
            message = f"the line has {len(line)} characters; at most {MAX_LINE} are allowed"
            raise CommandRejected(message)
        if place != HANDS and place not in self._places:
            message = f'there is no place "{place}"; places are: {", ".join([*self._places, HANDS])}'
            raise CommandRejected(message)
        answer = self._ask("run", place=place, line=line, longest_ns=longest_ns)
        if "told" in answer:
            return HandsOutput(decode(answer["told"]), answer["status"])
        return Output(answer["text"], answer["status"])

    def login(self) -> None:
        """A new shell at every device; jobs of the one before go on."""
        self._ask("login")

    def wait(self, duration_ns: int) -> None:
        """Let real time pass, at most a quarter of an hour. Raises BeyondEngine."""
        in_real_time(duration_ns)
        self._ask("wait", duration_ns=duration_ns)

    def elapse(self, duration_ns: int, *, besides: str = "") -> None:
        """Put the clocks of the site forward.

        Raises BeyondEngine where something has a clock of its own: a lease, an address or a set element that ends
        meanwhile, or what somebody left running in a shell.
        """
        self._ask("elapse", duration_ns=duration_ns, besides=besides)

    def moment(self, device: str, unix_ns: int) -> int:
        """When the clock of this machine, which every tool shows, showed this Unix time."""
        del device
        moment: int = self._ask("moment", unix_ns=unix_ns)
        return moment

    def settle(self, duration_ns: int) -> None:
        """Bring the site to rest, as so much time would: caches are emptied, bridges forward. Takes a moment."""
        self._ask("settle", duration_ns=duration_ns)

    def observe(self) -> Site:
        """The site as it now is, read back from files and from `ip`, `nft` and the services."""
        site: Site = decode(self._ask("observe"))
        return site

    def probe(self, probes: Sequence[Probe]) -> list[Observation]:
        """Send the grader's own traffic, all probes at once; one observation each, in the same order."""
        observations: list[Observation] = decode(self._ask("probe", probes=encode(list(probes))))
        return observations

    def read_file(self, device: str, path: str) -> bytes:
        """A file of a device as it is now, byte for byte. Raises CommandRejected."""
        if device not in self._places:
            message = f'there is no device "{device}"'
            raise CommandRejected(message)
        content: bytes = decode(self._ask("read_file", device=device, path=path))
        return content

    def power(self, device: str, *, on: bool) -> None:
        """Switch a device on or off."""
        self._ask("power", device=device, on=on)

    def stop(self) -> None:
        """End the engine's process; the kernel removes everything with it."""
        channel, self._channel = self._channel, None
        process, self._process = self._process, None
        if channel is not None:
            with contextlib.suppress(ChannelClosed):
                channel.send({"do": "stop"})
            channel.close()
        if process is not None:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._diary >= 0:
            os.close(self._diary)
            self._diary = -1

    @property
    def pid(self) -> int:
        """The process that holds the lab; its only child is process 1 of the lab's namespaces."""
        return self._process.pid if self._process is not None else 0

    def __del__(self) -> None:
        self.stop()

    # Inside

    def _spawn(self) -> None:
        here, there = socket.socketpair()
        self._diary = os.memfd_create("netwerf-kernel")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= {"PYTHONPATH": os.pathsep.join(_search_path()), "PATH": SEARCH}
        environment |= {name: os.environ[name] for name in BYTECODE if os.environ.get(name)}
        self._process = subprocess.Popen(
            [*unshare_command(), sys.executable, "-S", "-m", "labs.engines.kernel", str(there.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=self._diary,
            stderr=self._diary,
            pass_fds=(there.fileno(),),
            env=environment,
            start_new_session=True,
        )
        there.close()
        self._channel = Channel(here)

    def _ask(self, what: str, **message: Any) -> Any:
        if self._channel is None:
            text = "the engine has not been started"
            raise RuntimeError(text)
        try:
            self._channel.send({"do": what, **message})
            answer = self._channel.receive()
        except ChannelClosed:
            said = self._said()
            self.stop()
            text = "the engine's process ended" + (f": {said}" if said else "")
            raise EngineUnavailable(text) from None
        self._now, self._asked_at = answer["now"], time.monotonic()
        if "error" in answer:
            if answer["kind"] == "unavailable":
                answer["error"] = " ".join(answer["error"].split()) + (f" ({self._said()})" if self._said() else "")
            self._refuse(answer)
        return answer["value"]

    @staticmethod
    def _refuse(answer: Mapping[str, Any]) -> None:
        kinds: dict[str, type[Exception]] = {
            "rejected": CommandRejected,
            "beyond": BeyondEngine,
            "unavailable": EngineUnavailable,
            "sandbox": SandboxMissing,
        }
        kind = kinds.get(answer["kind"], RuntimeError)
        raise kind(answer["error"] + ("\n" + answer["trace"] if "trace" in answer else ""))

    def _said(self) -> str:
        """The last line that the engine's process complained with."""
        if self._diary < 0:
            return ""
        lines = os.pread(self._diary, 1 << 16, 0).decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""


def _search_path() -> list[str]:
    """Where the engine's process finds what is imported here; it asks no `site` for it, which would take its time."""
    from importlib.util import find_spec

    found = [path for path in sys.path if path]
    for package in ("labs", "mininet"):
        spec = find_spec(package)
        home = os.path.dirname(os.path.dirname(spec.origin)) if spec is not None and spec.origin else ""
        found += [home] if home and home not in found else []
    return found


def in_real_time(duration_ns: int) -> None:
    """Raise BeyondEngine where nobody waits for so long."""
    if duration_ns > LONGEST_WAIT_NS:
        message = f"{format_duration(duration_ns)} of real time; the engine kernel waits for 15 min at once at most"
        raise BeyondEngine(message)


def media_of(site: Site) -> str:
    """The media of a site that a kernel alone does not have, in words; empty where leads are all there is."""
    found = []
    if any(port.name.startswith("wlan") for device in site.devices.values() for port in device.ports):
        found.append("Wi-Fi")
    if any("/etc/lorawan.toml" in device.files for device in site.devices.values()):
        found.append("LoRa")
    if any("/etc/zigbee.toml" in device.files for device in site.devices.values()):
        found.append("Zigbee")
    return " and no ".join(found)


def check_machine() -> None:
    """Raise EngineUnavailable or SandboxMissing where the engine cannot run, with what to do."""
    check_tools()
    check_user()
    check_namespaces()


def check_user() -> None:
    """Raise SandboxMissing where daemons could not be run as users of their own."""
    user = User.now()
    if user.number and shutil.which("newuidmap", path=SEARCH) is None:
        message = "the engine kernel cannot give daemons users of their own without root: apt-get install uidmap"
        raise SandboxMissing(message)
    why, mending = user.lacking()
    if why:
        message = f"the engine kernel cannot give daemons users of their own: {why} ({mending}, or use the engine sim)"
        raise SandboxMissing(message)


def check_tools() -> None:
    """Raise EngineUnavailable or SandboxMissing where something is not installed."""
    if sys.platform != "linux":
        message = "the engine kernel needs Linux; use the engine sim"
        raise EngineUnavailable(message)
    for tool, package in TOOLS.items():
        if shutil.which(tool, path=SEARCH) is None:
            message = f"the engine kernel needs {tool}: apt-get install {package}"
            raise EngineUnavailable(message)
    import importlib.util

    if importlib.util.find_spec("mininet") is None:
        message = 'the engine kernel needs Mininet: pip install "netwerf[kernel]"'
        raise EngineUnavailable(message)
    if shutil.which("bwrap", path="/usr/bin") is None:
        message = "the engine kernel has no sandbox and refuses to run: apt-get install bubblewrap"
        raise SandboxMissing(message)


def check_namespaces() -> None:
    """Raise SandboxMissing where this machine lets nobody make namespaces: there is no sandbox without."""
    done = subprocess.run([*unshare_command(), "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["refused"])[-1].removeprefix("unshare: ")
        message = f"the engine kernel needs root or user namespaces, and this machine says: {said}"
        raise SandboxMissing(message)
