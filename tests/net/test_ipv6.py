"""IPv6 between devices: addresses, neighbours, routers, errors, sockets. No engine, no commands under test."""

from __future__ import annotations

from labs.model.addresses import IPv4, Mac
from labs.net.ipv6 import interface_identifier, multicast_mac, solicited_node
from labs.net.neighbour import NeighbourState
from labs.net.nftables.apply import load
from labs.net.tcp import TcpState
from labs.testing import connect, pass_time, run
from tests.net.site6 import SECOND, addresses, advertise, box, give, ip6, pinged, routes, three, up


def test_identifier_of_a_mac_is_modified_eui_64():
    """RFC 4291 appendix A: 34-56-78-9A-BC-DE becomes 3656:78ff:fe9a:bcde."""
    assert f"{interface_identifier(Mac.parse('34:56:78:9a:bc:de')):x}" == "365678fffe9abcde"


def test_groups_of_an_address_are_those_of_the_rfcs():
    """RFC 4291 §2.7.1 and RFC 2464 §7, with their own examples."""
    assert str(solicited_node(ip6("4037::1:800:200e:8c6c"))) == "ff02::1:ff0e:8c6c"
    assert str(multicast_mac(ip6("ff02::1:ff0e:8c6c"))) == "33:33:ff:0e:8c:6c"


def test_ipv6_off_brings_no_address_and_sends_nothing():
    """A device of a site without IPv6 is as silent as one booted with ipv6.disable_ipv6=1."""
    from labs.testing import device

    node = device("plain")
    run(node, "ip link set eth0 up")
    pass_time(node, 5 * SECOND)
    assert addresses(node) == []
    assert node.interfaces["eth0"].tx.packets == 0


def test_switching_it_off_on_the_running_machine_takes_addresses_and_routes():
    """`sysctl net.ipv6.conf.eth0.disable_ipv6=1` empties the interface; 0 brings the link-local address back."""
    laptop, _, _ = three()
    run(laptop, "sysctl -w net.ipv6.conf.eth0.disable_ipv6=1")
    assert addresses(laptop) == []
    assert routes(laptop) == []
    run(laptop, "sysctl -w net.ipv6.conf.eth0.disable_ipv6=0")
    assert addresses(laptop) == ["fe80::4e:ff:fe00:9000/64"]


def test_link_up_gives_a_link_local_address_that_is_tentative_at_first():
    """Nobody may use it before a second of silence."""
    a, b = box("a"), box("b")
    connect(a, "eth0", b, "eth0")
    for node in (a, b):
        run(node, "ip link set eth0 up")
    assert a.interfaces["eth0"].inet6[0].tentative
    pass_time(a, 2 * SECOND)
    assert not a.interfaces["eth0"].inet6[0].tentative


def test_address_that_somebody_has_fails_and_is_not_used():
    """Duplicate address detection: the one who came second marks it and leaves it alone."""
    a, b = box("a"), box("b")
    connect(a, "eth0", b, "eth0")
    up(a, b)
    give(a, "eth0", "2001:db8::1/64")
    pass_time(a, 2 * SECOND)
    give(b, "eth0", "2001:db8::1/64")
    give(b, "eth0", "2001:db8::2/64")
    pass_time(a, 2 * SECOND)
    failed = {str(known): known.failed for known in b.interfaces["eth0"].inet6}
    assert failed["2001:db8::1/64"]
    assert not failed["2001:db8::2/64"]
    assert not b.ipv6.is_local(ip6("2001:db8::1"))
    assert "IPv6 duplicate address 2001:db8::1" in run(b, "journalctl -k").text


def test_advertisement_brings_address_prefix_route_and_default_router():
    """SLAAC, as `ip -6 route` shows it."""
    laptop, _, _ = three()
    assert addresses(laptop) == ["2001:db8:1:0:4e:ff:fe00:9000/64", "fe80::4e:ff:fe00:9000/64"]
    assert routes(laptop) == [
        "2001:db8:1::/64  eth0 kernel medium",
        "fe80::/64  eth0 kernel medium",
        "::/0 fe80::4e:ff:fe00:a100 eth0 ra medium",
    ]


