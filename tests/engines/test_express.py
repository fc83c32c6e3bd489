"""With the express way or without it: the same arrivals, answers, counters and tables, to the nanosecond."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labs.engines.sim import SimEngine
from labs.model.addresses import IPv4, Mac
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.net.linux.units import enabled_path
from labs.net.process import Process, Routine, Wait
from labs.net.sockets import SocketError, connect, listen
from tests.engines.pictures import assert_same, pictures

SECOND = 1_000_000_000
MS = 1_000_000
UDP_PORT, TCP_PORT = 9, 7


class Plan(NamedTuple):
    """A site of `routers` in a row, each with a switch and two hosts, and what happens there."""

    routers: int
    filtering: bool
    jitter_ns: int
    messages: tuple[tuple[int, int, int, int], ...]  # at, from host, to host, bytes
    talks: tuple[tuple[int, int, int], ...]  # at, from host, to host: a TCP connection with ten lines
    lines: tuple[tuple[int, str, str], ...]  # wait, place, line


def site(plan: Plan) -> Site:
    """Router i has 10.0.i.0/24 behind it and 10.9.i.0/24 to the next one."""
    devices: dict[str, Device] = {}
    links: list[Link] = []
    macs = iter(range(0x024E_0000_0001, 0x024E_0001_0000))

    def add(name: str, kind: Kind, ports: str, interfaces: str, **files: str) -> None:
        made = tuple(Port(port, Mac(next(macs)), 100_000_000 if kind is Kind.HOST else 10**9) for port in ports.split())
        head = "auto lo\niface lo inet loopback\n\n"
        etc = {"/etc/network/interfaces": head + interfaces, enabled_path("networking"): "", **files}
        devices[name] = Device(name, kind, made, etc)

    for i in range(plan.routers):
        routes = [f"up ip route add 10.0.{j}.0/24 via 10.9.{i}.2" for j in range(i + 1, plan.routers)]
        routes += [f"up ip route add 10.0.{j}.0/24 via 10.9.{i - 1}.1" for j in range(i)]
        blocks = [f"auto lan\niface lan inet static\n    address 10.0.{i}.1/24\n"]
        if i + 1 < plan.routers:
            blocks.append(f"auto right\niface right inet static\n    address 10.9.{i}.1/24\n")
            links.append(Link(Endpoint(f"r{i}", "right"), Endpoint(f"r{i + 1}", "left"), jitter_ns=plan.jitter_ns))
        if i:
            blocks.append(f"auto left\niface left inet static\n    address 10.9.{i - 1}.2/24\n")
        blocks[-1] += "".join(f"    {route}\n" for route in routes)
        forward = {"/etc/sysctl.conf": "net.ipv4.ip_forward = 1\n"}
        add(f"r{i}", Kind.ROUTER, "lan right left", "\n".join(blocks), **forward)
        bridge = "auto br0\niface br0 inet manual\n    bridge_ports p1 p2 p3\n    up ip link set dev br0 up\n"
        if plan.filtering:
            bridge += "    up ip link set dev br0 type bridge vlan_filtering 1\n"
        add(f"x{i}", Kind.SWITCH, "p1 p2 p3", bridge)
        links.append(Link(Endpoint(f"r{i}", "lan"), Endpoint(f"x{i}", "p1")))
        for k in (0, 1):
            here = f"auto eth0\niface eth0 inet static\n    address 10.0.{i}.{10 + k}/24\n    gateway 10.0.{i}.1\n"
            add(f"h{2 * i + k}", Kind.HOST, "eth0", here)
            links.append(Link(Endpoint(f"h{2 * i + k}", "eth0"), Endpoint(f"x{i}", f"p{2 + k}")))
    return Site(devices, tuple(links))


def address(host: int) -> IPv4:
    return IPv4.parse(f"10.0.{host // 2}.{10 + host % 2}")


class Result(NamedTuple):
    """What can be observed of a run."""

    arrivals: list[tuple[str, int, object]]
    answers: list[str]
    devices: dict[str, Any]
    leads: list[tuple[int, int]]
    walked: int
    """Frames that went through the layers of a device."""


def counted(function: Callable[..., Any], calls: list[int]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        calls[0] += 1
        return function(*arguments)

    return call


def run(plan: Plan, *, express: bool) -> Result:
    """Let it all happen."""
    engine = SimEngine(express=express)
    engine.start(site(plan))
    walked = [0]
    for name in engine.site.devices:
        engine.node(name).receive = counted(engine.node(name).receive, walked)  # type: ignore[method-assign]
    arrivals: list[tuple[str, int, object]] = []
    begin = engine.now

    def start(name: str, program: Callable[[Process], Routine]) -> None:
        node = engine.node(name)
        node.now = engine.now
        node.spawn([name], program)
        engine._perform(node, node.drain(engine.now))

    def sender(host: int) -> Callable[[Process], Routine]:
        def program(process: Process) -> Routine:
            node = process.node
            socket = node.transport.udp_open(program="sender")
            for at, source, target, size in sorted(plan.messages):
                if source == host:
                    yield Wait((), begin + at)
                    node.transport.udp_send(socket, address(target), UDP_PORT, bytes(size))
            return 0

        return program

    def receiver(process: Process) -> Routine:
        socket = process.node.transport.udp_open(UDP_PORT, program="receiver")
        while True:
            yield Wait((socket.signal,))
            while socket.queue:
                arrivals.append((process.node.name, process.node.now, socket.queue.popleft()))

    def server(process: Process) -> Routine:
        listener = listen(process, TCP_PORT)
        while True:
            yield Wait((listener.signal,))
            while listener.backlog:
                connection = listener.backlog.popleft()
                while not connection.peer_done:
                    yield Wait((connection.signal,), process.node.now + 5 * SECOND)
                    data = connection.receive()
                    arrivals.append((process.node.name, process.node.now, data))
                    if not data:
                        break
                    connection.send(data, process.node.now)
                connection.close(process.node.now)

    def talker(at: int, target: int) -> Callable[[Process], Routine]:
        def program(process: Process) -> Routine:
            yield Wait((), begin + at)
            try:
                connection = yield from connect(process, address(target), TCP_PORT, timeout_ns=2 * SECOND)
            except SocketError as error:
                arrivals.append((process.node.name, process.node.now, str(error)))
                return 1
            for number in range(10):
                connection.send(bytes(100 * number + 1), process.node.now)
                yield Wait((connection.signal,), process.node.now + SECOND)
                arrivals.append((process.node.name, process.node.now, connection.receive()))
            connection.close(process.node.now)
            return 0

        return program

    for host in range(2 * plan.routers):
        start(f"h{host}", receiver)
        start(f"h{host}", server)
        start(f"h{host}", sender(host))
    for at, source, target in plan.talks:
        start(f"h{source}", talker(at, target))
    answers = []
    for pause, place, line in plan.lines:
        engine.wait(pause)
        answers.append(engine.run(place, line).text)
    engine.wait(100 * SECOND)
    answers += [engine.run(name, "ip neigh; ip -s link").text for name in engine.site.devices]
    answers += [engine.run(f"x{i}", "bridge -s fdb").text for i in range(plan.routers)]
    devices = pictures(engine)
    leads = [(lane.free, lane.last) for lanes in engine._express.lanes.values() for lane in lanes.values()]
    return Result(arrivals, answers, devices, leads, walked[0])


LINES = [
    ("r0", "ip link set lan down; sleep 1; ip link set lan up"),
    ("r0", "ip neigh flush all"),
    ("r0", "sysctl -w net.ipv4.ip_forward=0; sleep 1; sysctl -w net.ipv4.ip_forward=1"),
    (
        "r0",
        "nft add table t; nft 'add chain t c { type filter hook forward priority 0; }'; nft add rule t c counter",
    ),
    ("r0", "timeout 2 tcpdump -n -i lan"),
    ("r0", "ip route add blackhole 10.0.1.10/32"),
    ("r0", "ip link set lan mtu 900"),
    ("r0", "ip link set lan address 02:00:00:00:00:77"),
    ("x0", "bridge link set dev p2 isolated on; bridge link set dev p1 isolated on"),
    ("x0", "bridge vlan add dev p2 vid 7 pvid untagged"),
    ("x0", "bridge vlan del dev p3 vid 1"),
    ("x0", "ip link set br0 type bridge ageing_time 100"),
    ("x0", "ip link set br0 type bridge stp_state 1"),
    ("x0", "bridge fdb flush dev br0"),
    ("x0", "ip link set p1 down; sleep 1; ip link set p1 up"),
    ("h0", "ping -c 3 10.0.0.11"),
    ("h0", "ip addr add 10.0.0.77/24 dev eth0; arping -c 2 -U -I eth0 10.0.0.77"),
    ("hands", "move h0:eth0 x0:p2 r0:left"),
    ("hands", "power off x0"),
    ("hands", "unplug h0:eth0"),
]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    routers = draw(st.integers(1, 3))
    host = st.integers(0, 2 * routers - 1)
    moment = st.one_of(st.integers(0, 3 * SECOND), st.sampled_from([0, SECOND, 2 * SECOND, 40 * SECOND, 90 * SECOND]))
    size = st.one_of(st.integers(0, 1472), st.just(1472), st.just(0))
    messages = draw(st.lists(st.tuples(moment, host, host, size), max_size=30))
    burst = draw(st.integers(0, 12))
    pair = draw(st.tuples(host, host))
    messages += [(2 * SECOND + 20_000 * k, *pair, 1000) for k in range(burst)]
    talks = draw(st.lists(st.tuples(moment, host, host), max_size=3))
    lines = draw(
        st.lists(st.tuples(st.sampled_from([0, 7 * MS, SECOND, 35 * SECOND]), st.sampled_from(LINES)), max_size=4)
    )
    return Plan(
        routers,
        draw(st.booleans()),
        draw(st.sampled_from([0, 0, 30_000])),
        tuple(messages),
        tuple(talks),
        tuple((pause, place, line) for pause, (place, line) in lines),
    )


def compare(plan: Plan) -> tuple[Result, Result]:
    """Both ways, which must come to the same."""
    slow, fast = run(plan, express=False), run(plan, express=True)
    assert fast.arrivals == slow.arrivals
    assert fast.answers == slow.answers
    assert fast.leads == slow.leads
    assert_same(slow.devices, fast.devices)
    return slow, fast


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_random_site_express_way_changes_nothing(plan: Plan):
    compare(plan)


STREAM = tuple((k * 100 * MS, 0, 5, 100 + k) for k in range(400))


@pytest.mark.parametrize(("place", "line"), LINES)
def test_stream_while_something_changes_express_way_changes_nothing(place: str, line: str):
    """A flow of forty seconds over three routers and two switches, and one change in the middle of it."""
    slow, fast = compare(Plan(3, True, 0, STREAM, ((SECOND, 1, 4),), ((20 * SECOND + 30_000, place, line),)))
    assert fast.walked < slow.walked - 500


def test_unchanged_stream_takes_the_express_way():
    """Of 400 packets over 5 devices nearly every hop is express; the rest waited for ARP, or asked anew."""
    slow, fast = compare(Plan(3, False, 0, STREAM, (), ()))
    assert slow.walked - fast.walked > 2_300
