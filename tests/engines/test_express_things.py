"""Sensors that report over MQTT: the express way changes neither a reading nor the moment it arrives."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labs.engines.base import CommandRejected
from labs.engines.sim import SimEngine
from labs.model.addresses import Mac
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.net.linux.units import enabled_path
from tests.engines.pictures import assert_same, pictures
from tests.things_site import BROKER, DISPLAY, SECOND, SENSOR, device
from tests.things_site import site as garden

EVERYTHING = DISPLAY.replace("garden/temperature", "#")


class Plan(NamedTuple):
    """Sensors with their intervals in seconds and QoS on a chain of switches, and what hands and people do."""

    switches: int
    sensors: tuple[tuple[int, int, bool], ...]
    loss: float
    lines: tuple[tuple[int, str, str], ...]


def site(plan: Plan) -> Site:
    """The broker and a screen at the last switch; sensors spread over all of them."""
    hosts = [
        device("broker", Kind.SERVER, 10, BROKER, ("mosquitto",)),
        device(
            "screen", Kind.DISPLAY, 11, {"/etc/display.toml": DISPLAY.replace("garden/temperature", "#")}, ("display",)
        ),
    ]
    for number, (interval, qos, retain) in enumerate(plan.sensors):
        toml = SENSOR.replace("garden-sensor", f"sensor{number}").replace("garden", f"bed{number}")
        toml = toml.replace("interval_s = 30", f"interval_s = {interval}").replace("qos = 0", f"qos = {qos}")
        toml = toml.replace("retain = false", f"retain = {str(retain).lower()}")
        hosts.append(device(f"t{number}", Kind.SENSOR, 20 + number, {"/etc/sensor.toml": toml}, ("sensor",)))
    devices = {host.name: host for host in hosts}
    links = []
    for number in range(plan.switches):
        here = [host for index, host in enumerate(hosts) if (index % plan.switches if index > 1 else 0) == number]
        ports = ["left", "right", *(host.name for host in here)]
        made = tuple(Port(port, Mac(0x024E_0000_2000 + 256 * number + index)) for index, port in enumerate(ports))
        files = {
            "/etc/network/interfaces": "auto br0\niface br0 inet manual\n\tbridge_ports " + " ".join(ports) + "\n",
            enabled_path("networking"): "",
        }
        devices[f"x{number}"] = Device(f"x{number}", Kind.SWITCH, made, files)
        links += [Link(Endpoint(f"x{number}", host.name), Endpoint(host.name, "eth0")) for host in here]
        if number:
            links.append(Link(Endpoint(f"x{number - 1}", "right"), Endpoint(f"x{number}", "left"), loss=plan.loss))
    return Site(devices, tuple(links), world=garden().world)


def run(plan: Plan, *, express: bool) -> tuple[SimEngine, list[object]]:
    engine = SimEngine(express=express)
    engine.start(site(plan))
    seen: list[object] = []
    for pause, place, line in plan.lines:
        engine.wait(pause)
        try:
            seen.append(engine.run(place, line).text)
        except CommandRejected as error:
            seen.append(str(error))
    engine.wait(3 * 60 * SECOND)
    for name in engine.site.devices:
        if engine.node(name).powered:
            lines = "ip -s link; ip neigh; cat /run/*.json; journalctl -n 30"
            seen.append(engine.run(name, lines).text)
    return engine, seen


LINES = [
    ("hands", "unplug t0:eth0"),
    ("hands", "power off x0"),
    ("hands", "power off t0"),
    ("t0", "systemctl restart sensor"),
    ("broker", "systemctl restart mosquitto"),
    ("broker", "timeout 25 tcpdump -n port 1883"),
    ("broker", "timeout 25 mosquitto_sub -t 'home/#' -v"),
    ("broker", "ip neigh flush all"),
    ("x0", "ip link set br0 down; sleep 3; ip link set br0 up"),
    ("x0", "bridge fdb flush dev br0"),
    ("t0", "ping -c 3 broker"),
]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    sensor = st.tuples(st.sampled_from([1, 7, 10, 10, 60]), st.sampled_from([0, 0, 1, 2]), st.booleans())
    line = st.tuples(st.sampled_from([0, 3 * SECOND + 70_000, 40 * SECOND]), st.sampled_from(LINES))
    return Plan(
        draw(st.integers(1, 3)),
        tuple(draw(st.lists(sensor, min_size=1, max_size=6))),
        draw(st.sampled_from([0.0, 0.0, 0.1])),
        tuple((pause, place, text) for pause, (place, text) in draw(st.lists(line, max_size=3))),
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_random_sensors_express_way_changes_nothing(plan: Plan):
    """Screens, status files, journals, counters, tables, sockets and sequence numbers are the same in the end."""
    (slow, before), (fast, after) = run(plan, express=False), run(plan, express=True)
    assert after == before
    assert_same(pictures(slow), pictures(fast))
    assert fast._clock._now == slow._clock._now
