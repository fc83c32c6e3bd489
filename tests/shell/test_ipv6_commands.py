"""What the commands print about IPv6, word for word as the real tools of Debian 12 in network namespaces."""

from __future__ import annotations

import pytest

from labs.net.linux.node import LinuxNode
from labs.shell.init import boot
from labs.shell.services import UNITS
from labs.testing import connect, device, pass_time, run
from tests.net.site6 import ON, SECOND, three

RADVD = """interface lan
{
    AdvSendAdvert on;
    MaxRtrAdvInterval 10;
    prefix 2001:db8:1::/64
    {
        AdvOnLink on;
        AdvAutonomous on;
    };
    RDNSS 2001:db8:1::1 { };
};
"""
LOOPBACK = "auto lo\niface lo inet loopback\n\n"
LAPTOP = {
    **ON,
    "/etc/network/interfaces": LOOPBACK + "auto eth0\niface eth0 inet6 auto\n",
    "/etc/systemd/system/multi-user.target.wants/networking.service": "",
    "/etc/hosts": "127.0.0.1 localhost\n2001:db8:1::1 gw\n10.9.9.9 both\n2001:db8:1::1 both\n",
}
ROUTER = {
    "/etc/sysctl.d/60-ipv6.conf": ON["/etc/sysctl.d/60-ipv6.conf"] + "net.ipv6.conf.all.forwarding = 1\n",
    "/etc/network/interfaces": LOOPBACK
    + "auto lan\niface lan inet6 static\n    address 2001:db8:1::1/64\n\n"
    + "auto wan\niface wan inet6 static\n    address 2001:db8:2::1/64\n",
    "/etc/radvd.conf": RADVD,
    "/etc/systemd/system/multi-user.target.wants/networking.service": "",
    "/etc/systemd/system/multi-user.target.wants/radvd.service": "",
}


@pytest.fixture(scope="module")
def laptop() -> LinuxNode:
    """A laptop behind a router that runs radvd."""
    node = device("laptop", files=LAPTOP, units=UNITS, boot=boot)
    router = device("router", files=ROUTER, ports=("lan", "wan"), units=UNITS, boot=boot)
    connect(node, "eth0", router, "lan")
    pass_time(node, 20 * SECOND)
    return node


def told(node: LinuxNode, line: str) -> list[str]:
    return [row.rstrip() for row in run(node, line).text.splitlines()]


def test_addresses_are_shown_as_iproute2_does(laptop: LinuxNode) -> None:
    """Lines of `ip -6 addr` from a namespace with radvd, the seconds left aside."""
    text = run(laptop, "ip -6 addr show dev eth0").text
    assert [line.rstrip() for line in text.splitlines() if "valid_lft" not in line] == [
        "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000",
        "    inet6 2001:db8:1:0:4e:ff:fe00:9000/64 scope global dynamic mngtmpaddr",
        "    inet6 fe80::4e:ff:fe00:9000/64 scope link",
    ]
    assert "valid_lft forever preferred_lft forever" in text


def test_routes_name_the_advertised_router(laptop: LinuxNode) -> None:
    """`ip -6 route`: connected, link-local, default with its lifetime."""
    lines = told(laptop, "ip -6 route")
    assert lines[1] == "fe80::/64 dev eth0 proto kernel metric 256 pref medium"
    assert lines[0].startswith("2001:db8:1::/64 dev eth0 proto kernel metric 256 expires 863")
    assert lines[2].startswith("default via fe80::4e:ff:fe00:a100 dev eth0 proto ra metric 1024 expires ")
    assert lines[2].endswith("sec hoplimit 64 pref medium")