def test_router_itself_takes_no_default_route():
    """forwarding=1 with accept_ra=1 does not listen; accept_ra=2 does."""
    a, b = box("a", forwarding=1), box("b", forwarding=1)
    connect(a, "eth0", b, "eth0")
    up(a, b)
    advertise(b, "eth0", "2001:db8:1::/64")
    assert not any(" ra " in line for line in routes(a))
    run(a, "sysctl -w net.ipv6.conf.eth0.accept_ra=2")
    advertise(b, "eth0", "2001:db8:1::/64")
    assert any(" ra " in line for line in routes(a))


def test_two_routers_the_preferred_one_is_taken_and_the_other_when_it_dies():
    """RFC 4191: high before medium; RFC 4861 §6.3.6: who does not answer is passed over."""
    laptop, router, _ = three()
    rogue = ip6("fe80::bad")
    interface = laptop.interfaces["eth0"]
    from labs.net.ndp import RouterAdvert

    laptop.ipv6.autoconf.heard_advert(rogue, RouterAdvert(preference="high", link=Mac(0x020000000099)), interface)
    route = laptop.ipv6.routes.lookup(ip6("2001:db8:9::1"))
    assert route is not None
    assert route.via == rogue
    pinged(laptop, "2001:db8:2::1")  # nobody is at that MAC address: DELAY, PROBE, FAILED
    pass_time(laptop, 12 * SECOND)
    pinged(laptop, "2001:db8:2::1")
    route = laptop.ipv6.routes.lookup(ip6("2001:db8:9::1"))
    assert route is not None
    assert route.via == router.interfaces["lan"].inet6[-1].address


def test_router_that_says_goodbye_is_forgotten():
    """An advertisement with lifetime 0 takes the default route away and leaves the address."""
    laptop, router, _ = three()
    advertise(router, "lan", "2001:db8:1::/64", lifetime_s=0)
    assert not any(line.startswith("::/0") for line in routes(laptop))
    assert addresses(laptop)[0].startswith("2001:db8:1:")


def test_lifetimes_run_out():
    """A prefix is deprecated first and gone later, as its lifetimes say; the route to the router too."""
    from labs.net.ndp import Prefix, RouterAdvert

    laptop, _, _ = three()
    interface = laptop.interfaces["eth0"]
    from labs.model.addresses import Network

    short = Prefix(Network.parse("2001:db8:5::/64"), valid_s=100, preferred_s=50)
    laptop.ipv6.autoconf.heard_advert(ip6("fe80::7"), RouterAdvert(prefixes=(short,), lifetime_s=60), interface)
    run(laptop, "true")
    pass_time(laptop, 55 * SECOND)
    known = next(own for own in interface.inet6 if str(own).startswith("2001:db8:5:"))
    assert known.deprecated(laptop.now)
    pass_time(laptop, 50 * SECOND)
    assert known not in interface.inet6
    assert not any("fe80::7" in line for line in routes(laptop))


def test_ping_through_a_router_and_every_error_on_the_way():
    """Echo, hop limit, no route, nobody there: each error from the address that Linux takes."""
    laptop, _, server = three()
    far = str(server.interfaces["eth0"].inet6[0].address)
    assert pinged(laptop, far) == [("reply", far)]
    assert pinged(laptop, far, ttl=1) == [("error", "2001:db8:1::1", "3", "0")]
    assert pinged(laptop, "2001:db8:9::1") == [("error", "2001:db8:1::1", "1", "0")]
    assert pinged(laptop, "2001:db8:2::99") == [("error", "2001:db8:1::1", "1", "3")]
    own = str(laptop.interfaces["eth0"].inet6[0].address)
    assert pinged(laptop, "2001:db8:1::99") == [("error", own, "1", "3")]


def test_sender_with_a_link_local_address_alone_is_told_what_a_router_does_not_carry():
    """ip6_forward, icmp6_iif: an error to such an address goes back over the link that the packet came from."""
    laptop, router, server = three()
    link_local = str(next(own.address for own in router.interfaces["lan"].inet6 if own.address.is_link_local))
    for known in list(laptop.interfaces["eth0"].inet6):
        if not known.address.is_link_local:
            run(laptop, f"ip -6 addr del {known} dev eth0")
    run(laptop, f"ip -6 route replace default via {link_local} dev eth0")
    far = str(server.interfaces["eth0"].inet6[0].address)
    assert pinged(laptop, far) == [("error", link_local, "1", "2")]
    assert pinged(laptop, far, ttl=1) == [("error", link_local, "3", "0")]
    assert pinged(laptop, "2001:db8:9::1") == [("error", link_local, "1", "0")]


