"""Tunnels on the engine `kernel`, whoever does them: the kernel, or a process of ours over TUN devices."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from grader.grade import judge
from grader.verdict import Verdict
from labs.engines.kernel import KernelEngine
from labs.engines.kernel.tunnels import way
from labs.engines.sim import SimEngine
from labs.journal import Header
from labs.model.site import Site
from labs.model.state import DeviceState, InterfaceState
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw
from labs.version import version
from tests.engines.kernel.kernel_site import device, needs_kernel, running, site
from tests.engines.kernel.test_vlans import OWN_WORDS

pytestmark = needs_kernel

FORWARDS = {"/etc/sysctl.conf": "net.ipv4.ip_forward=1\n"}
GREETER = {"/etc/inetd.conf": "http stream tcp nowait root /bin/cat cat\n"}
GRE = "ip tunnel add t0 mode gre local {} remote {} ttl 64"


def router(name: str, number: int, command: str):
    """One end of the tunnel."""
    outside, other = ("198.51.100", "203.0.113") if number == 1 else ("203.0.113", "198.51.100")
    file = f"""auto lo
iface lo inet loopback

auto wan
iface wan inet static
    address {outside}.2/24
    gateway {outside}.1

auto lan
iface lan inet static
    address 10.0.{number}.1/24

auto t0
iface t0 inet static
    address 172.30.0.{number}/30
    pre-up {command.format(f"{outside}.2", f"{other}.2")}
    up ip route add 10.0.{3 - number}.0/24 dev t0
    post-down ip link del t0