@pytest.mark.parametrize(
    ("line", "answer", "status"),
    [
        (
            "ip -6 addr add 2001:db8::1/129 dev eth0",
            'Error: inet6 prefix is expected rather than "2001:db8::1/129".',
            1,
        ),
        ("ip -6 addr add 2001:db8::g dev eth0", 'Error: inet6 prefix is expected rather than "2001:db8::g".', 1),
        ("ip addr del 2001:db8:7::2/64 dev eth0", "Error: ipv6: address not found.", 2),
        ("ip -6 route add 2001:db8:7::/48 via 2001:db8:77::1", "RTNETLINK answers: No route to host", 2),
        ("ip -6 route add default via fe80::4eff:fe00:2", "Error: Egress device not specified.", 2),
        ("ip -6 route del 2001:db8:99::/48", "RTNETLINK answers: No such process", 2),
        ("ip route get fe80::1%eth0", 'Error: any valid prefix is expected rather than "fe80::1%eth0".', 1),
        (
            "ip -6 route get ::1",
            "local ::1 from :: dev lo table local proto kernel src ::1 metric 0 pref medium",
            0,
        ),
        (
            "ip -6 route get ff02::1",
            (
                "multicast ff02::1 from :: dev eth0 table local proto kernel"
                " src fe80::4e:ff:fe00:9000 metric 256 pref medium"
            ),
            0,
        ),
        (
            "ip -6 route get 2001:db8:2::5",
            (
                "2001:db8:2::5 from :: via fe80::4e:ff:fe00:a100 dev eth0 proto ra src 2001:db8:1:0:4e:ff:fe00:9000"
                " metric 1024 hoplimit 64 pref medium"
            ),
            0,
        ),
        ("ping -6 -c1 10.0.0.1", "ping: 10.0.0.1: Address family for hostname not supported", 2),
        ("ping -4 -c1 2001:db8::1", "ping: 2001:db8::1: Address family for hostname not supported", 2),
        ("nc -vz 2001:db8:1::1 81", "nc: connect to 2001:db8:1::1 port 81 (tcp) failed: Connection refused", 1),
        ("getent ahostsv6 gw", "2001:db8:1::1   STREAM gw\n2001:db8:1::1   DGRAM\n2001:db8:1::1   RAW", 0),
    ],
)
def test_single_lines_are_those_of_the_real_tools(laptop: LinuxNode, line: str, answer: str, status: int) -> None:
    """Recorded from iproute2 6.1, iputils 20221126, netcat-openbsd 1.219 and glibc 2.36."""
    found = run(laptop, line)
    assert ("\n".join(row.rstrip() for row in found.text.splitlines()), found.status) == (answer, status)


def test_ping_prints_as_iputils_does(laptop: LinuxNode) -> None:
    """The first lines differ from those of IPv4."""
    assert told(laptop, "ping -c1 2001:db8:9::1")[:2] == [
        "PING 2001:db8:9::1(2001:db8:9::1) 56 data bytes",
        "From 2001:db8:1::1 icmp_seq=1 Destination unreachable: No route",
    ]
    group = told(laptop, "ping -c2 ff02::1%eth0")
    assert group[0] == "PING ff02::1%eth0(ff02::1%eth0) 56 data bytes"
    assert {line.split(":  ")[0].split(" icmp_seq")[0] for line in group[1:4]} == {
        "64 bytes from fe80::4e:ff:fe00:9000%eth0:",
        "64 bytes from fe80::4e:ff:fe00:a100%eth0:",
    }


def test_traceroute_marks_what_the_router_says(laptop: LinuxNode) -> None:
    """80 byte packets, !N for no route."""
    lines = told(laptop, "traceroute -n 2001:db8:9::1")
    assert lines[0] == "traceroute to 2001:db8:9::1 (2001:db8:9::1), 30 hops max, 80 byte packets"
    assert lines[1].count("!N") == 3


def test_names_with_both_families_prefer_what_is_reachable(laptop: LinuxNode) -> None:
    """RFC 6724: without an IPv4 route the IPv6 address comes first, and ping takes it."""
    assert "2001:db8:1::1" in told(laptop, "ping -c1 both")[0]
    assert told(laptop, "getent hosts gw") == ["2001:db8:1::1   gw"]


