"""A broker as one more filter: who may publish and receive what, over which port, and which line says so."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.reach import Limit, Reach
from grader.reach.brokers import BrokerFilter, Client
from grader.reach.topics import TooManyTopics, topic_classes
from labs.engines.sim.engine import SimEngine
from labs.model.site import Site
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw
from labs.things.mosquitto_access import Direction
from labs.things.mqtt.topics import matches
from tests.verdicts.corpus import HERE

LEVELS = st.sampled_from(["a", "b", "+", "$SYS"])
FILTERS = st.lists(
    st.tuples(st.lists(LEVELS, min_size=1, max_size=3), st.booleans()).map(
        lambda made: "/".join([*made[0], *(["#"] if made[1] else [])])
    ),
    max_size=4,
)
EVERY = [
    "/".join(levels) for length in range(1, 5) for levels in itertools.product(["a", "b", "x", "$SYS"], repeat=length)
]
ACL, CONF = "/etc/mosquitto/acl", "/etc/mosquitto/mosquitto.conf"
GARDEN = {"user": "garden", "password": "tomaat-kaas"}


@settings(max_examples=25, deadline=None)
@given(FILTERS)
def test_classes_are_those_of_every_topic_tried_one_by_one(filters: list[str]) -> None:
    found = topic_classes(filters)
    for together, topic in found.items():
        assert frozenset(n for n, pattern in enumerate(filters) if matches(pattern, topic)) == together
    tried = {frozenset(n for n, pattern in enumerate(filters) if matches(pattern, topic)) for topic in EVERY}
    assert tried <= set(found)


def test_too_many_classes_are_refused_by_name() -> None:
    with pytest.raises(TooManyTopics):
        topic_classes(["/".join(["+"] * n + [f"w{n}"] + ["#"]) for n in range(1, 16)])


def settled(site: Site) -> Site:
    engine = SimEngine()
    engine.start(site)
    engine.wait(5_000_000_000)
    return engine.observe()


@pytest.fixture(scope="module")
def locked() -> Site:
    return settled(draw(find_scenario(str(HERE / "sites" / "locked-broker.yaml")), "0").healthy)


def with_file(site: Site, path: str, text: str) -> Site:
    server = site.devices["server"]
    return site.with_device(replace(server, files={**server.files, path: text}))


def test_client_may_do_its_own_business_and_the_line_of_the_list_is_named(locked: Site) -> None:
    answer = Reach(locked).may("sensor", "server", "publish", "home/garden/temperature", **GARDEN)
    assert answer.holds
    assert answer.proved
    assert answer.witness is not None
    assert answer.decided[0].startswith("server:1883 speaks plain [/etc/mosquitto/mosquitto.conf:")
    assert answer.decided[-1] == f"garden may publish on home/garden/temperature [{ACL}:2]"


@pytest.mark.parametrize(
    ("action", "topic", "login", "said"),
    [
        ("subscribe", "home/garden/temperature", GARDEN, "garden may not receive home/garden/temperature"),
        ("publish", "cmd/garden", GARDEN, "garden may not publish on cmd/garden"),
        ("publish", "home/garden/x", {}, "nobody is let in without a name"),
        ("publish", "home/garden/x", {"user": "garden", "password": "x"}, "the password is not that of garden"),
        ("publish", "home/garden/x", {"user": "thief", "password": "x"}, "thief is unknown"),
        ("publish", "$SYS/broker/uptime", {"user": "boss", "password": "sleutel-onder-de-mat"}, "nobody may publish"),
    ],
)
def test_client_that_may_not_is_told_what_decides(
    locked: Site, action: str, topic: str, login: dict[str, str], said: str
) -> None:
    answer = Reach(locked).may("laptop", "server", action, topic, **login)
    assert not answer.holds
    assert answer.decided[-1].startswith(said)


def test_port_that_speaks_plainly_is_no_tls_and_the_other_way_round(locked: Site) -> None:
    reach = Reach(locked)
    assert reach.speech("server", 1883).because == "plain"
    assert not reach.speech("server", 8883)
    assert not reach.may("laptop", "server", "publish", "home/garden/x", tls=True, **GARDEN)
    assert reach.may("laptop", "server", "publish", "home/garden/x", tls=False, **GARDEN)


def test_tls_of_a_broker_and_of_nobody_are_told_apart() -> None:
    reach = Reach(settled(draw(find_scenario("thermostat-wrong-time"), "0").healthy))
    assert reach.speech("internet", 8883).because == "TLS"
    assert "mosquitto.conf:" in reach.speech("internet", 8883).where
    assert reach.speech("internet", 443).because == "plain"
    assert not reach.speech("internet", 81)
    local = reach.may("phone", "thermostat", "publish", "relay/set")
    assert not local, "a broker that listens on its loopback alone is not reached from elsewhere"
    assert reach.may("thermostat", "thermostat", "publish", "relay/set")


def test_broker_that_did_not_read_its_list_again_is_no_proof(locked: Site) -> None:
    server = locked.devices["server"]
    assert server.state is not None
    stale = replace(server, state=replace(server.state, stale_units=frozenset({"mosquitto"})))
    answer = Reach(locked.with_device(stale)).may("sensor", "server", "publish", "home/garden/x", **GARDEN)
    assert not answer.proved
    assert {limit.limit for limit in answer.limits} == {Limit.STALE_BROKER}


def test_list_of_what_a_client_may_holds_one_example_of_each_class(locked: Site) -> None:
    found = Reach(locked).all_that_may("server", **GARDEN)
    assert set(found) == {f"publish home/garden [{ACL}:2]", f"subscribe cmd/garden [{ACL}:3]"}
    assert Reach(locked).all_that_may("server", "garden", "wrong") == ()


def test_deny_of_the_user_counts_before_everything(locked: Site) -> None:
    text = "user boss\ntopic readwrite #\ntopic deny vault/#\n"
    rules = BrokerFilter(with_file(locked, ACL, text).devices["server"])
    found = rules.unreadable(Client("boss"))
    assert found is not None
    assert found[0] == "vault"
    assert found[1].where == f"{ACL}:3"
    assert rules.permits(Client("boss"), Direction.WRITE, "vaults")


def test_device_without_a_broker_and_unknown_actions_are_refused_in_one_line(locked: Site) -> None:
    reach = Reach(locked)
    with pytest.raises(ValueError, match=r"laptop has no /etc/mosquitto/mosquitto\.conf"):
        reach.may("sensor", "laptop", "publish", "x")
    with pytest.raises(ValueError, match='"read" is neither publish nor subscribe'):
        reach.may("sensor", "server", "read", "x")
