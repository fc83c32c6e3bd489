"""The routing table: the longest match, metrics, interfaces that are down."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.model.addresses import IPv4, Network
from labs.model.state import Route
from labs.net.routing import RoutingTable, longest_match, route_text

networks = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda p: Network.of(IPv4(p[0]), p[1]))
# few prefixes, so that many cover each other
nested = st.tuples(st.sampled_from([0x0A000000, 0x0A000100, 0x0A0001FF, 0xC0A80000]), st.integers(0, 32)).map(
    lambda p: Network.of(IPv4(p[0]), p[1])
)
destinations = st.sampled_from([0x0A000001, 0x0A000101, 0x0A0001FF, 0xC0A80005, 0]).map(IPv4)


def route(prefix: str, device: str | None = "eth0", **more: object) -> Route:
    via = more.pop("via", None)
    return Route(Network.parse(prefix), device, via=IPv4.parse(via) if via else None, **more)  # type: ignore[arg-type]


def table(*routes: Route, down: tuple[str, ...] = ()) -> RoutingTable:
    made = RoutingTable()
    made.attach({name: SimpleNamespace(up=name not in down) for name in ("eth0", "eth1")})  # type: ignore[misc]
    for each in routes:
        assert made.add(each)
    return made


@given(st.lists(st.tuples(st.one_of(nested, networks), st.integers(0, 3)), max_size=12), destinations)
def test_longest_match_is_what_trying_every_length_finds(drawn, destination):
    routes = [Route(prefix, f"d{index}", metric=metric) for index, (prefix, metric) in enumerate(drawn)]
    expected = None
    for length in range(32, -1, -1):
        covering = [r for r in routes if r.prefix == Network.of(destination, length)]
        if covering:
            lowest = min(r.metric for r in covering)
            expected = next(r for r in covering if r.metric == lowest)
            break
    assert longest_match(routes, destination) is expected


def test_two_metrics_the_lower_is_used_and_the_other_when_its_interface_is_down():
    a, b = route("0.0.0.0/0", "eth0", metric=10), route("0.0.0.0/0", "eth1", metric=20)
    assert table(b, a).lookup(IPv4(1)) is a
    assert table(b, a, down=("eth0",)).lookup(IPv4(1)) is b


def test_same_prefix_and_metric_is_refused_with_another_metric_not():
    made = table(route("10.0.0.0/8"))
    assert not made.add(route("10.0.0.0/8", "eth1"))
    assert made.add(route("10.0.0.0/8", "eth1", metric=5))


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_route_that_refuses_needs_no_interface_and_hides_a_shorter_one(kind):
    made = table(route("0.0.0.0/0"), route("10.0.0.0/8", None, kind=kind))
    assert made.lookup(IPv4.parse("10.1.1.1")).kind == kind
    assert made.lookup(IPv4.parse("11.1.1.1")).kind == "unicast"


def test_answer_is_remembered_every_change_forgets_it():
    told = []
    made = RoutingTable(lambda: told.append(1))
    made.attach({"eth0": SimpleNamespace(up=True)})  # type: ignore[dict-item]
    target = IPv4.parse("10.1.1.1")
    assert made.lookup(target) is None
    wide, narrow = route("10.0.0.0/8"), route("10.1.0.0/16")
    made.add(wide)
    assert made.lookup(target) is wide
    made.append(narrow)
    assert made.lookup(target) is narrow
    made.remove(narrow)
    assert made.lookup(target) is wide
    made.replace(route("10.0.0.0/8", via="1.2.3.4"))
    assert made.lookup(target).via is not None
    made.remove_where(made.routes())
    assert made.lookup(target) is None
    assert len(told) == 5


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "append", "replace", "remove", "down", "up"]), nested, st.integers(0, 1)),
        max_size=20,
    ),
    destinations,
)
def test_remembered_answer_is_always_the_one_found_afresh(changes, destination):
    interfaces = {name: SimpleNamespace(up=True) for name in ("eth0", "eth1")}
    made = RoutingTable()
    made.attach(interfaces)  # type: ignore[arg-type]
    for what, prefix, number in changes:
        changed = Route(prefix, f"eth{number}", metric=number)
        if what in {"down", "up"}:
            interfaces[f"eth{number}"].up = what == "up"
            made.forget_answers()
        elif what != "remove":
            getattr(made, what)(changed)
        elif changed in made.routes():
            made.remove(changed)
        usable = [r for r in made if r.device is None or interfaces[r.device].up]
        assert made.lookup(destination) == longest_match(usable, destination)


def test_connected_route_of_a_gateway_is_the_one_on_the_link():
    made = table(route("10.0.0.0/24", scope="link"), route("0.0.0.0/0", via="10.0.0.1"))
    assert made.connected(IPv4.parse("10.0.0.1")).device == "eth0"
    assert made.connected(IPv4.parse("10.9.0.1")) is None


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (route("0.0.0.0/0", via="10.0.0.1"), "default via 10.0.0.1 dev eth0"),
        (route("10.0.0.5/32", metric=3), "10.0.0.5 dev eth0 metric 3"),
        (route("10.0.0.0/8", None, kind="blackhole"), "blackhole 10.0.0.0/8"),
        (
            route("10.0.0.0/24", protocol="kernel", scope="link", source=IPv4.parse("10.0.0.2")),
            "10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2",
        ),
    ],
)
def test_route_is_printed_as_ip_route_prints_it(made, text):
    assert route_text(made) == text
