"""A site comes to rest: who still asks for a lease gets the time in which a server that can answers."""

from __future__ import annotations

from tests.engines.kernel.kernel_site import device, needs_kernel, running, site

pytestmark = needs_kernel

MINUTE = 60_000_000_000
SERVER = "port=0\ndhcp-range=10.0.0.50,10.0.0.60,1h\n"


def test_server_comes_back_while_a_client_sleeps_the_site_rests_when_it_has_its_lease():
    server = device("server", "server", {"eth0": "10.0.0.1/24"}, {"/etc/dnsmasq.conf": SERVER})
    client = device("client", "host", {"eth0": ""})
    with running(site([server, client], ["server:eth0 client:eth0"])) as engine:
        engine.run("client", "ip link set eth0 up; dhclient -nw eth0")
        assert "10.0.0." not in engine.run("client", "ip -br address show eth0").text
        engine.run("server", "systemctl start dnsmasq")
        engine.settle(MINUTE)
        assert "10.0.0." in engine.run("client", "ip -br address show eth0").text
        assert "default via 10.0.0.1" in engine.run("client", "ip route").text
