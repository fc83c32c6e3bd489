"""dnsmasq as a DHCP relay: a server in one network, clients in another."""

from __future__ import annotations

import pytest

from labs.engines.sim import SimEngine
from labs.model.addresses import IPv4
from labs.model.site import Device, Site
from labs.net import dhcp
from labs.net.linux.units import enabled_path
from tests.sites import machine, site

HOUR = 3600 * 10**9
RANGE = "dhcp-range=10.{0}.0.100,10.{0}.0.150,255.255.255.0,1h\n"
SERVER = "port=0\nno-ping\ndhcp-authoritative\n" + RANGE.format(1) + RANGE.format(2)
RELAY = "port=0\ndhcp-relay=10.2.0.1,10.1.0.1\n"


def with_dnsmasq(device: Device, conf: str) -> Device:
    return device.with_file("/etc/dnsmasq.conf", conf).with_file(enabled_path("dnsmasq"), "")


def network(server_conf: str = SERVER, relay_conf: str = RELAY) -> Site:
    """s --- r --- p: the server, the router that relays, the client."""
    server = machine("s", {"wan": "10.1.0.1/24"}, gateway="10.1.0.2")
    relay = machine("r", {"rs": "10.1.0.2/24", "rp": "10.2.0.1/24"}, forward=True)
    client = machine("p", {"eth0": ""})
    return site(
        [with_dnsmasq(server, server_conf), with_dnsmasq(relay, relay_conf), client], ["s:wan r:rs", "r:rp p:eth0"]
    )


def started(server_conf: str = SERVER, relay_conf: str = RELAY) -> SimEngine:
    engine = SimEngine()
    engine.start(network(server_conf, relay_conf))
    return engine


def journal(engine: SimEngine, name: str) -> list[str]:
    return [line.text.rstrip() for line in engine.node(name).units.journal if line.identifier == "dnsmasq-dhcp"]


def addresses(engine: SimEngine) -> list[str]:
    return [str(address) for address in engine.node("p").interfaces["eth0"].addresses]


def test_client_behind_a_relay_gets_an_address_of_its_own_network() -> None:
    engine = started()
    output = engine.run("p", "dhclient -v -1 eth0")
    assert "DHCPACK of 10.2.0.1" in output.text
    assert output.text.count("from 10.2.0.1\n") == 2  # the relay speaks to the client
    assert addresses(engine)[0].startswith("10.2.0.1")
    assert "default via 10.2.0.1 dev eth0" in engine.run("p", "ip route").text
    assert "1 received" in engine.run("p", "ping -c 1 10.1.0.1").text


def test_relay_puts_its_address_into_the_message_and_counts_the_hop() -> None:
    engine = started()
    engine.run("r", "tcpdump -n -t -v -i rs -c 2 port 67 > /root/seen 2>&1 &")
    engine.run("p", "dhclient -1 eth0")
    seen = engine.node("r").files.get("/root/seen")
    assert "10.2.0.1.67 > 10.1.0.1.67: BOOTP/DHCP, Request" in seen
    assert "10.1.0.1.67 > 10.2.0.1.67: BOOTP/DHCP, Reply" in seen
    assert "hops 1" in seen
    assert "Gateway-IP 10.2.0.1" in seen


def test_hops_and_relay_address_survive_the_bytes() -> None:
    message = dhcp.DhcpMessage(dhcp.BOOTREQUEST, 7, machine("m", {"e": ""}).ports[0].mac, giaddr=IPv4(9), hops=3)
    assert dhcp.decode(dhcp.encode(message)) == message


def test_renewal_passes_the_router_as_an_ordinary_packet() -> None:
    """A client that has an address writes to the server itself; the relay has no part in it."""
    engine = started()
    engine.run("p", "dhclient -1 eth0")
    before = addresses(engine)
    engine.run("r", "systemctl stop dnsmasq")
    acknowledged = sum("DHCPACK(wan)" in line for line in journal(engine, "s"))
    engine.wait(HOUR)
    assert sum("DHCPACK(wan)" in line for line in journal(engine, "s")) > acknowledged
    assert addresses(engine) == before
    assert "default via 10.2.0.1 dev eth0" in engine.run("p", "ip route").text


def test_server_without_a_range_for_the_relay_says_so() -> None:
    engine = started("port=0\nno-ping\n" + RANGE.format(1))
    engine.run("p", "dhclient -1 eth0")
    assert addresses(engine) == []
    assert "no address range available for DHCP request via 10.2.0.1" in journal(engine, "s")


def test_without_a_way_back_the_answer_is_lost() -> None:
    """The server answers to the relay's address in the clients' network: it needs a route to it."""
    engine = started()
    engine.run("s", "ip route del default")
    engine.run("p", "dhclient -1 eth0")
    assert addresses(engine) == []


def test_answers_are_taken_from_the_named_interface_alone() -> None:
    assert addresses(_asked(started(relay_conf="port=0\ndhcp-relay=10.2.0.1,10.1.0.1,rs\n")))
    assert not addresses(_asked(started(relay_conf="port=0\ndhcp-relay=10.2.0.1,10.1.0.1,rp\n")))


def test_interface_that_is_not_served_is_not_relayed() -> None:
    assert not addresses(_asked(started(relay_conf=RELAY + "interface=rs\n")))


def test_relay_without_a_server_asks_everybody_on_an_interface() -> None:
    engine = _asked(started(relay_conf="port=0\ndhcp-relay=10.2.0.1,rs\n"))
    assert addresses(engine)[0].startswith("10.2.0.1")


def test_relay_whose_address_is_not_ours_does_nothing() -> None:
    assert not addresses(_asked(started(relay_conf="port=0\ndhcp-relay=10.2.0.9,10.1.0.1\n")))


def _asked(engine: SimEngine) -> SimEngine:
    engine.run("p", "dhclient -1 eth0")
    return engine


# dnsmasq --test of 2.90
@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("10.2.0.1", False),
        ("a,b", False),  # the real program passes over it in silence
        ("10.2.0.1,x", True),
        ("10.2.0.1,x,eth0", False),
        ("10.2.0.1,eth*", False),
        ("", False),
        ("10.2.0.1,10.1.0.1#70,eth0", True),
        ("10.2.0.1,10.1.0.1,a,b", True),
    ],
)
def test_bad_relay_line_is_refused(value: str, good: bool) -> None:
    engine = started()
    engine.run("r", f"echo 'dhcp-relay={value}' > /root/conf")
    output = engine.run("r", "dnsmasq --test -C /root/conf")
    wanted = "syntax check OK." if good else "Bad dhcp-relay at line 1 of /root/conf"
    assert wanted in output.text
