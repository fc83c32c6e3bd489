"""Multicast listener reports, in the order in which Linux 6.18 sent them between two namespaces."""

from __future__ import annotations

from labs.engines.sim import SimEngine
from labs.net.wire import decode, encode
from labs.testing import device
from tests.sites import machine, site

SECOND = 1_000_000_000
REPORT = "ff02::16: HBH ICMP6, multicast listener report v2, 1 group record(s), length 28"
OWN = "fe80::81:45ff:fea3:ba4a"


def test_host_reports_what_it_joins_and_leaves_twice_each() -> None:
    engine = SimEngine()
    hosts = [machine("a", {"eth0": "10.0.0.1/24"}), machine("b", {"eth0": "10.0.0.2/24"})]
    engine.start(site(hosts, ["a:eth0 b:eth0"]))
    engine.run("b", "timeout 12 tcpdump -nti eth0 ip6 > /tmp/seen 2> /dev/null &")
    engine.run("b", "timeout 12 tcpdump -nvi eth0 ip6 > /tmp/verbose 2> /dev/null &")
    engine.run("a", "sysctl -w net.ipv6.conf.all.disable_ipv6=0")
    engine.wait(5 * SECOND)
    engine.run("a", "ip -6 addr add 2001:db8::5/64 dev eth0")
    engine.wait(3 * SECOND)
    engine.run("a", "ip -6 addr del 2001:db8::5/64 dev eth0")
    engine.wait(6 * SECOND)
    lines = [line.removeprefix("IP6 ") for line in engine.run("b", "cat /tmp/seen").text.splitlines()]
    reports = [line for line in lines if "listener" in line]
    question = f"ff02::1:ffa3:ba4a: ICMP6, neighbor solicitation, who has {OWN}, length 32"
    assert lines[:3] == [f":: > {REPORT}", f":: > {question}", f":: > {REPORT}"]
    assert reports[2:] == [f"{OWN} > {REPORT}"] * 6
    verbose = engine.run("b", "cat /tmp/verbose").text
    assert "(hlim 1, next-header Options (0) payload length: 36) :: > ff02::16: HBH (rtalert: 0x0000) (padn)" in verbose
    assert verbose.count("[gaddr ff02::1:ff00:5 to_ex, 0 source(s)]") == 2
    assert verbose.count("[gaddr ff02::1:ff00:5 to_in, 0 source(s)]") == 2


def test_report_keeps_its_form_on_the_wire() -> None:
    """As bytes it has the hop-by-hop header with the router alert before it (RFC 2711), and comes back the same."""
    from labs.model.addresses import IPv6, Mac
    from labs.net.ethernet import ETHERTYPE_IPV6, Frame
    from labs.net.icmpv6 import LISTENER_REPORT2, Icmpv6Message
    from labs.net.ipv6 import PROTO_ICMPV6, Ipv6Packet
    from labs.net.ndp import EXCLUDE, ListenerReport

    group = IPv6.parse("ff02::1:ff00:5")
    message = Icmpv6Message(LISTENER_REPORT2, discovery=ListenerReport(((EXCLUDE, group),)))
    packet = Ipv6Packet(IPv6(0), IPv6.parse("ff02::16"), PROTO_ICMPV6, message, 1)
    frame = Frame(Mac(0x333300000016), Mac(2), ETHERTYPE_IPV6, packet)
    data = encode(frame)
    assert data[14 + 40 : 14 + 48].hex() == "3a00050200000100"
    assert (len(data), decode(data)) == (frame.length, frame)


def test_device_without_ipv6_reports_nothing() -> None:
    node = device("a")
    assert node.ipv6.groups(node.interfaces["eth0"]) == []
