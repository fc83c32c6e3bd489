"""dnsmasq and dhclient on a simulated site: leases, names, and what goes wrong with them."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from labs.engines.sim import SimEngine
from labs.model.addresses import IPv4
from labs.model.site import Device
from labs.net.leases import parse_leases
from labs.net.linux.units import enabled_path
from tests.sites import machine, site, switch

HOUR = 3600 * 10**9
CONF = "interface=lan\ndomain=home\nexpand-hosts\nno-resolv\nlocal=/home/\ndhcp-range=10.0.0.100,10.0.0.199,1h\n"
HOSTS = "127.0.0.1 localhost\n10.0.0.1 router\n10.0.0.20 cam\n"


def server(conf: str = CONF, name: str = "router", address: str = "10.0.0.1/24", rules: str = "") -> Device:
    """A machine that runs dnsmasq."""
    made = machine(name, {"lan": address}, rules=rules).with_file("/etc/dnsmasq.conf", conf)
    return made.with_file("/etc/hosts", HOSTS).with_file(enabled_path("dnsmasq"), "")


def client(name: str = "pc", rules: str = "") -> Device:
    """A machine that gets its address from somebody else."""
    return machine(name, {"eth0": ""}, rules=rules)


def shop(*devices: Device) -> SimEngine:
    """All devices on one switch, in operation."""
    ports = [f"{device.name}:{device.ports[0].name} sw:p{number}" for number, device in enumerate(devices, 1)]
    engine = SimEngine()
    engine.start(site([switch("sw", len(devices)), *devices], ports))
    return engine


def addresses(engine: SimEngine, name: str = "pc") -> list[str]:
    return [str(address) for address in engine.node(name).interfaces["eth0"].addresses]


def journal(engine: SimEngine, name: str = "router") -> str:
    return "".join(f"{line.identifier}: {line.text}\n" for line in engine.node(name).units.journal)


def leases(engine: SimEngine, name: str = "router") -> list[str]:
    return [str(lease.address) for lease in parse_leases(engine.node(name).files.get("/var/lib/misc/dnsmasq.leases"))]


def test_client_gets_address_route_and_name_server() -> None:
    engine = shop(server(), client())
    output = engine.run("pc", "dhclient -v eth0")
    assert output.status == 0
    assert re.search(
        r"DHCPDISCOVER on eth0 to 255\.255\.255\.255 port 67 interval \d\n"
        r"DHCPOFFER of (10\.0\.0\.1\d\d) from 10\.0\.0\.1\n"
        r"DHCPREQUEST for \1 on eth0 to 255\.255\.255\.255 port 67\n"
        r"DHCPACK of \1 from 10\.0\.0\.1\n"
        r"bound to \1 -- renewal in \d+ seconds\.\n$",
        output.text,
    )
    (address,) = addresses(engine)
    assert leases(engine) == [address.removesuffix("/24")]
    node = engine.node("pc")
    assert node.files.get("/etc/resolv.conf") == "domain home\nsearch home\nnameserver 10.0.0.1\n"
    assert [str(route.via) for route in node.routes() if route.prefix.length == 0] == ["10.0.0.1"]
    mac = engine.site.devices["pc"].ports[0].mac
    assert f"dnsmasq-dhcp: DHCPACK(lan) {address.removesuffix('/24')} {mac} pc\n" in journal(engine)
    assert engine.run("pc", "ping -c 1 cam").text.startswith("PING cam (10.0.0.20)")
    assert engine.run("router", "dig +short pc.home").text == address.removesuffix("/24") + "\n"


def test_lease_is_renewed_for_days_and_keeps_its_address() -> None:
    engine = shop(server(), client())
    engine.run("pc", "dhclient eth0")
    before = addresses(engine)
    engine.wait(30 * HOUR)
    assert addresses(engine) == before
    assert journal(engine).count("DHCPACK") > 30


def test_lease_runs_out_when_the_server_is_gone() -> None:
    engine = shop(server(), client())
    engine.run("pc", "dhclient eth0")
    engine.run("router", "systemctl stop dnsmasq")
    engine.wait(HOUR // 2)
    assert addresses(engine) != []
    engine.wait(HOUR)
    assert addresses(engine) == []
    engine.run("router", "systemctl start dnsmasq")
    engine.wait(HOUR // 6)
    assert len(addresses(engine)) == 1, "the client in the background asks again"


def test_client_without_server_gives_up_and_keeps_trying() -> None:
    engine = shop(machine("router", {"lan": "10.0.0.1/24"}), client())
    output = engine.run("pc", "dhclient -v eth0")
    assert output.text.endswith("No DHCPOFFERS received.\nNo working leases in persistent database - sleeping.\n")
    assert output.status == 0
    assert engine.run("pc", "dhclient -1 eth0").status == 2
    assert engine.run("pc", "dhclient eth9") == ('Cannot find device "eth9"\n', 1)


def test_released_address_is_free_again() -> None:
    engine = shop(server(), client())
    engine.run("pc", "dhclient eth0")
    assert engine.run("pc", "dhclient -r eth0") == ("Killed old client process\n", 0)
    engine.wait(10**9)
    assert (addresses(engine), leases(engine)) == ([], [])


def test_reserved_address_goes_to_its_owner_alone() -> None:
    pc = client()
    conf = CONF + f"dhcp-host={pc.ports[0].mac},10.0.0.50,till\n"
    engine = shop(server(conf), pc, client("tv"))
    for name in ("tv", "pc"):
        engine.run(name, "dhclient eth0")
    assert addresses(engine) == ["10.0.0.50/24"]
    assert addresses(engine, "tv") != ["10.0.0.50/24"]
    assert engine.run("tv", "ping -c 1 till").status == 0


def test_address_that_answers_a_ping_is_not_given() -> None:
    """The pool overlaps a machine with a fixed address: dnsmasq pings before it offers."""
    conf = CONF.replace("10.0.0.100,10.0.0.199", "10.0.0.100,10.0.0.101")
    engine = shop(server(conf), client(), machine("printer", {"eth0": "10.0.0.100/24"}))
    engine.run("pc", "dhclient eth0")
    assert addresses(engine) == ["10.0.0.101/24"]


def test_pool_that_is_used_up_says_so() -> None:
    conf = CONF.replace("10.0.0.100,10.0.0.199", "10.0.0.100,10.0.0.101")
    engine = shop(server(conf), *(client(name) for name in ("pc", "tv", "cam")))
    for name in ("pc", "tv", "cam"):
        engine.run(name, "dhclient -1 eth0")
    assert sorted(addresses(engine, "pc") + addresses(engine, "tv")) == ["10.0.0.100/24", "10.0.0.101/24"]
    assert addresses(engine, "cam") == []
    assert "no address available" in journal(engine)


def test_second_server_that_answers_sooner_wins() -> None:
    """The rogue: it does not ping first."""
    rogue = CONF.replace("10.0.0.100,10.0.0.199", "10.0.0.210,10.0.0.219") + "no-ping\n"
    engine = shop(server(), server(rogue, "rogue", "10.0.0.2/24"), client())
    engine.run("pc", "dhclient eth0")
    assert IPv4.parse(addresses(engine)[0].removesuffix("/24")) in range(0x0A0000D2, 0x0A0000DC)
    assert [str(route.via) for route in engine.node("pc").routes() if route.prefix.length == 0] == ["10.0.0.2"]


def test_firewall_of_the_client_does_not_stop_dhclient() -> None:
    """It listens with a packet socket, in front of netfilter."""
    rules = "table ip f { chain input { type filter hook input priority 0; policy drop; }; }\n"
    engine = shop(server(), client(rules=rules))
    assert engine.run("pc", "dhclient -1 eth0").status == 0


def test_firewall_of_the_server_stops_dnsmasq() -> None:
    rules = "table ip f { chain input { type filter hook input priority 0; udp dport 67 drop; }; }\n"
    engine = shop(server(rules=rules), client())
    assert engine.run("pc", "dhclient -1 eth0").status == 2
    rules = "table ip f { chain output { type filter hook output priority 0; udp sport 67 drop; }; }\n"
    engine = shop(server(rules=rules), client())
    assert engine.run("pc", "dhclient -1 eth0").status == 2
    assert "Error sending DHCP packet to 10.0.0." in journal(engine)


def test_options_reach_the_client() -> None:
    conf = CONF + "dhcp-option=option:router,10.0.0.254\ndhcp-option=6,9.9.9.9,10.0.0.1\n"
    engine = shop(server(conf), client())
    engine.run("pc", "dhclient eth0")
    assert engine.node("pc").files.get("/etc/resolv.conf").endswith("nameserver 9.9.9.9\nnameserver 10.0.0.1\n")
    assert [str(route.via) for route in engine.node("pc").routes() if route.prefix.length == 0] == ["10.0.0.254"]


def test_client_that_comes_from_another_network_gets_a_new_address() -> None:
    """Its remembered address is nothing this server knows: without dhcp-authoritative nobody answers the request."""
    engine = shop(server(CONF.replace("10.0.0.100,10.0.0.199", "10.0.0.100,10.0.0.109")), client())
    engine.run("pc", "dhclient eth0")
    engine.run("router", "rm /var/lib/misc/dnsmasq.leases; systemctl stop dnsmasq")
    engine.run(
        "router", "sed -i s/10.0.0.100,10.0.0.109/10.0.0.50,10.0.0.59/ /etc/dnsmasq.conf; systemctl start dnsmasq"
    )
    text = engine.run("pc", "dhclient -v eth0").text
    assert text.index("DHCPREQUEST") < text.index("DHCPDISCOVER") < text.index("DHCPACK")
    engine.run("router", "echo dhcp-authoritative >> /etc/dnsmasq.conf; rm /var/lib/misc/dnsmasq.leases")
    engine.run(
        "router", "sed -i s/10.0.0.50,10.0.0.59/10.0.0.60,10.0.0.69/ /etc/dnsmasq.conf; systemctl restart dnsmasq"
    )
    text = engine.run("pc", "dhclient -v eth0").text
    assert "DHCPNAK from 10.0.0.1" in text
    assert "address not available" in journal(engine)


def test_lease_survives_a_reboot_of_both() -> None:
    engine = shop(server(), client())
    engine.run("pc", "dhclient eth0")
    before = addresses(engine)
    for name in ("router", "pc"):
        engine.power(name, on=False)
        engine.power(name, on=True)
    engine.wait(10**10)
    assert leases(engine) == [before[0].removesuffix("/24")]
    output = engine.run("pc", "dhclient -v eth0")
    assert "DHCPDISCOVER" not in output.text
    assert addresses(engine) == before


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        (CONF + "dhcp-rnage=1\n", "dnsmasq: bad option at line 7 of /etc/dnsmasq.conf"),
        (CONF + "dhcp-range=1.2.3\n", "dnsmasq: bad dhcp-range at line 7 of /etc/dnsmasq.conf"),
    ],
)
def test_bad_line_keeps_the_service_from_starting(conf: str, message: str) -> None:
    engine = shop(server(conf), client())
    assert engine.run("router", "systemctl is-active dnsmasq").text == "failed\n"
    assert message in journal(engine)


def test_configuration_is_tested_at_a_prompt() -> None:
    engine = shop(server(CONF + "dhcp-rnage=1\n"), client())
    complaint = "\ndnsmasq: bad option at line 7 of /etc/dnsmasq.conf\n"
    assert engine.run("router", "dnsmasq --test") == (complaint, 1)
    engine.run("router", "sed -i /rnage/d /etc/dnsmasq.conf")
    assert engine.run("router", "dnsmasq --test") == ("dnsmasq: syntax check OK.\n", 0)


def test_port_in_use_keeps_the_service_from_starting() -> None:
    engine = shop(server(), client())
    engine.run("router", "systemctl stop dnsmasq; nc -l -p 53 >/dev/null &")
    engine.run("router", "systemctl start dnsmasq")
    assert "dnsmasq: failed to create listening socket for port 53: Address already in use" in journal(engine)


def forwarding(upstream_conf: str) -> SimEngine:
    up = server("no-resolv\nno-hosts\n" + upstream_conf, "up", "10.0.0.53/24")
    conf = CONF + "server=10.0.0.53\nlog-queries\n"
    return shop(
        server(conf), up, machine("pc", {"eth0": "10.0.0.5/24"}).with_file("/etc/resolv.conf", "nameserver 10.0.0.1\n")
    )


def test_query_is_forwarded_and_answered() -> None:
    engine = forwarding(
        "address=/pay.example/203.0.113.9\ncname=www.pay.example,host.example\nhost-record=host.example,203.0.113.7\n"
    )
    assert engine.run("pc", "dig +short pay.example").text == "203.0.113.9\n"
    assert engine.run("pc", "dig +short www.pay.example").text == "host.example.\n203.0.113.7\n"
    assert "forwarded pay.example to 10.0.0.53" in journal(engine)
    assert "dnsmasq: reply pay.example is 203.0.113.9\n" in journal(engine)
    assert "status: REFUSED" in engine.run("pc", "dig other.example").text


def test_dead_upstream_is_a_temporary_failure_after_ten_seconds() -> None:
    engine = forwarding("")
    engine.power("up", on=False)
    before = engine.now
    assert engine.run("pc", "ping -c 1 pay.example") == (
        "ping: pay.example: Temporary failure in name resolution\n",
        2,
    )
    assert 9 <= (engine.now - before) // 10**9 <= 11


def test_unknown_name_of_the_own_domain_is_unknown() -> None:
    engine = forwarding("")
    assert engine.run("pc", "ping -c 1 nono.home") == ("ping: nono.home: Name or service not known\n", 2)


def test_interface_that_is_not_served_gets_no_answer() -> None:
    engine = shop(server(CONF.replace("interface=lan", "interface=other")), client())
    assert engine.run("pc", "dhclient -1 eth0").status == 2
    assert "warning: interface other does not currently exist" in journal(engine)


def test_same_site_gives_the_same_leases_twice() -> None:
    def run() -> tuple[list[str], str]:
        engine = shop(server(), *(client(name) for name in ("pc", "tv", "cam")))
        for name in ("pc", "tv", "cam"):
            engine.run(name, "dhclient eth0")
        engine.wait(2 * HOUR)
        return leases(engine), journal(engine)

    assert run() == run()


def test_inetd_and_heartbeat_meet() -> None:
    """A heartbeat logs when the far end comes and goes."""
    box = machine("box", {"eth0": "10.0.0.9/24"})
    box = box.with_file(
        "/etc/inetd.conf", "9100 stream tcp nowait root /bin/cat cat\n7 dgram udp wait root /bin/cat cat\n"
    )
    box = box.with_file(enabled_path("inetd"), "")
    pc = machine("pc", {"eth0": "10.0.0.5/24"}).with_file(
        "/etc/heartbeat.conf", "target=10.0.0.9\nport=9100\ninterval=5\n"
    )
    engine = shop(box, pc.with_file(enabled_path("heartbeat"), ""))
    engine.wait(10**10)
    assert engine.run("pc", "echo hello | nc -N 10.0.0.9 9100").text == "hello\n"
    assert engine.run("pc", "echo hello | nc -u -w 1 10.0.0.9 7").text == "hello\n"
    engine.run("box", "systemctl stop inetd")
    engine.wait(10**10)
    engine.run("box", "systemctl start inetd")
    engine.wait(10**10)
    lines = [line.text for line in engine.node("pc").units.journal if line.unit == "heartbeat"]
    said = [line.removeprefix("10.0.0.9:9100 ") for line in lines if line.startswith("10")]
    changes = [line for before, line in pairwise(["", *said]) if line != before]
    assert changes == ["ok", "failed: Connection refused", "ok"]
