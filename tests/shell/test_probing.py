"""ping, traceroute, arping, nc and tcpdump between simulated machines."""

from __future__ import annotations

import re

import pytest

from labs.engines.sim import SimEngine
from labs.model.site import Site
from tests.sites import machine, site, switch
from tests.traffic import serve

HOSTS = "127.0.0.1 localhost\n10.0.2.2 cam\n10.0.1.1 gw\n10.0.1.77 ghost\n"


def row(**far: object) -> Site:
    """Host a, router r, host c in a row: 10.0.1.0/24 and 10.0.2.0/24."""
    a = machine("a", {"eth0": "10.0.1.2/24"}, gateway="10.0.1.1").with_file("/etc/hosts", HOSTS)
    r = machine("r", {"lan": "10.0.1.1/24", "wan": "10.0.2.1/24"}, forward=True)
    c = machine("c", {"eth0": "10.0.2.2/24"}, gateway="10.0.2.1", **far)  # type: ignore[arg-type]
    return site([a, r, c], ["a:eth0 r:lan", "r:wan c:eth0"])


def started(made: Site) -> SimEngine:
    engine = SimEngine()
    engine.start(made)
    serve(engine)
    return engine


@pytest.fixture(scope="module")
def engine() -> SimEngine:
    return started(row())


def said(engine: SimEngine, line: str, place: str = "a") -> tuple[str, int]:
    """What a line prints without its times, and its status."""
    output = engine.run(place, line)
    text = re.sub(r"time=[0-9.]+ ms", "time=T", output.text)
    text = re.sub(r"rtt (.*) = [0-9./]+ ms", r"rtt \1 = T", text)
    return re.sub(r"[0-9.]+( ?)ms", r"T\1ms", text), output.status


def test_ping_of_a_host_that_answers(engine: SimEngine) -> None:
    text = (
        "PING cam (10.0.2.2) 56(84) bytes of data.\n"
        "64 bytes from cam (10.0.2.2): icmp_seq=1 ttl=63 time=T\n"
        "64 bytes from cam (10.0.2.2): icmp_seq=2 ttl=63 time=T\n"
        "\n--- cam ping statistics ---\n"
        "2 packets transmitted, 2 received, 0% packet loss, time Tms\n"
        "rtt min/avg/max/mdev = T\n"
    )
    assert said(engine, "ping -c 2 cam") == (text, 0)


def test_ping_of_nobody_reports_each_request(engine: SimEngine) -> None:
    text, status = said(engine, "ping -c 3 ghost")
    assert text.count("From 10.0.1.2 icmp_seq=") == 3
    assert text.endswith("3 packets transmitted, 0 received, +3 errors, 100% packet loss, time Tms\npipe 3\n")
    assert status == 1


def test_ping_without_count_is_stopped_by_control_c_and_loses_nothing(engine: SimEngine) -> None:
    text, status = said(engine, "ping cam")
    assert "\n^C\n--- cam ping statistics ---\n11 packets transmitted, 11 received, 0% packet loss" in text
    assert status in (0, 130)


@pytest.mark.parametrize(
    ("line", "text", "status"),
    [
        ("ping", "ping: usage error: Destination address required\n", 1),
        ("ping -c 0 gw", "ping: invalid argument: '0': out of range: 1 <= value <= 9223372036854775807\n", 1),
        ("ping -t 300 gw", "ping: invalid argument: '300': out of range: 0 <= value <= 255\n", 1),
        ("ping nosuch", "ping: nosuch: Temporary failure in name resolution\n", 2),
        ("ping -I eth9 gw", "ping: SO_BINDTODEVICE eth9: No such device\n", 2),
        ("ping -I 10.0.1.9 gw", "ping: bind: Cannot assign requested address\n", 2),
        (
            "ping 10.0.1.255",
            "ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules\n",
            2,
        ),
        ("ping -p ff gw", 'ping: "-p" is not simulated here\n', 2),
        ("arping -I eth9 gw", "arping: Device eth9 not available.\n", 2),
        ("arping -I lo gw", 'Interface "lo" is not ARPable\n', 2),
        ("nc -zv gw 8", "nc: connect to gw (10.0.1.1) port 8 (tcp) failed: Connection refused\n", 1),
        ("nc -zv gw 7", "Connection to gw (10.0.1.1) 7 port [tcp/echo] succeeded!\n", 0),
        ("nc -zvn 10.0.1.1 7", "Connection to 10.0.1.1 7 port [tcp/*] succeeded!\n", 0),
        ("nc -zvu gw 7", "Connection to gw (10.0.1.1) 7 port [udp/echo] succeeded!\n", 0),
        ("nc -zvu gw 8", "", 1),
        (
            "nc -zv -w 1 ghost 7",
            "nc: connect to ghost (10.0.1.77) port 7 (tcp) timed out: Operation now in progress\n",
            1,
        ),
        ("nc -zv gw", "nc: missing port number\n", 1),
        ("nc -zv gw 70000", "nc: port number too large: 70000\n", 1),
        ("nc -zv gw nosvc", "nc: port number invalid: nosvc\n", 1),
        ("tcpdump -i eth9", "tcpdump: eth9: No such device exists\n(No such device exists)\n", 1),
        ("tcpdump foo", "tcpdump: can't parse filter expression: syntax error\n", 1),
        ("tcpdump -L", 'tcpdump: "-L" is not simulated here\n', 1),
        ("traceroute -m 300 cam", "max hops cannot be more than 255\n", 2),
    ],
)
def test_line_answers_as_the_real_tool(engine: SimEngine, line: str, text: str, status: int) -> None:
    assert tuple(engine.run("a", line)) == (text, status)


