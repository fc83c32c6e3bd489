"""What the two engines read back of the same healthy site is the same, up to the differences that are named here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.grade import judge
from labs.engines.base import Engine
from labs.journal import Header
from labs.lab import engine_named
from labs.model.addresses import parse_address
from labs.model.site import Site
from labs.model.state import DeviceState, InterfaceState, Listener
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw
from labs.shell.bash import logical_lines
from labs.version import version
from tests.engines.kernel.kernel_site import device, needs_kernel, running, site, two_networks

pytestmark = needs_kernel

KINDS = ("reach", "policy")
MINUTE = 60_000_000_000
# Lines that carry a time or a number of the day, or that another client writes in its own form and place.
OWN_FILES = ("/var/lib/misc/dnsmasq.leases", "/var/lib/dhcp/", "/var/lib/mosquitto/", "/etc/mosquitto/passwd")
# The kernel: what enabling forwarding does to `all`, and what the loopback and `all` begin with (addrconf.c).
OTHER_SETTINGS = ("net.ipv4.conf.all.accept_redirects", "net.ipv6.conf.all.accept_dad", "net.ipv6.conf.lo.accept_dad",
                  "net.ipv6.icmp.ratelimit")  # fmt: skip
PER_MACHINE = "net.ipv4.route.error_"  # not a setting of a namespace


def both(made: Site, *lines: tuple[str, str]) -> tuple[Site, Site]:
    """The site as each engine reads it back."""
    seen = []
    for name in ("sim", "kernel"):
        engine: Engine = engine_named(name)
        engine.start(made)
        try:
            for place, line in lines:
                assert engine.run(place, line).status == 0, (name, place, line)
            engine.settle(MINUTE)
            seen.append(engine.observe())
        finally:
            engine.stop()
    return seen[0], seen[1]


def comparable(state: DeviceState) -> DeviceState:
    """Without what is named above: numbers of interfaces, a dark bridge port's state, names of processes."""
    interfaces = [replace(shown, index=0) for shown in state.interfaces]
    listeners = {Listener(s.protocol, s.address, s.port, "", s.interface) for s in state.listeners}
    return replace(
        state,
        interfaces=tuple(sorted((dark(shown) for shown in interfaces), key=lambda shown: shown.name)),
        routes=tuple(sorted(state.routes, key=str)),
        ruleset=without_handles(state.ruleset),
        sysctls={
            name: value
            for name, value in state.sysctls.items()
            if name not in OTHER_SETTINGS and not name.startswith(PER_MACHINE)
        },
        listeners=tuple(sorted((s for s in listeners if s.port != 68), key=str)),  # a client's socket
    )


def dark(shown: InterfaceState) -> InterfaceState:
    if shown.bridge_port is None or shown.carrier:
        return shown
    return replace(shown, bridge_port=replace(shown.bridge_port, state="disabled"))


def without_handles(value: object) -> object:
    """A ruleset without numbers, counters and the note of who wrote it."""
    if isinstance(value, dict):
        return {
            key: without_handles(part)
            for key, part in value.items()
            if key not in ("handle", "packets", "bytes", "index")
        }
    if isinstance(value, list | tuple):
        return [without_handles(part) for part in value if not (isinstance(part, dict) and "metainfo" in part)]
    return value


def typed(steps: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(place, line) for place, text in steps for line in logical_lines(text)]


def differences(sim: Site, kernel: Site) -> list[str]:
    found = []
    for name, here in sim.devices.items():
        there = kernel.devices[name]
        found += [
            f"{name} {path}"
            for path in sorted(set(here.files) | set(there.files))
            if here.files.get(path) != there.files.get(path) and not path.startswith(OWN_FILES)
        ]
        a, b = comparable(here.state), comparable(there.state)
        for field in DeviceState.__slots__:
            one, other = getattr(a, field), getattr(b, field)
            if one != other and field == "sysctls":
                found += [f"{name} {key}" for key in sorted(set(one) | set(other)) if one.get(key) != other.get(key)]
            elif one != other:
                found.append(f"{name} {field}: {one} | {other}")
    return found


