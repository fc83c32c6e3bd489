"""One packet of every class on a real Linux kernel: what the analysis lets through arrives there, and nothing else."""

from __future__ import annotations

import pytest

from grader.reach import Packet, Reach
from grader.reach.atoms import describe_protocol
from labs.engines.sim import SimEngine
from labs.model.addresses import IPv4
from tests.grader.reach.small_site import V4, small_site
from tests.kernel_lab import KernelLab, judged, lasting
from tests.traffic import Flow

pytestmark = [pytest.mark.kernel, judged()]

SETS = """table inet filter {
  set friends { type ipv4_addr; flags interval; elements = { 10.0.1.11, 10.0.3.0/24 } }
  chain web {
    tcp dport { 80, 443 } accept
    ip saddr . udp dport { 10.0.1.10 . 53, 10.0.3.0/24 . 100-200 } accept
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname { "lan", "wan" } oifname "dmz" jump web
    ip saddr @friends icmp type echo-request accept
    ip saddr @friends tcp dport != 22-1024 accept
    ip daddr 10.0.3.30 tcp dport < 10 accept
  }
}
"""
HIDDEN = """table ip nat {
  chain prerouting {
    type nat hook prerouting priority -100;
    iifname "lan" tcp dport 8080 dnat to 10.0.2.20:7
    ip daddr 10.0.2.1 udp dport 7 dnat to 10.0.3.30
  }
  chain postrouting { type nat hook postrouting priority 100; oifname "dmz" masquerade; }
}
table ip filter {
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    ct status dnat accept
    iifname "dmz" tcp dport { 7, 22 } accept
    iifname "lan" oifname "wan" meta l4proto { icmp, udp } th dport != 9 accept
  }
}
"""


@pytest.mark.parametrize("rules", [SETS, HIDDEN], ids=["sets", "translation"])
def test_packet_of_every_class_arrives_in_the_kernel_where_the_analysis_says(rules: str) -> None:
    made = small_site(rules)
    engine = SimEngine()
    engine.start(made)
    reach = Reach(engine.observe())
    cells = reach.analysis.services
    flows: dict[Flow, bool] = {}
    for source in V4.hosts:
        for address in [*V4.hosts.values(), "10.0.2.1"]:
            if address == V4.hosts[source]:
                continue
            for number in range(len(cells)):
                protocol, (_, port) = describe_protocol(cells.cells[number].protocol), cells.ports(number, (7,))
                packet = Packet(source, IPv4.parse(address), protocol, port)
                arrives = any(reach.arrives(packet, device) for device in "abcdr" if device != source)
                flows[Flow(source, address, protocol, port or 7)] = arrives

    def wrong(patience: int) -> dict[Flow, tuple[bool, str]]:
        with KernelLab(made, patience) as lab:
            told = lab.send(list(flows))
        return {flow: (claim, told[flow]) for flow, claim in flows.items() if claim != (told[flow] != "nothing")}

    assert lasting(wrong) == {}
    assert len(set(flows.values())) == 2
