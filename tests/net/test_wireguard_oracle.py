"""Debian's wireguard-go in namespaces as the judge of the simulated WireGuard: one list of lines, typed on both."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from labs.engines.sim import SimEngine
from tests.sites import machine, site

KEYS = {
    "gw": ("WAmeeBB7zSjLkXwnKzHXm6cCSUzUvEWy5TeUqPBFLU8=", ""),
    "laptop": ("oK56DE9Ue9zK76rAc8pBl6opph+1v36lm7cXXsQKrVM=", ""),
}
WRONG = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
SECRET = "/tmp/wireguard-key"
SECOND = 1_000_000_000
READY_S = 10.0


def missing() -> str:
    """Why wireguard-go cannot judge here, or nothing."""
    tools = [tool for tool in ("unshare", "ip", "wg", "wireguard-go") if shutil.which(tool) is None]
    if tools:
        return f"needs {', '.join(tools)}"
    if os.geteuid() != 0 or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "needs root and /dev/net/tun"
    done = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "needs network namespaces"


pytestmark = [pytest.mark.kernel, pytest.mark.skipif(bool(missing()), reason=missing() or "wireguard-go can judge")]


class Box:
    """A shell in a network namespace and a mount namespace of its own."""

    def __init__(self) -> None:
        self.shell = subprocess.Popen(
            ["unshare", "--net", "--mount", "bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.daemon = 0
        for name in ("all", "default"):
            self.run(f"echo 1 > /proc/sys/net/ipv6/conf/{name}/disable_ipv6")
        self.run("mkdir -p /run/wireguard; mount -t tmpfs none /run/wireguard; mount -t tmpfs none /tmp")

    def run(self, line: str) -> str:
        """What a line prints."""
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(f"{line}\necho; echo ---done---\n")
        self.shell.stdin.flush()
        lines = []
        for found in iter(self.shell.stdout.readline, ""):
            if found == "---done---\n":
                break
            lines.append(found)
        return "".join(lines).removesuffix("\n")

    def start(self) -> None:
        """The daemon and its interface."""
        said = self.run("LOG_LEVEL=silent wireguard-go -f wg0 >/dev/null 2>&1 & echo $!")
        self.daemon = int(said.split()[-1])
        until = time.monotonic() + READY_S
        while "interface: wg0" not in self.run("wg show wg0") and time.monotonic() < until:
            time.sleep(0.02)

    def close(self) -> None:
        """Nothing stays."""
        if self.daemon:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.daemon, signal.SIGKILL)
        self.shell.kill()
        self.shell.communicate()


class Both:
    """Two machines on a lead, simulated and real."""

    def __init__(self) -> None:
        self.boxes = {"gw": Box(), "laptop": Box()}
        machines = [machine("gw", {"eth0": "198.51.100.1/24"}), machine("laptop", {"eth0": "198.51.100.2/24"})]
        self.sim = SimEngine()
        self.sim.start(site(machines, ["gw:eth0 laptop:eth0"]))
        gw, laptop = self.boxes["gw"], self.boxes["laptop"]
        gw.run(f"ip link add eth0 type veth peer name eth0 netns {laptop.shell.pid}")
        for number, (name, box) in enumerate(self.boxes.items(), 1):
            box.run(f"ip addr add 198.51.100.{number}/24 dev eth0; ip link set eth0 up; ip link set lo up")
            box.start()
            self.sim.run(name, "ip link add wg0 type wireguard")
            self.both(name, f"echo {KEYS[name][0]} > {SECRET}; chmod 600 {SECRET}")
        self.public = {name: self.boxes[name].run(f"wg pubkey < {SECRET}").strip() for name in KEYS}

    def both(self, place: str, line: str) -> tuple[str, str]:
        """What the simulator says, and what the real tools say."""
        for name, key in getattr(self, "public", {}).items():
            line = line.replace(name.upper(), key)
        return self.sim.run(place, line).text, self.boxes[place].run(line)

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.sim.wait(int(seconds * SECOND))
        time.sleep(seconds)

    def close(self) -> None:
        for box in self.boxes.values():
            box.close()
        self.sim.stop()


@pytest.fixture
def pair() -> Iterator[Both]:
    made = Both()
    try:
        made.both("gw", f"wg set wg0 listen-port 51820 private-key {SECRET} peer LAPTOP allowed-ips 10.9.0.2/32")
        made.both(
            "laptop", f"wg set wg0 private-key {SECRET} peer GW allowed-ips 10.9.0.1/32 endpoint 198.51.100.1:51820"
        )
        for number, name in enumerate(KEYS, 1):
            made.both(name, f"ip addr add 10.9.0.{number}/24 dev wg0; ip link set wg0 up")
        made.wait(0.3)
        yield made
    finally:
        made.close()


OWN = (
    (re.compile(r"(198\.51\.100\.\d+):(?!51820|41234)\d+"), r"\1:PORT"),
    (re.compile(r"ListenPort = (?!51820)\d+"), "ListenPort = PORT"),
    (re.compile(r"listening port: (?!51820)\d+"), "listening port: PORT"),
    (re.compile(r"latest handshake: .*"), "latest handshake: SOON"),
    (re.compile(r"\t1\d{9}\b"), "\tTIME"),
    (re.compile(r"time[= ].*"), ""),
    (re.compile(r"(=\t)(?!51820)\d{4,5}(\toff)"), r"\1PORT\2"),
    (re.compile(r"rtt .*"), ""),
)


def plain(text: str) -> str:
    """Without ports, times and keys' own order."""
    for pattern, instead in OWN:
        text = pattern.sub(instead, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def compare(pair: Both, *typed: tuple[str, str]) -> None:
    """Every line is answered the same."""
    for place, line in typed:
        simulated, real = pair.both(place, line)
        assert (place, line, plain(simulated)) == (place, line, plain(real))


PING = "ping -c 1 -W 1 10.9.0.1"
SHOW = "wg show wg0"


def test_handshake_data_and_what_wg_shows_are_those_of_wireguard_go(pair):
    compare(
        pair,
        ("gw", SHOW),
        ("laptop", SHOW),
        ("laptop", PING),
        *((place, SHOW) for place in KEYS),
        *((place, f"wg show wg0 {what}") for place in KEYS
          for what in ("transfer", "endpoints", "allowed-ips", "latest-handshakes", "persistent-keepalive", "peers",
                       "preshared-keys", "public-key", "fwmark", "dump")),
        ("laptop", "wg showconf wg0"),
    )  # fmt: skip


def test_packets_up_to_the_mtu_pass_and_are_padded_to_sixteen_bytes(pair):
    pair.both("laptop", PING)
    compare(
        pair,
        *(("laptop", f"ping -c 1 -W 1 -M do -s {size} 10.9.0.1") for size in (1392, 1393, 0, 5)),
        ("laptop", "wg show wg0 transfer"),
        ("gw", "wg show wg0 transfer"),
    )


def test_source_that_is_not_allowed_is_dropped_by_who_receives_it(pair):
    pair.both("laptop", PING)
    compare(
        pair,
        ("gw", "wg set wg0 peer LAPTOP allowed-ips 10.9.0.3/32"),
        ("laptop", PING),
        ("gw", "wg show wg0 transfer"),
        ("gw", "wg set wg0 peer LAPTOP allowed-ips 10.9.0.2/32"),
        ("laptop", PING),
        ("gw", "wg show wg0 transfer"),
    )


@pytest.mark.parametrize("what", ["key", "preshared"])
def test_wrong_key_no_answer_comes_and_what_was_tried_is_counted(pair, what):
    if what == "key":
        pair.both("laptop", "wg set wg0 peer GW remove")
        pair.both("laptop", f"wg set wg0 peer {WRONG} allowed-ips 10.9.0.1/32 endpoint 198.51.100.1:51820")
    else:
        pair.both("laptop", f"wg set wg0 peer GW preshared-key {SECRET}")
    compare(pair, ("laptop", PING), ("laptop", SHOW), ("gw", SHOW))


def test_keepalive_shakes_hands_without_anybody_s_packet(pair):
    pair.both("laptop", "wg set wg0 peer GW persistent-keepalive 25")
    pair.wait(0.5)
    compare(pair, *((place, SHOW) for place in KEYS))


def test_peer_that_speaks_from_elsewhere_is_answered_there(pair):
    """Only the port moves: wireguard-go itself sticks to a source address, as the kernel's own does not."""
    pair.both("laptop", PING)
    pair.both("laptop", "wg set wg0 listen-port 41234")
    compare(pair, ("laptop", PING), ("gw", "wg show wg0 endpoints"), ("gw", "wg show wg0 transfer"))
    compare(pair, ("gw", "ping -c 1 -W 1 10.9.0.2"), ("laptop", SHOW))