def test_neighbours_know_who_is_a_router(laptop: LinuxNode) -> None:
    """`router` behind the MAC address, as ip neigh shows NTF_ROUTER."""
    run(laptop, "ping -c1 2001:db8:2::1")
    assert any(
        line.startswith("fe80::4e:ff:fe00:a100 dev eth0 lladdr 02:4e:00:00:a1:00 router ")
        for line in told(laptop, "ip -6 neigh")
    )


def test_rdisc6_shows_what_radvd_says(laptop: LinuxNode) -> None:
    """The lines of rdisc6 1.0.5 in a namespace with the same radvd.conf."""
    assert told(laptop, "rdisc6 eth0")[:20] == [
        "Soliciting ff02::2 (ff02::2) on eth0...",
        "",
        "Hop limit                 :           64 (      0x40)",
        "Stateful address conf.    :           No",
        "Stateful other conf.      :           No",
        "Mobile home agent         :           No",
        "Router preference         :       medium",
        "Neighbor discovery proxy  :           No",
        "Router lifetime           :           30 (0x0000001e) seconds",
        "Reachable time            :  unspecified (0x00000000)",
        "Retransmit time           :  unspecified (0x00000000)",
        " Prefix                   : 2001:db8:1::/64",
        "  On-link                 :          Yes",
        "  Autonomous address conf.:          Yes",
        "  Valid time              :        86400 (0x00015180) seconds",
        "  Pref. time              :        14400 (0x00003840) seconds",
        " Recursive DNS server     : 2001:db8:1::1",
        "  DNS server lifetime     :           10 (0x0000000a) seconds",
        " Source link-layer address: 02:4E:00:00:A1:00",
        " from fe80::4e:ff:fe00:a100",
    ]
    assert told(laptop, "ndisc6 2001:db8:1::1 eth0")[1:] == [
        "Target link-layer address: 02:4E:00:00:A1:00",
        " from 2001:db8:1::1",
    ]


def test_tcpdump_prints_and_filters_icmp6(laptop: LinuxNode) -> None:
    """tcpdump 4.99's words for the messages of RFC 4861."""
    run(laptop, "ip -6 neigh flush dev eth0")
    run(laptop, "tcpdump -n -i eth0 icmp6 > /tmp/d 2>/dev/null &")
    run(laptop, "ping -c1 2001:db8:1::1; rdisc6 eth0; pkill tcpdump")
    text = "\n".join(line.split(" ", 1)[1] for line in told(laptop, "cat /tmp/d") if line)
    own = "2001:db8:1:0:4e:ff:fe00:9000"
    for line in (
        f"IP6 {own} > ff02::1:ff00:1: ICMP6, neighbor solicitation, who has 2001:db8:1::1, length 32",
        f"IP6 2001:db8:1::1 > {own}: ICMP6, neighbor advertisement, tgt is 2001:db8:1::1, length 32",
        f"IP6 {own} > 2001:db8:1::1: ICMP6, echo request, id ",
        "IP6 fe80::4e:ff:fe00:9000 > ff02::2: ICMP6, router solicitation, length 16",
        "ICMP6, router advertisement, length 80",
    ):
        assert line in text, line
    assert not run(laptop, "timeout 1 tcpdump -n -c1 -i eth0 ip and icmp6 2>/dev/null").text.strip()


def test_captures_of_ipv6_are_read_back(laptop: LinuxNode) -> None:
    """tcpdump -w and -r: what was written is what was seen."""
    run(laptop, "tcpdump -n -i eth0 -w /tmp/x.pcap ip6 &")
    run(laptop, "ping -c1 2001:db8:1::1; rdisc6 eth0; pkill tcpdump")
    text = run(laptop, "tcpdump -n -vv -r /tmp/x.pcap").text
    assert "next-header ICMPv6 (58) payload length: 64) 2001:db8:1:0:4e:ff:fe00:9000 > 2001:db8:1::1" in text
    assert "prefix info option (3), length 32 (4): 2001:db8:1::/64, Flags [onlink, auto], valid time 86400s" in text