def test_device_that_ignores_echo_requests_says_nothing():
    laptop, _, server = three()
    run(server, "sysctl -w net.ipv6.icmp.echo_ignore_all=1")
    assert pinged(laptop, str(server.interfaces["eth0"].inet6[0].address)) == []


def test_interface_is_no_router_the_machine_forwards_all_the_same():
    """`forwarding` of an interface says whether it believes advertisements; packets ask `all` (ip6_forward)."""
    laptop, router, server = three()
    far = str(server.interfaces["eth0"].inet6[0].address)
    run(router, "sysctl -w net.ipv6.conf.lan.forwarding=0")
    assert pinged(laptop, far) == [("reply", far)]
    run(router, "sysctl -w net.ipv6.conf.all.forwarding=0")
    assert pinged(laptop, far) == []


def test_narrow_link_tells_the_sender_who_then_sends_smaller_pieces():
    """Packet too big (RFC 8201): the first packet dies, the next arrive in fragments."""
    laptop, router, server = three()
    router.interfaces["wan"].mtu = server.interfaces["eth0"].mtu = 1280
    far = str(server.interfaces["eth0"].inet6[0].address)
    assert pinged(laptop, far, size=1400) == [("error", "2001:db8:1::1", "2", "0")]
    assert pinged(laptop, far, size=1400) == [("reply", far)]


def test_neighbour_states_follow_linux():
    """Reachable after an answer, stale after half a minute, probed when used, failed when silent."""
    laptop, router, _ = three()
    assert pinged(laptop, "2001:db8:1::1") == [("reply", "2001:db8:1::1")]
    table, interface = laptop.link.neighbours, laptop.interfaces["eth0"]
    entry = table.get(interface, ip6("2001:db8:1::1"))
    assert entry is not None
    assert entry.state is NeighbourState.REACHABLE
    pass_time(laptop, 40 * SECOND)
    table.entries(laptop.now)
    assert entry.state is NeighbourState.STALE
    run(router, "ip link set lan down")
    run(router, "ip link set lan up")
    router.ipv6.autoconf.remove(router.interfaces["lan"], router.interfaces["lan"].inet6[0])
    socket = laptop.transport.echo_open()
    laptop.transport.echo_send(socket, ip6("2001:db8:1::1"), 1)
    run(laptop, "true")


def test_tcp_over_ipv6_and_the_dual_stack_socket():
    """A listener on :: takes both families; data larger than a segment arrives whole."""
    laptop, _, server = three()
    far = server.interfaces["eth0"].inet6[0].address
    listener = server.tcp_listen(80, ip6("::"))
    connection = laptop.tcp_connect(far, 80)
    run(laptop, "true")
    pass_time(laptop, SECOND)
    assert connection.state is TcpState.ESTABLISHED
    taken = listener.backlog.popleft()
    connection.send(b"x" * 10_000, laptop.now)
    run(laptop, "true")
    pass_time(laptop, SECOND)
    assert len(taken.receive()) == 10_000
    local = server.tcp_connect(IPv4.parse("127.0.0.1"), 80)
    run(server, "true")
    pass_time(server, SECOND)
    assert local.state is TcpState.ESTABLISHED


def test_closed_ports_refuse():
    """TCP resets, UDP answers with ICMPv6 port unreachable."""
    laptop, _, server = three()
    far = server.interfaces["eth0"].inet6[0].address
    connection = laptop.tcp_connect(far, 81)
    socket = laptop.transport.udp_open()
    laptop.transport.udp_send(socket, far, 9, b"x")
    run(laptop, "true")
    pass_time(laptop, SECOND)
    assert connection.error == "Connection refused"
    assert [(error.type, error.code) for error in socket.errors] == [(1, 4)]


