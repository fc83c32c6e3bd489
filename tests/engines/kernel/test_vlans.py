"""VLANs on the engine `kernel`, whoever does them: the kernel, or Open vSwitch where it has none."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from labs.engines.base import EngineUnavailable
from labs.engines.kernel import KernelEngine
from labs.engines.kernel.vlans import way
from labs.engines.sim import SimEngine
from labs.model.site import Site
from labs.model.state import DeviceState, InterfaceState
from tests.engines.kernel.kernel_site import device, needs_kernel, running, site
from tests.engines.kernel.test_observe import dark

pytestmark = needs_kernel

TRUNK, FIRST, SECOND = "bridge-vids 10 20\n    bridge-allow-untagged no", "bridge-access 10", "bridge-access 20"
MINUTE = 60_000_000_000


def interfaces(*paragraphs: str) -> dict[str, str]:
    """/etc/network/interfaces of these paragraphs."""
    return {"/etc/network/interfaces": "\n\n".join(("auto lo\niface lo inet loopback", *paragraphs)) + "\n"}


def switch(name: str, ports: dict[str, str], address: str):
    """A managed switch; `ports` say what their paragraphs say. It has an address in VLAN 10."""
    paragraphs = [f"auto br0\niface br0 inet manual\n    bridge-ports {' '.join(ports)}\n    bridge-vlan-aware yes"]
    paragraphs.append(f"auto br0.10\niface br0.10 inet static\n    address {address}")
    paragraphs += [f"iface {port} inet manual\n    {text}" for port, text in ports.items()]
    return device(name, "switch", dict.fromkeys(ports, ""), interfaces(*paragraphs))


def two_floors() -> Site:
    """Two VLANs on two switches with a trunk between them, and a router on one lead."""
    router = interfaces(
        "auto lan\niface lan inet manual",
        "auto lan.10\niface lan.10 inet static\n    address 10.0.10.1/24",
        "auto vlan20\niface vlan20 inet static\n    vlan-raw-device lan\n    address 10.0.20.1/24",
    )
    greeter = {"/etc/inetd.conf": "http stream tcp nowait root /bin/echo echo hello\n"}
    return site(
        [
            device("gw", "router", {"lan": ""}, router | {"/etc/sysctl.conf": "net.ipv4.ip_forward=1\n"}),
            switch("s1", {"p1": TRUNK, "p2": TRUNK, "p3": FIRST}, "10.0.10.2/24"),
            switch("s2", {"p1": TRUNK, "p2": FIRST, "p3": SECOND, "p4": SECOND}, "10.0.10.3/24"),
            device("a", "host", {"eth0": "10.0.10.11/24"}, gateway="10.0.10.1"),
            device("b", "server", {"eth0": "10.0.10.12/24"}, greeter, gateway="10.0.10.1", units=("inetd",)),
            device("c", "host", {"eth0": "10.0.20.13/24"}, gateway="10.0.20.1"),
        ],
        ["gw:lan s1:p1", "s1:p2 s2:p1", "s1:p3 a:eth0", "s2:p2 b:eth0", "s2:p3 c:eth0"],
    )


def hears(engine: KernelEngine, place: str, target: str) -> str:
    """The TTL of the answer to one ping, or nothing. A neighbour that was asked in vain before is asked anew."""
    line = f"ip neigh del {target} dev eth0 2>/dev/null; ping -c 1 -W 1 {target}"
    found = re.search(r"ttl=(\d+)", engine.run(place, line).text)
    return found[1] if found else ""


@pytest.fixture(scope="module")
def floors():
    with running(two_floors()) as engine:
        yield engine


def test_host_in_the_same_vlan_answers_through_the_trunk_and_another_through_the_router(floors):
    assert hears(floors, "a", "10.0.10.12") == "64"
    assert hears(floors, "a", "10.0.20.13") == "63"
    assert hears(floors, "c", "10.0.10.12") == "63"
    assert hears(floors, "a", "10.0.10.3") == "64"


def test_connection_with_data_passes_switches_and_router(floors):
    for place in ("a", "c"):
        assert floors.run(place, "exec 3<>/dev/tcp/10.0.10.12/80 && cat <&3; exec 3<&-").text == "hello\n"


def test_frames_on_the_trunk_carry_their_tag_and_those_of_an_access_port_none(floors):
    capture = "timeout 4 tcpdump -lnne -c 2 -i {} icmp or vlan and icmp 2>/dev/null >/tmp/{}"
    floors.run("s1", f"({capture.format('p2', 'trunk')} &) ; ({capture.format('p3', 'access')} &) ; sleep 1")
    assert hears(floors, "a", "10.0.10.12") == "64"
    floors.run("s1", "sleep 1")
    trunk, access = (floors.run("s1", f"cat /tmp/{name}").text for name in ("trunk", "access"))
    assert trunk.count("vlan 10") == 2, trunk
    assert access.count("ICMP echo") == 2, access
    assert "vlan" not in access


LISTS = (
    "bridge vlan",
    "bridge -j vlan show dev p2",
    "bridge -c vlan",
    "bridge vlan show dev eth9",
    "bridge link",
    "bridge -d link show dev p2",
    "bridge vlan add dev p4 vid 20 pvid untagged",
    "bridge vlan add dev p4 vid 30",
    "bridge vlan show dev p4",
    "bridge vlan del dev p4 vid 4095",
    "bridge vlan add dev lo vid 2",
    "bridge vlan sideways",
    "ip link set p4 nomaster",
    "bridge link show dev p4",
    "ip link set p4 master br0",
    "bridge vlan show dev p4",
    "ip link add link br0 name br0.10 type vlan id 10",
    "ip link add link br0 name br0.30 type vlan id 4096",
    "ip link set p4 master p3",
    "ip -br link show type bridge",
    "ip -j -d link show br0.10",
    "ip link show master br0",
    "ip -br addr show br0.10",
    "ip link show br0.10",
    "ip link del br0.10",
    "ip link show br0.10",
    "bridge fdb add 02:00:00:00:00:99 dev p2 master static vlan 10",
    "bridge fdb show dev p2",
    "bridge fdb del 02:00:00:00:00:99 dev p2 master vlan 10",
)
OWN_WORDS = (
    (re.compile(r"@if\d+"), ""),  # a port is one end of a pair, and has no queue
    (re.compile(r" qdisc (noqueue|fq_codel)"), ""),
    (re.compile(r"^\d+: ", re.MULTILINE), "N: "),
    (re.compile(r'"ifindex":\d+'), '"ifindex":0'),
    (re.compile(r" link-netnsid \d+"), ""),
    (re.compile(r" +"), " "),
)
LINK_KEYS = ("ifname", "link", "flags", "mtu", "qdisc", "operstate", "address", "linkinfo")


def plain(text: str) -> str:
    """Without what the engines number and name in their own ways; of JSON about links what both tell."""
    if text.startswith("[{") and '"linkinfo"' in text:
        return json.dumps([{key: link.get(key) for key in LINK_KEYS} for link in json.loads(text)])
    for pattern, instead in OWN_WORDS:
        text = pattern.sub(instead, text)
    return "\n".join(sorted(line.strip() for line in text.splitlines()))


def test_commands_about_bridges_and_vlans_answer_as_on_the_simulator():
    made = two_floors()
    simulated = SimEngine()
    simulated.start(made)
    with running(made) as engine:
        for line in LISTS:
            one, other = simulated.run("s2", line), engine.run("s2", line)
            assert (line, plain(other.text), other.status) == (line, plain(one.text), one.status)


def test_forgotten_untagged_vlan_still_leaves_but_nothing_comes_in_there(floors):
    """`pvid untagged` for one VLAN more: what arrives is in the new one, what leaves is of both."""
    lines = ("bridge vlan add dev p3 vid 20 pvid untagged", "bridge vlan show dev p3")
    try:
        text = [floors.run("s1", line).text for line in lines][-1]
        assert re.findall(r"(\d+)((?: PVID)? Egress Untagged)", text) == [
            ("10", " Egress Untagged"),
            ("20", " PVID Egress Untagged"),
        ]
        floors.run(
            "c",
            "(timeout 20 tcpdump -lnn -c 1 -i eth0 arp and host 10.0.10.12 2>/tmp/ready >/tmp/heard &)"
            "; for i in $(seq 100); do grep -q listening /tmp/ready && break; sleep 0.1; done",
        )
        floors.run("a", "ip neigh flush all")
        assert hears(floors, "a", "10.0.10.12") == ""
        floors.run("c", "for i in $(seq 100); do test -s /tmp/heard && break; sleep 0.1; done")
        assert "Request who-has 10.0.10.12" in floors.run("c", "cat /tmp/heard").text
    finally:
        floors.run("s1", "bridge vlan del dev p3 vid 20; bridge vlan add dev p3 vid 10 pvid untagged")
    assert hears(floors, "a", "10.0.10.12") == "64"


def test_station_is_learned_in_its_vlan_and_forgotten_when_its_port_goes_dark(floors):
    hears(floors, "a", "10.0.10.12")
    mac = floors.run("b", "cat /sys/class/net/eth0/address").text.strip()
    entry = f"{mac} dev p2 vlan 10 master br0"
    assert entry in floors.run("s2", "bridge fdb").text
    floors.run("s2", "ip link set p2 down; sleep 0.5")
    assert entry not in floors.run("s2", "bridge fdb").text
    floors.run("s2", "ip link set p2 up; sleep 0.5")


def test_vlan_interface_made_by_hand_follows_the_one_below(floors):
    lines = (
        ("ip link add link eth0 name eth0.7 type vlan id 7 && ip addr add 10.0.7.1/24 dev eth0.7", ""),
        ("ip link set eth0.7 up; ip -br link show eth0.7", "eth0.7@eth0"),
        ("ip link set eth0 down; sleep 0.5; ip -br link show eth0.7 | grep -c ,UP", "0"),
        ("ip link set eth0.7 up", "RTNETLINK answers: Network is down"),
        ("ip link set eth0 up; sleep 0.5; ip -br link show eth0.7 | grep -c LOWER_UP", "1"),
        ("ip link del eth0.7; ip link show eth0.7", 'Device "eth0.7" does not exist.'),
    )
    for line, words in lines:
        assert words in floors.run("a", line).text, line
    floors.run("a", "ip route replace default via 10.0.10.1")
    assert hears(floors, "a", "10.0.20.13") == "63"


def shown(state: DeviceState | None) -> list[InterfaceState]:
    """Interfaces by name, but for their numbers and the state of a dark port."""
    assert state is not None
    return [dark(replace(one, index=0)) for one in sorted(state.interfaces, key=lambda one: one.name)]


def test_observed_site_has_the_vlans_of_the_simulator():
    made = two_floors()
    typed = ("bridge vlan add dev p4 vid 10", "bridge fdb add 02:00:00:00:00:99 dev p2 master static vlan 10")
    simulated = SimEngine()
    simulated.start(made)
    with running(made) as engine:
        for line in typed:
            assert simulated.run("s2", line).status == engine.run("s2", line).status == 0
        one, other = simulated.observe(), engine.observe()
    for name in ("gw", "s1", "s2"):
        assert shown(other.devices[name].state) == shown(one.devices[name].state), name


def test_switch_after_a_reboot_has_what_its_file_says(floors):
    before = floors.run("s2", "bridge vlan").text
    floors.run("s2", "bridge vlan del dev p2 vid 10")
    assert hears(floors, "a", "10.0.10.12") == ""
    floors.run("s2", "reboot")
    assert floors.run("s2", "bridge vlan").text == before
    assert hears(floors, "a", "10.0.10.12") == "64"


@pytest.mark.skipif(way.vlan_way(two_floors()) is not way.Way.OPEN_VSWITCH, reason="this kernel has VLANs itself")
def test_switch_whose_daemon_was_killed_goes_on(floors):
    floors.run("s1", "pkill -9 ovs-vswitchd; sleep 2")
    assert hears(floors, "a", "10.0.10.12") == "64"


def test_trainee_at_a_switch_gets_no_tun_device(floors):
    for place in ("s1", "gw"):
        assert floors.run(place, "ip tuntap add dev x mode tap").status
        assert not floors.run(place, "ls /dev/net 2>/dev/null").text


def test_nothing_of_open_vswitch_is_listed(floors):
    for place in ("gw", "s1"):
        for line in ("ip link", "ip -br addr", "ip -j addr"):
            text = floors.run(place, line).text
            assert not re.search(r"nw-|ovs|PROMISC", text), text


def test_bridge_that_was_removed_leaves_nothing_in_the_lists_and_can_be_made_again_by_hand(floors):
    text = floors.run("s1", "ip link del br0; ip -br link; ip -j addr").text
    assert not re.search(r"nw-|ovs|PROMISC|br0", text), text
    ports = "for port in p1 p2 p3; do ip link set $port master br0; done"
    floors.run("s1", f"ip link add br0 type bridge; ip link set br0 up; {ports}")
    assert hears(floors, "a", "10.0.10.12") == ""  # one network for all, without tags: the other switch wants them
    floors.run("s1", "ip link set br0 type bridge vlan_filtering 1; bridge vlan add dev p2 vid 10")
    floors.run("s1", "bridge vlan add dev p3 vid 10 pvid untagged")
    assert hears(floors, "a", "10.0.10.12") == "64"
    floors.run("s1", "systemctl restart networking")
    assert hears(floors, "a", "10.0.20.13") == "63"


def test_kernel_without_vlans_and_without_open_vswitch_is_refused_with_the_package(monkeypatch):
    monkeypatch.setattr(way, "_filters", lambda: False)
    monkeypatch.setattr(way, "_tags", lambda: False)
    monkeypatch.setattr(way, "TOOLS", ("/nowhere/ovs-vsctl",))
    text = way.lacking_vlans(two_floors())
    assert "CONFIG_BRIDGE_VLAN_FILTERING" in text
    assert "s1 needs it" in text
    assert "apt-get install openvswitch-switch" in text
    assert way.vlan_way(two_floors()) is None


def test_bridge_with_vlans_and_a_spanning_tree_is_refused_where_open_vswitch_stands_in():
    made = two_floors()
    if way.vlan_way(made) is not way.Way.OPEN_VSWITCH:
        return
    s1 = made.devices["s1"]
    text = s1.files["/etc/network/interfaces"].replace("aware yes", "aware yes\n    bridge-stp on")
    with pytest.raises(EngineUnavailable, match="s1 needs one"):
        KernelEngine().start(made.with_device(s1.with_file("/etc/network/interfaces", text)))


def test_lines_about_vlans_on_a_bridge_that_does_not_filter_do_not_keep_it_from_coming_up():
    """Nothing that only a real bridge understands may be said to one of Open vSwitch."""
    text = "auto br0\niface br0 inet manual\n    bridge_ports p1 p2\n    bridge_vlan_aware no"
    text += "\n    up bridge vlan del dev p1 vid 1\n    up bridge vlan add dev p1 vid 10 pvid untagged"
    plain = device("s1", "switch", {"p1": "", "p2": ""}, interfaces(text))
    hosts = [device(name, "host", {"eth0": f"10.0.0.{n}/24"}) for n, name in enumerate(("a", "b"), 1)]
    other = switch("s2", {"p1": FIRST}, "10.0.10.3/24")  # with it VLANs are somebody's on this site
    with running(site([plain, other, *hosts], ["s1:p1 a:eth0", "s1:p2 b:eth0"])) as engine:
        assert engine.run("s1", "systemctl is-active networking").text == "active\n"
        assert hears(engine, "a", "10.0.0.2") == "64"