"""
    ports = {"wan": "", "lan": ""}
    return device(name, "router", ports, FORWARDS | {"/etc/network/interfaces": file})


def two_places(command: str = GRE) -> Site:
    """Two routers with a provider between them, and a host behind each."""
    return site(
        [
            device("a", "host", {"eth0": "10.0.1.10/24"}, gateway="10.0.1.1"),
            router("r", 1, command),
            device("p", "router", {"one": "198.51.100.1/24", "two": "203.0.113.1/24"}, FORWARDS),
            router("s", 2, command),
            device("d", "server", {"eth0": "10.0.2.20/24"}, GREETER, gateway="10.0.2.1", units=("inetd",)),
        ],
        ["a:eth0 r:lan", "r:wan p:one", "p:two s:wan", "s:lan d:eth0"],
    )


@pytest.fixture(scope="module")
def places():
    with running(two_places()) as engine:
        yield engine


def answered(engine: KernelEngine, line: str, place: str = "a") -> str:
    """What the summary of a ping says."""
    found = re.search(r"(\d+) received", engine.run(place, f"ping -c 1 -W 1 {line}").text)
    return found[1] if found else ""


def test_packets_pass_whole_and_in_pieces_and_connections_with_data_too(places):
    assert "ttl=62" in places.run("a", "ping -c 1 10.0.2.20").text
    assert "Frag needed and DF set (mtu = 1476)" in places.run("a", "ping -c 1 -M do -s 1472 10.0.2.20").text
    assert answered(places, "-M do -s 1448 10.0.2.20") == "1"
    assert answered(places, "-M dont -s 3000 10.0.2.20") == "1"
    line = "exec 3<>/dev/tcp/10.0.2.20/80; head -c 60000 /dev/zero >&3; head -c 60000 <&3 | wc -c; exec 3<&-"
    assert places.run("a", line).text == "60000\n"


LISTS = (
    "ip tunnel",
    "ip tunnel show t0",
    "ip tunnel show t9",
    "ip tunnel show lan",
    "ip -d link show t0",
    "ip addr show t0",
    "ip -br addr show t0",
    "ip -j tunnel",
    "ip tunnel add t0 mode gre remote 192.0.2.1",
    "ip tunnel add t1 mode gre local 198.51.100.2 remote 203.0.113.2",
    "ip tunnel add t1 mode sideways",
    "ip tunnel add t1 mode ipip local 198.51.100.2 remote 203.0.113.2 nopmtudisc tos 0x10",
    "ip link show t1",
    "ip link set t1 up; ip -d link show t1",
    "ip tunnel change t1 remote 203.0.113.3 ttl inherit",
    "ip tunnel change t1 mode gre",
    "ip tunnel show",
    "ip link add t2 type gre local 198.51.100.2 key 42 csum dev wan ttl 9",
    "ip -d link show t2",
    "ip tunnel show t2",
    "ip link set t2 mtu 1300; ip link show t2",
    "ip link set t2 mtu 66000",
    "ip link show type ipip",
    "ip link set t1 down; ip link set t1 name t7; ip -br link show t7 | cut -c 1-20",
    "ip tunnel del t7",
    "ip link del t2",
    "ip tunnel del t2",
    "ip -br link show t2",
    "ip tunnel sideways",
)


def plain(text: str) -> str:
    """Without numbers of interfaces, blanks, and what the simulator says of offloads."""
    text = re.sub(r" (?:gso|tso|gro)_max_\w+ \d+", "", text)
    for pattern, instead in OWN_WORDS:
        text = pattern.sub(instead, text)
    return "\n".join(line.strip() for line in text.splitlines())


def test_commands_about_tunnels_answer_as_on_the_simulator():
    made = two_places()
    simulated = SimEngine()
    simulated.start(made)
    with running(made) as engine:
        for line in LISTS:
            one, other = simulated.run("r", line), engine.run("r", line)
            assert (line, plain(other.text), other.status) == (line, plain(one.text), one.status)
        simulated.run("r", "ip tunnel add t3 mode ipip remote 203.0.113.9")
        engine.run("r", "ip tunnel add t3 mode ipip remote 203.0.113.9")
        assert shown(engine.observe().devices["r"].state) == shown(simulated.observe().devices["r"].state)


def shown(state: DeviceState | None) -> list[InterfaceState]:
    """Interfaces, but for their numbers."""
    assert state is not None
    return [replace(one, index=0) for one in sorted(state.interfaces, key=lambda one: one.name)]


def captured(engine: KernelEngine, ping: str, place: str = "p", port: str = "one") -> str:
    """What tcpdump says of the packet around an echo request."""
    dump = f"timeout 10 tcpdump -vnn -c 1 -i {port} ip proto 47 or ip proto 4 2>/tmp/said >/tmp/seen"
    engine.run(place, f"rm -f /tmp/said /tmp/seen; ({dump} &); until grep -qs listening /tmp/said; do sleep 0.05; done")
    engine.run("a", f"ping -c 1 -W 1 {ping} 10.0.2.20")
    return engine.run(place, "for i in $(seq 40); do [ -s /tmp/seen ] && break; sleep 0.05; done; cat /tmp/seen").text


def test_header_around_a_packet_has_ttl_tos_df_key_and_checksum_as_the_tunnel_says(places):
    try:
        text = captured(places, "-Q 0xb8")
        assert re.search(r"tos 0x0, ttl 64, .*flags \[DF\], proto GRE \(47\), length 108\)", text), text
        places.run("r", "ip tunnel change t0 ttl inherit tos inherit key 42 csum nopmtudisc")
        text = captured(places, "-Q 0xb8 -M dont")
        assert re.search(r"tos 0xb8, ttl 63, .*flags \[none\], proto GRE \(47\), length 116\)", text), text
        assert re.search(r"Flags \[checksum present, key present\], sum 0x\w+, off 0x0, key=0x2a, ", text), text
        assert answered(places, "10.0.2.20") == "0"  # the other end wants neither
        places.run("s", "ip tunnel change t0 key 42 csum")
        assert answered(places, "10.0.2.20") == "1"
        places.run("s", "ip tunnel change t0 key 43 csum")
        assert answered(places, "10.0.2.20") == "0"
    finally:
        for place in "rs":
            places.run(place, "ifdown t0; ifup t0")
    assert answered(places, "10.0.2.20") == "1"


def test_narrow_way_the_end_of_the_tunnel_learns_and_tells_who_sends(places):
    places.run("p", "ip link set two mtu 1400")
    try:
        assert answered(places, "-M do -s 1448 10.0.2.20") == "0"
        told = places.run("a", "ping -c 1 -W 1 -M do -s 1448 10.0.2.20").text
        assert "Frag needed and DF set (mtu = 1376)" in told
        assert answered(places, "-M do -s 1348 10.0.2.20") == "1"
        assert "mtu 1400" in places.run("r", "ip route get 203.0.113.2").text
    finally:
        places.run("p", "ip link set two mtu 1500")
        places.run("r", "ip route flush cache")
        places.run("a", "ip route flush cache")


def test_packets_are_counted_once_they_are_around(places):
    places.run("r", "ifdown t0; ifup t0; ping -c 3 -i 0.2 172.30.0.2")
    text = places.run("r", "ip -s link show t0").text
    assert re.search(r"RX:.*\n\s+252\s+3\s+0\s+0", text), text
    places.run("r", "ip route add blackhole 203.0.113.2; ping -c 1 -W 1 172.30.0.2; ip route del 203.0.113.2")
    text = places.run("r", "ip -s link show t0").text
    assert re.search(r"TX:.*\n\s+252\s+3\s+1\s+0", text), text


@pytest.mark.parametrize("command", [GRE, GRE.replace("gre", "ipip")])
def test_other_end_missing_the_sender_is_told_on_the_next_try(command):
    """Of GRE where the other end knows no such protocol; of IPIP also where it has another such tunnel."""
    with running(two_places(command)) as engine:
        assert answered(engine, "10.0.2.20") == "1"
        if "ipip" in command:
            engine.run("s", "ip tunnel change t0 remote 203.0.113.77")
        else:
            engine.run("s", "ip link del t0")
        said = engine.run("r", "ping -c 3 -i 0.3 -W 1 172.30.0.2").text
        assert "Destination Host Unreachable" in said, said
        assert "0 received" in said


def test_trainee_gets_no_tun_device_and_nothing_of_ours_is_listed(places):
    assert places.run("r", "ip tuntap add dev x mode tun").status
    assert places.run("r", "ls /dev/net").status
    text = places.run("r", "ip -d link; ip -d -j addr").text
    assert not re.search(r"\btun\b|persist", text), text


def test_tunnel_after_a_reboot_has_what_its_file_says(places):
    places.run("s", "ip tunnel del t0")
    assert answered(places, "10.0.2.20") == "0"
    places.run("s", "reboot")
    assert places.run("s", "ip tunnel").text == "t0: gre/ip remote 198.51.100.2 local 203.0.113.2 ttl 64\n"
    answered(places, "10.0.2.20")  # of what became of the one before the sender is told now
    assert answered(places, "10.0.2.20") == "1"


needs_carrier = pytest.mark.skipif(
    way.tunnel_way(two_places()) is not way.Way.CARRIER, reason="this kernel has tunnels itself"
)


@needs_carrier
def test_process_that_carries_packets_is_replaced_when_somebody_ends_it_and_gone_with_the_last_tunnel(places):
    places.run("r", "pkill -9 -x tunnels; sleep 1")
    assert answered(places, "10.0.2.20") == "1"
    places.run("r", "ip tunnel del t0; sleep 0.3")
    assert places.run("r", "pgrep -x tunnels").status == 1
    assert places.run("r", "ip tunnel").text == ""
    places.run("r", "ifup t0 --force")
    assert answered(places, "10.0.2.20") == "1"


def test_machine_without_tunnels_and_without_tun_devices_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(way, "_kernel_has", lambda: False)
    monkeypatch.setattr(way, "_tun_devices", lambda: False)
    text = way.lacking_tunnels(two_places())
    assert "this kernel has no tunnels (modules ip_gre and ipip), and r needs them" in text
    assert way.tunnel_way(two_places()) is None


def test_line_of_the_provider_is_as_it_was_until_somebody_changes_it():
    """The check `untouched` compares with the simulator's picture of the start."""
    drawn = draw(find_scenario("pumping-station-link"), "0")
    checks = tuple(check for check in drawn.scenario.checks if check.id == "not-yours")
    variant = replace(drawn, scenario=replace(drawn.scenario, checks=checks))
    header = Header(variant.scenario.id, variant.scenario.digest, variant.seed, "kernel", version())
    lines = [("provider", "sysctl -w net.ipv4.ip_default_ttl=9")]
    assert [judge(variant, header, site=variant.broken, lines=typed).results[0].verdict for typed in ([], lines)] == [
        Verdict.PASS,
        Verdict.FAIL,
    ]