def test_inet_policy_drop_kills_neighbour_discovery_until_icmpv6_is_let_in():
    """The classic: a filter copied from IPv4 forgets icmpv6, and after the cache ran out nobody finds anybody."""
    laptop, _, server = three()
    far = str(server.interfaces["eth0"].inet6[0].address)
    server.netfilter.replace(
        load(
            "table inet f {\nchain input {\ntype filter hook input priority 0; policy drop;\n"
            "ct state established accept\n}\n}\n"
        )
    )
    run(laptop, "true")
    pass_time(laptop, 120 * SECOND)
    assert pinged(laptop, far) != [("reply", far)]
    server.netfilter.replace(
        load(
            "table inet f {\nchain input {\ntype filter hook input priority 0; policy drop;\n"
            "icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert } accept\n}\n}\n"
        )
    )
    assert pinged(laptop, far) == [("reply", far)]


def test_ip6_rules_judge_by_address_and_reject_with_icmpv6():
    """ip6 saddr in a forward chain; the error comes from the router with the code that the rule says."""
    laptop, router, server = three()
    far = str(server.interfaces["eth0"].inet6[0].address)
    router.netfilter.replace(
        load(
            "table ip6 f {\nchain through {\ntype filter hook forward priority 0; policy accept;\n"
            "ip6 saddr 2001:db8:1::/64 icmpv6 type echo-request reject with icmpv6 type admin-prohibited\n}\n}\n"
        )
    )
    assert pinged(laptop, far) == [("error", "2001:db8:1::1", "1", "1")]
    assert router.netfilter.state is not None


def test_ip_rules_do_not_meet_ipv6():
    """A table of family ip that drops everything lets IPv6 through."""
    laptop, router, server = three()
    far = str(server.interfaces["eth0"].inet6[0].address)
    router.netfilter.replace(
        load("table ip f {\nchain through {\ntype filter hook forward priority 0; policy drop;\n}\n}\n")
    )
    assert pinged(laptop, far) == [("reply", far)]


def test_stateful_filter_lets_answers_back():
    """Connection tracking of IPv6: new only from inside, established both ways."""
    laptop, router, server = three()
    far = str(server.interfaces["eth0"].inet6[0].address)
    near = str(laptop.interfaces["eth0"].inet6[0].address)
    router.netfilter.replace(
        load(
            "table inet f {\nchain through {\ntype filter hook forward priority 0; policy drop;\n"
            'ct state established,related accept\niifname "lan" accept\n}\n}\n'
        )
    )
    assert pinged(laptop, far) == [("reply", far)]
    assert pinged(server, near) == []
    assert len(router.netfilter.conntrack) == 1


def test_setting_of_all_interfaces_alone_decides_whether_a_router_forwards():
    """ip6_forward asks net.ipv6.conf.all.forwarding; that of an interface is about advertisements."""
    laptop, router, server = three()
    far = str(server.interfaces["eth0"].inet6[0].address)
    port = next(name for name in router.interfaces if name != "lo")
    run(router, f"sysctl -w net.ipv6.conf.{port}.forwarding=0")
    assert pinged(laptop, far) == [("reply", far)]
    run(router, f"sysctl -w net.ipv6.conf.all.forwarding=0 net.ipv6.conf.{port}.forwarding=1")
    assert pinged(laptop, far) != [("reply", far)]


def test_packet_that_comes_back_translated_to_its_sender_is_taken():
    """IPv6 knows no martian sources: a device hears what it said itself."""
    laptop, router, _ = three()
    own = str(laptop.interfaces["eth0"].inet6[0].address)
    router.netfilter.replace(
        load(
            "table ip6 n {\nchain p {\ntype nat hook prerouting priority -100;\n"
            f"ip6 daddr 2001:db8:77::1 dnat to {own}\n}}\n}}\n"
        )
    )
    taken = laptop.interfaces["eth0"].rx.packets
    assert pinged(laptop, "2001:db8:77::1") == [("reply", own)]  # it answers itself, over lo
    assert laptop.interfaces["eth0"].rx.packets > taken


def test_neighbour_without_a_route_to_the_link_answers_directly():
    """An advertisement goes by no router, whatever the routes say (icmp6_dst_alloc)."""
    laptop, router, _ = three()
    own = laptop.interfaces["eth0"].inet6[0]
    run(laptop, f"ip -6 route del {own.network} dev eth0")
    assert pinged(router, str(own.address)) == [("reply", str(own.address))]