def test_traceroute_names_each_hop_once(engine: SimEngine) -> None:
    text = (
        "traceroute to cam (10.0.2.2), 30 hops max, 60 byte packets\n"
        " 1  gw (10.0.1.1)  T ms  T ms  T ms\n"
        " 2  cam (10.0.2.2)  T ms  T ms  T ms\n"
    )
    for method in ("", "-I", "-T"):
        engine.wait(10**10)
        assert said(engine, f"traceroute {method} cam") == (text, 0)


def test_traceroute_past_a_silent_target_shows_stars() -> None:
    rules = "table ip f { chain input { type filter hook input priority 0; policy drop; }; }\n"
    text, status = said(started(row(rules=rules)), "traceroute -n -m 3 -w 1 -q 2 cam")
    assert text.endswith(" 1  10.0.1.1  T ms  T ms\n 2  * *\n 3  * *\n")
    assert status == 0


def test_two_owners_of_one_address_are_seen_by_arping() -> None:
    machines = [machine(name, {"eth0": "10.0.1.40/24" if name in "xy" else "10.0.1.2/24"}) for name in "axy"]
    engine = started(site([switch("s", 3), *machines], ["a:eth0 s:p1", "x:eth0 s:p2", "y:eth0 s:p3"]))
    text, status = said(engine, "arping -b -c 1 -I eth0 10.0.1.40")
    owners = {str(m.ports[0].mac).upper() for m in machines[1:]}
    assert set(re.findall(r"reply from 10\.0\.1\.40 \[(.*?)\]", text)) == owners
    assert text.endswith("Sent 1 probes (1 broadcast(s))\nReceived 2 response(s)\n")
    assert said(engine, "arping -D -c 2 -I eth0 10.0.1.40")[1] == 1
    assert status == 1, "more answers than questions"


def test_nc_passes_text_both_ways(engine: SimEngine) -> None:
    engine.run("c", "(echo welcome | nc -l -p 9000 -N > /tmp/heard) &")
    assert tuple(engine.run("a", "echo hello | nc -N cam 9000")) == ("welcome\n", 0)
    engine.wait(10**9)
    engine.run("c", "")  # bash reports the end of the job
    assert engine.run("c", "cat /tmp/heard").text == "hello\n"


def test_tcpdump_sees_what_passes(engine: SimEngine) -> None:
    engine.wait(10**11)  # until neighbours have to be confirmed again
    engine.run("c", "tcpdump -n -t -c 2 icmp > /tmp/seen 2>/tmp/counts &")
    engine.run("a", "ping -c 1 cam")
    engine.run("c", "")  # bash reports the end of the job
    seen = engine.run("c", "cat /tmp/seen").text
    assert re.sub(r"id \d+", "id N", seen) == (
        "IP 10.0.1.2 > 10.0.2.2: ICMP echo request, id N, seq 1, length 64\n"
        "IP 10.0.2.2 > 10.0.1.2: ICMP echo reply, id N, seq 1, length 64\n"
    )
    counts = "2 packets captured\n2 packets received by filter\n0 packets dropped by kernel\n"
    assert engine.run("c", "cat /tmp/counts").text.endswith(counts)


def test_probes_leave_no_socket_behind(engine: SimEngine) -> None:
    for line in (
        "ping -c 1 gw",
        "traceroute -n cam",
        "nc -zv gw 7",
        "dig +time=1 +tries=1 @10.0.1.1 x",
        "arping -c 1 gw",
    ):
        engine.run("a", line)
    engine.wait(120 * 10**9)
    node = engine.node("a")
    assert [socket.program for socket in node.transport.udp_sockets() if socket.program != "server"] == []
    assert node.transport.connections() == []
    assert node.link._captures == []