def test_sockets_of_both_families_are_told_apart() -> None:
    """`ss`: * is a socket for both, [::] one for IPv6 alone, as with nc -6 and a server on ::."""
    laptop, _, server = three()
    run(server, "nc -l 8080 &")
    run(server, "nc -6 -l 8081 &")
    from labs.model.addresses import IPv6

    server.tcp_listen(80, IPv6(0))
    rows = [line.split() for line in told(server, "ss -tlnH")]
    assert [row[3] for row in rows] == ["*:80", "0.0.0.0:8080", "[::]:8081"]
    assert [row[3] for row in (line.split() for line in told(server, "ss -6tlnH"))] == ["*:80", "[::]:8081"]
    far = server.interfaces["eth0"].inet6[0].address
    assert run(laptop, f"echo hello | nc -q1 {far} 8081").status == 0
    assert f"[{far}]:8081" in run(laptop, "ss -tan").text


def test_ifup_static_and_ifdown_for_inet6() -> None:
    """The commands of ifupdown 0.8.41 for an inet6 paragraph, and what they leave."""
    from tests.net.site6 import box

    node, other = box("node"), box("other")
    connect(node, "eth0", other, "eth0")
    run(other, "ip link set eth0 up")
    run(node, "mkdir -p /etc/network /run/network")
    node.files.write(
        "/etc/network/interfaces",
        "iface eth0 inet6 static\n    address 2001:db8:1::5/64\n    gateway 2001:db8:1::1\n",
    )
    shown = told(node, "ifup -v eth0")
    for line in (
        "sysctl -q -e -w net.ipv6.conf.eth0.accept_ra=0",
        "ip addr flush dev eth0 mngtmpaddr",
        "ip link set dev eth0  up",
        "ip -6 addr add 2001:db8:1::5/64  dev eth0",
    ):
        assert line in shown
    assert "default via 2001:db8:1::1 dev eth0 metric 1024 onlink pref medium" in told(node, "ip -6 route")
    run(node, "ifdown eth0")
    assert told(node, "ip -6 route") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("interface eth0 { AdvSendAdvert on; }\n", "/etc/radvd.conf:2 error: syntax error"),
        ("interface eth0\n{ AdvSendAdvert maybe; };\n", "/etc/radvd.conf:2 error: syntax error"),
        ("interface eth0\n{ prefix 2001:db8:1::/129 { };\n};\n", "invalid prefix length in /etc/radvd.conf, line 2"),
        (
            "interface eth0\n{ prefix 2001:db8:1::/64 { AdvValidLifetime 10; AdvPreferredLifetime 20; };\n};\n",
            "AdvValidLifeTime must be greater than AdvPreferredLifetime in /etc/radvd.conf, line 2",
        ),
        ("", "/etc/radvd.conf:1 error: syntax error"),
    ],
)
def test_bad_line_stops_radvd_as_the_real_one(text: str, words: str) -> None:
    """Recorded from `radvd -c` 2.19."""
    node = device("node", files={"/etc/radvd.conf": text}, units=UNITS, boot=boot)
    answer = run(node, "radvd -c")
    assert answer.status == 1
    assert words in answer.text
    assert "exiting, failed to read config file" in answer.text
    run(node, "systemctl start radvd")
    assert run(node, "systemctl is-active radvd").text.strip() == "failed"
    assert words in run(node, "journalctl -u radvd").text


def test_stopping_radvd_takes_the_default_route_from_the_hosts() -> None:
    """RFC 4861 §6.2.5: its last advertisement has lifetime 0. After a kill -9 the route stays until it runs out."""
    node = device("laptop", files=LAPTOP, units=UNITS, boot=boot)
    router = device("router", files=ROUTER, ports=("lan", "wan"), units=UNITS, boot=boot)
    connect(node, "eth0", router, "lan")
    pass_time(node, 20 * SECOND)
    run(router, "systemctl stop radvd")
    pass_time(node, SECOND)
    assert told(node, "ip -6 route show default") == []
    run(router, "systemctl start radvd")
    pass_time(node, 5 * SECOND)
    run(router, "pkill -9 radvd")
    pass_time(node, 5 * SECOND)
    assert len(told(node, "ip -6 route show default")) == 1
