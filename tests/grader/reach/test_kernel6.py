"""One packet of every class over IPv6 on a real Linux kernel: what the analysis says is answered is answered there."""

from __future__ import annotations

import pytest

from grader.reach import Packet, Reach
from grader.reach.atoms import describe_protocol
from labs.model.addresses import IPv6
from labs.model.site import Site
from labs.net.actions import Delivered
from tests.grader.reach.rulesets import own_rules
from tests.grader.reach.small_site import NAMES, V6, engine_of, small_site6
from tests.kernel_lab import KernelLab, judged, lasting
from tests.traffic import Flow

pytestmark = [pytest.mark.kernel, judged()]

SETS = """table inet filter {
  set friends { type ipv6_addr; flags interval; elements = { 2001:db8:1::11, 2001:db8:3::/64 } }
  chain web {
    tcp dport { 80, 443 } accept
    ip6 saddr . udp dport { 2001:db8:1::10 . 53, 2001:db8:3::/64 . 100-200 } accept
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    meta nfproto ipv4 accept
    iifname { "lan", "wan" } oifname "dmz" jump web
    ip6 saddr @friends icmpv6 type echo-request accept
    ip6 saddr @friends tcp dport != 22-1024 accept
    ip saddr 10.0.0.0/8 accept
    ip6 daddr 2001:db8:3::30 ip6 nexthdr tcp tcp dport < 10 accept
  }
}
"""
HIDDEN = """table ip6 nat {
  chain prerouting {
    type nat hook prerouting priority -100;
    iifname "lan" tcp dport 8080 dnat to [2001:db8:2::20]:7
    ip6 daddr 2001:db8:2::1 udp dport 7 dnat to 2001:db8:3::30
  }
  chain postrouting { type nat hook postrouting priority 100; oifname "dmz" masquerade; }
}
table ip6 filter {
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    ct status dnat accept
    iifname "dmz" tcp dport { 7, 22 } accept
    iifname "lan" oifname "wan" meta l4proto { ipv6-icmp, udp } th dport != 9 accept
  }
}
"""
NEIGHBOURS = {
    "none heard": "policy drop; ct state established,related accept",
    "solicitations alone": "policy drop; icmpv6 type nd-neighbor-solicit accept",
    "both heard": "policy drop; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
    "untracked": "policy drop; ct state established,untracked accept",
}


def calm(made: Site) -> Site:
    """Addresses are used at once, and nobody counts errors."""
    for device in made.devices.values():
        lines = ["net.ipv6.icmp.ratelimit = 0"]
        lines += [f"net.ipv6.conf.{name}.accept_dad = 0" for name in ("all", *(port.name for port in device.ports))]
        text = device.files["/etc/sysctl.conf"] + "\n".join(lines) + "\n"
        made = made.with_device(device.with_file("/etc/sysctl.conf", text))
    return made


def wrong(made: Site, flows: dict[Flow, bool]) -> dict[Flow, tuple[bool, str]]:
    def look(patience: int) -> dict[Flow, tuple[bool, str]]:
        with KernelLab(made, patience) as lab:
            told = lab.send(list(flows))
        return {flow: (claim, told[flow]) for flow, claim in flows.items() if claim != heard(told[flow])}

    return lasting(look)


def heard(told: str) -> bool:
    """Something came back from the target itself: an error of a router, or of oneself, is none."""
    return told != "nothing" and not told.startswith(("error 1/0", "error 1/1", "error 1/3", "No route", "Network"))


@pytest.mark.parametrize("rules", [SETS, HIDDEN], ids=["sets", "translation"])
def test_packet_of_every_class_arrives_in_the_kernel_where_the_analysis_says(rules: str) -> None:
    made = calm(small_site6(rules))
    reach = Reach(engine_of(made).observe())
    assert reach.six is not None
    cells = reach.six.analysis.services
    flows: dict[Flow, bool] = {}
    for source, own in V6.hosts.items():
        for address in [*V6.hosts.values(), "2001:db8:2::1"]:
            if address == own:
                continue
            for number in range(len(cells)):
                protocol, (_, port) = describe_protocol(cells.cells[number].protocol), cells.ports(number, (7,))
                packet = Packet(source, IPv6.parse(address), protocol, port)
                arrives = any(reach.arrives(packet, device) for device in NAMES)
                flows[Flow(source, address, protocol, port or 7)] = arrives
    assert wrong(made, flows) == {}
    assert len(set(flows.values())) == 2


@pytest.mark.parametrize("which", NEIGHBOURS)
def test_firewall_that_hears_its_neighbours_or_not_is_found_by_the_kernel_as_by_the_analysis(which: str) -> None:
    made = calm(small_site6("", own_rules({"c": NEIGHBOURS[which]})))
    reach = Reach(engine_of(made).observe())
    assert reach.six is not None
    flows: dict[Flow, bool] = {}
    for source in ("a", "b", "d"):
        talk = reach.six.tracer.converse(Packet(source, IPv6.parse(V6.hosts["c"]), "tcp", 22))
        back = any(name == source and isinstance(note, Delivered) for name, note in talk.notes)
        flows[Flow(source, V6.hosts["c"], "tcp", 22)] = back
    assert wrong(made, flows) == {}
    assert set(flows.values()) == {which in ("both heard", "untracked")}


@pytest.mark.parametrize(("setting", "passes"), [("lan.forwarding = 0", True), ("all.forwarding = 0", False)])
def test_setting_of_all_interfaces_alone_decides_whether_the_kernel_forwards(setting: str, passes: bool) -> None:
    made = calm(small_site6(""))
    router = made.devices["r"]
    lines = [f"net.ipv6.conf.{setting}", "net.ipv6.conf.dmz.forwarding = 1", ""]
    made = made.with_device(router.with_file("/etc/sysctl.conf", router.files["/etc/sysctl.conf"] + "\n".join(lines)))
    reach = Reach(engine_of(made).observe())
    flows = {Flow("a", V6.hosts["c"]): reach.can("a", "c", "ipv6/ping").holds}
    assert flows[Flow("a", V6.hosts["c"])] == passes
    assert wrong(made, flows) == {}