@pytest.mark.parametrize("scenario", ["tasting-room-guests", "bakery-address-clash"])
def test_healthy_site_is_read_back_alike_on_both_engines(scenario):
    assert differences(*both(draw(find_scenario(scenario), "3").healthy)) == []


def test_what_was_typed_is_read_back_alike_on_both_engines():
    lines = (
        ("pc", "ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent"),
        ("pc", "ip link set eth0 mtu 1400"),
        ("gw", "sysctl -w net.ipv4.conf.lan.rp_filter=1"),
        ("gw", "ip route add 10.7.0.0/16 via 10.9.0.2 metric 50"),
        ("gw", "ip route add blackhole 10.8.0.0/16"),
        ("gw", "nft add table ip t; nft 'add chain ip t c { type filter hook forward priority 0; policy drop; }'"),
        ("gw", "nft add rule ip t c ip saddr 10.0.0.0/24 tcp dport 80 accept"),
        ("sw", "bridge link set dev p1 isolated on"),
        ("sw", "bridge fdb add 02:00:00:00:00:77 dev p2 master static"),
    )
    assert differences(*both(two_networks(), *lines)) == []


def test_bind_addresses_of_real_sockets_are_read_back():
    conf = {"/etc/mosquitto/mosquitto.conf": "listener 1883 127.0.0.1\nlistener 1884\nallow_anonymous true\n"}
    with running(site([device("pc", "host", {"eth0": "10.0.0.2/24"}, conf, units=("mosquitto",))], [])) as lab:
        listeners = lab.observe().devices["pc"].state.listeners
    assert listeners == (
        Listener("tcp", parse_address("127.0.0.1"), 1883, "mosquitto"),
        Listener("tcp", parse_address("0.0.0.0"), 1884, "mosquitto"),
    )


def test_only_units_that_the_device_has_are_known():
    with running(two_networks()) as lab:
        assert set(lab.observe().devices["pc"].state.units) == {"networking"}


@pytest.mark.parametrize("which", ["healthy", "broken", "solution"])
def test_tasting_room_earns_the_same_points_on_both_engines(which):
    """What is proved and what packets show; hearing sensors out would take minutes of real time."""
    scenario = find_scenario("tasting-room-guests")
    checks = tuple(replace(check, survives="") for check in scenario.checks if check.kind in KINDS)
    variant = replace(draw(scenario, "3"), scenario=replace(scenario, checks=checks))
    lines = typed(variant.steps(scenario.solution)) if which == "solution" else []
    start = variant.healthy if which == "healthy" else variant.broken
    seen = {}
    for engine in ("sim", "kernel"):
        header = Header(scenario.id, scenario.digest, "3", engine, version())
        grade = judge(variant, header, site=start, lines=lines)
        seen[engine] = {result.id: result.verdict.value for result in grade.results}
    assert seen["kernel"] == seen["sim"]
    assert (set(seen["sim"].values()) == {"pass"}) == (which != "broken")


def test_message_that_was_kept_before_the_start_is_told_by_the_real_broker():
    kept = '{"topic": "home/t", "payload": "21", "qos": 0}\n{"topic": "home/u", "payload": "", "qos": 1}\n'
    files = {
        "/etc/mosquitto/mosquitto.conf": "listener 1883\nallow_anonymous true\npersistence true\n"
        "persistence_location /var/lib/mosquitto/\n",
        "/var/lib/mosquitto/mosquitto.db": kept,
    }
    with running(site([device("pc", "host", {"eth0": "10.0.0.2/24"}, files, units=("mosquitto",))], [])) as lab:
        assert lab.run("pc", "mosquitto_sub -h 127.0.0.1 -t '#' -v -C 1 -W 3").text == "home/t 21\n"
