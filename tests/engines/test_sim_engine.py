"""The simulator with small sites: time, power, leads, loops, and the grader's own packets."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from labs.engines.base import CommandRejected, Disposition, Probe
from labs.engines.sim import SimEngine
from labs.model.addresses import IPv4
from labs.model.site import Endpoint, Site
from labs.net.actions import Delivered, DropReason, Forwarded
from labs.net.foresight import Question
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw
from tests.sites import machine, site, switch
from tests.traffic import serve

SECOND = 1_000_000_000


def office(**link: object) -> Site:
    """Host a and router r on a switch, host c behind the router."""
    return site(
        [
            machine("a", {"eth0": "10.0.1.10/24"}, gateway="10.0.1.1"),
            switch("sw", 3),
            machine("r", {"lan": "10.0.1.1/24", "wan": "10.0.2.1/24"}, forward=True),
            machine("c", {"eth0": "10.0.2.10/24"}, gateway="10.0.2.1"),
        ],
        ["a:eth0 sw:p1", "sw:p2 r:lan", "r:wan c:eth0"],
        **link,
    )


@pytest.fixture
def engine() -> SimEngine:
    made = SimEngine()
    made.start(office())
    return made


def lost(output) -> int:
    return int(re.search(r"(\d+)% packet loss", output.text)[1])


# The same again


def story(made: Site) -> list:
    """A working day in a few lines: everything that can be seen of it."""
    engine = SimEngine()
    engine.start(made)
    serve(engine)
    seen: list = [
        engine.run("a", line) for line in ("ping -c 3 10.0.2.10", "ip neigh", "ping -c 2 10.0.2.99", "ip -s link")
    ]
    probes = [Probe("a", "10.0.2.10", "tcp", 7), Probe("c", "10.0.1.10", "udp", 7), Probe("a", "10.0.1.99")]
    seen += engine.probe(probes)
    engine.unplug(Endpoint("c", "eth0"))
    seen += engine.probe(probes)
    engine.wait(90 * SECOND)
    return [*seen, engine.now, engine.observe(), engine._clock.spent]


def test_same_site_twice_the_same_to_the_last_packet():
    made = office(loss=0.05, jitter_ns=200_000)
    assert story(made) == story(made)


def test_another_seed_loses_other_packets():
    made = office(loss=0.05)
    assert story(made) != story(replace(made, seed="another"))


@pytest.mark.parametrize("name", ["bakery-address-clash", "first-sensor-online", "tasting-room-guests"])
def test_scenario_started_twice_is_the_same_site(name):
    made = draw(find_scenario(name), "7").broken
    states = []
    for _ in range(2):
        engine = SimEngine()
        engine.start(made)
        engine.wait(600 * SECOND)
        states.append((engine.observe(), engine._clock.spent))
    assert states[0] == states[1]


# Time


def test_wait_is_exact(engine):
    before = engine.now
    engine.wait(1_234_567_891)
    assert engine.now - before == 1_234_567_891


def test_ping_takes_its_seconds(engine):
    engine.run("a", "ping -c 1 10.0.2.10")
    before = engine.now
    engine.run("a", "ping -c 4 10.0.2.10")
    assert 3 * SECOND < engine.now - before < 3.1 * SECOND


def test_line_that_only_looks_takes_no_time(engine):
    before = engine.now
    engine.run("a", "ip addr; ip route; cat /etc/hostname")
    assert engine.now == before


def test_endless_line_is_interrupted_after_patience_and_prints_its_summary(engine):
    before = engine.now
    output = engine.run("a", "ping 10.0.2.10")
    assert 9 * SECOND < engine.now - before < 13 * SECOND
    assert "^C" in output.text
    assert "packets transmitted" in output.text


def test_slow_line_with_an_end_is_not_interrupted(engine):
    before = engine.now
    assert engine.run("a", "ping -c 60 10.0.2.10").status == 0
    assert engine.now - before > 58 * SECOND


def test_background_job_lives_on_between_lines(engine):
    before = engine.now
    engine.run("a", "ping -c 5 10.0.2.10 > /tmp/ping.txt &")
    assert engine.now - before < SECOND
    assert "5 packets transmitted" not in engine.run("a", "cat /tmp/ping.txt").text
    engine.wait(6 * SECOND)
    assert "5 packets transmitted, 5 received" in engine.run("a", "cat /tmp/ping.txt").text


# Places


def test_login_the_shell_is_another_and_jobs_of_the_one_before_go_on(engine):
    engine.run("a", "hostname() { echo mine; }; cd /tmp")
    engine.run("a", "(sleep 90; touch /root/done; echo printed) &")
    engine.login()
    assert engine.run("a", "hostname; pwd").text == "a\n/root\n"
    engine.wait(100 * SECOND)
    assert engine.run("a", "ls /root/done").text == "/root/done\n"


def test_job_that_sleeps_the_device_tells_when_it_goes_on(engine):
    assert engine.observe().devices["a"].state.left_until_ns is None
    engine.run("a", "(sleep 3600; true) &")
    engine.run("a", "sleep 30 &")
    until = engine.observe().devices["a"].state.left_until_ns
    assert 3590 * SECOND < until - engine.now <= 3600 * SECOND
    engine.wait(until - engine.now + SECOND)
    assert engine.observe().devices["a"].state.left_until_ns is None


def test_address_with_an_end_and_nobody_who_renews_it_the_device_tells_when(engine):
    engine.run("a", "ip addr add 10.0.1.77/24 dev eth0 valid_lft 600 preferred_lft 600")
    until = engine.observe().devices["a"].state.left_until_ns
    assert 590 * SECOND < until - engine.now <= 600 * SECOND


def test_elements_of_sets_end_when_their_time_is_over(engine):
    engine.run("r", "nft add table ip f; nft add set ip f closed '{ type ipv4_addr; flags timeout; timeout 5m; }'")
    engine.run("r", "nft add element ip f closed '{ 10.0.1.10, 10.0.1.11 timeout 2m }'")
    engine.run("r", "nft add chain ip f forward '{ type filter hook forward priority 0; }'")
    engine.run("r", "nft add rule ip f forward ip saddr @closed drop")
    assert lost(engine.run("a", "ping -c 1 -W 1 10.0.2.10")) == 100
    engine.wait(150 * SECOND)
    listed = engine.run("r", "nft list set ip f closed").text
    assert "10.0.1.11" not in listed
    assert re.search(r"10\.0\.1\.10 expires 2m2\ds", listed)
    engine.wait(150 * SECOND)
    assert "10.0.1.10" not in engine.run("r", "nft list set ip f closed").text
    assert lost(engine.run("a", "ping -c 1 -W 1 10.0.2.10")) == 0


def test_unknown_place_names_the_places(engine):
    with pytest.raises(CommandRejected, match="places are: a, sw, r, c, hands"):
        engine.run("b", "ip addr")


def test_line_that_is_too_long_is_refused(engine):
    with pytest.raises(CommandRejected, match="characters"):
        engine.run("a", "x" * 20_000)


def test_device_without_power_does_not_react(engine):
    engine.power("a", on=False)
    assert engine.run("a", "ip addr").status == 255


# Power


def test_power_cut_forgets_what_was_typed_and_keeps_what_was_written(engine):
    engine.run(
        "a", "ip addr add 10.0.1.77/24 dev eth0; echo kept > /root/note; echo gone > /run/note; ping 10.0.2.10 &"
    )
    engine.power("a", on=False)
    engine.wait(SECOND)
    engine.power("a", on=True)
    engine.wait(30 * SECOND)
    assert "10.0.1.77" not in engine.run("a", "ip addr").text
    assert "10.0.1.10/24" in engine.run("a", "ip addr").text
    assert engine.run("a", "cat /root/note").text == "kept\n"
    assert engine.run("a", "cat /run/note").status == 1
    assert engine.run("a", "jobs").text == ""
    assert lost(engine.run("a", "ping -c 1 10.0.2.10")) == 0


def test_power_cut_the_neighbour_sees_the_link_go_and_come_back(engine):
    engine.power("c", on=False)
    assert not engine.node("r").interfaces["wan"].carrier
    engine.power("c", on=True)
    engine.wait(30 * SECOND)
    assert engine.node("r").interfaces["wan"].carrier
    assert lost(engine.run("a", "ping -c 1 10.0.2.10")) == 0


def test_switch_without_power_everybody_behind_it_is_cut_off(engine):
    engine.power("sw", on=False)
    assert lost(engine.run("a", "ping -c 1 -W 1 10.0.1.1")) == 100


def test_power_cut_at_any_moment_nothing_old_happens_after_it(engine):
    """Timers, frames on their way and programs of the life before are gone."""
    engine.run("a", "ping -c 100 10.0.2.10 > /dev/null &")
    for _ in range(5):
        engine.wait(777_777)
        engine.power("a", on=False)
        engine.wait(333)
        engine.power("a", on=True)
    engine.wait(60 * SECOND)
    assert not [p for p in engine.node("a").processes if p.name == "ping"]
    assert lost(engine.run("a", "ping -c 1 10.0.2.10")) == 0


# Leads


def test_unplug_and_plug_carrier_follows_and_traffic_comes_back(engine):
    link = engine.unplug(Endpoint("c", "eth0"))
    assert not engine.node("c").interfaces["eth0"].carrier
    assert not engine.node("r").interfaces["wan"].carrier
    assert lost(engine.run("a", "ping -c 1 -W 1 10.0.2.10")) == 100
    engine.plug(link)
    assert engine.node("r").interfaces["wan"].carrier
    assert lost(engine.run("a", "ping -c 1 10.0.2.10")) == 0


def test_unplug_of_an_empty_port_does_nothing(engine):
    assert engine.unplug(Endpoint("sw", "p3")) is None


def test_lead_moved_to_another_port_of_the_switch_works_at_once(engine):
    engine.run("a", "ping -c 1 10.0.2.10")
    link = engine.unplug(Endpoint("a", "eth0"))
    engine.plug(replace(link, b=Endpoint("sw", "p3")))
    assert lost(engine.run("a", "ping -c 1 10.0.2.10")) == 0


def test_interface_down_is_seen_at_the_other_end(engine):
    engine.run("c", "ip link set eth0 down")
    assert "NO-CARRIER" in engine.run("r", "ip link show wan").text
    engine.run("c", "ip link set eth0 up")
    assert "NO-CARRIER" not in engine.run("r", "ip link show wan").text


def test_frame_on_its_way_when_the_lead_is_pulled_is_lost(engine):
    engine.run("a", "ping -c 1 10.0.2.10")
    engine.run("a", "ping -c 2 -i 1 10.0.2.10 > /tmp/p &")
    engine.unplug(Endpoint("a", "eth0"))
    engine.wait(20 * SECOND)
    assert "0 received" in engine.run("a", "cat /tmp/p").text


# A loop of switches


def looped() -> Site:
    return site(
        [
            machine("a", {"eth0": "10.0.1.10/24"}),
            machine("b", {"eth0": "10.0.1.11/24"}),
            switch("one", 3),
            switch("two", 3),
        ],
        ["a:eth0 one:p1", "b:eth0 two:p1", "one:p2 two:p2", "one:p3 two:p3"],
    )


def test_two_leads_between_two_switches_are_felt_and_end():
    engine = SimEngine()
    engine.start(looped())
    before = engine._clock.spent
    output = engine.run("a", "ping -c 10 -i 0.2 10.0.1.11")
    assert lost(output) > 20
    engine.wait(60 * SECOND)
    assert engine._clock.spent - before < 100_000


def test_two_leads_between_two_switches_the_loop_is_found():
    engine = SimEngine()
    engine.start(looped())
    engine.run("a", "ping -c 3 10.0.1.11")
    foreseen = engine.foresee("a", Question(IPv4.parse("10.0.1.11")))
    assert any(str(DropReason.STORM) in str(step.what) for step in foreseen.steps)


def test_second_lead_taken_out_the_network_recovers():
    engine = SimEngine()
    engine.start(looped())
    engine.run("a", "ping -c 5 10.0.1.11")
    engine.unplug(Endpoint("one", "p3"))
    engine.wait(30 * SECOND)
    assert lost(engine.run("a", "ping -c 5 -i 0.2 10.0.1.11")) == 0


# Probes


@pytest.mark.parametrize(
    ("probe", "disposition"),
    [
        (Probe("a", "10.0.2.10"), Disposition.DELIVERED),
        (Probe("a", "10.0.2.10", "tcp", 7), Disposition.DELIVERED),
        (Probe("a", "10.0.2.10", "udp", 7), Disposition.DELIVERED),
        (Probe("a", "10.0.2.10", "tcp", 8), Disposition.REFUSED),
        (Probe("a", "10.0.2.10", "udp", 8), Disposition.REFUSED),
        (Probe("a", "10.0.2.99", timeout_ns=9 * SECOND), Disposition.UNREACHABLE),
        (Probe("a", "172.16.0.1"), Disposition.NO_ROUTE),
        (Probe("r", "172.16.0.1", "tcp", 7), Disposition.NO_ROUTE),
        (Probe("a", "nobody.example"), Disposition.NAME_UNKNOWN),
    ],
)
def test_probe_ends_as_the_network_has_it(engine, probe, disposition):
    serve(engine)
    (observation,) = engine.probe([probe])
    assert observation.disposition is disposition
    assert observation.delivered == (disposition is Disposition.DELIVERED)


def test_probe_from_a_device_without_power_has_no_sender(engine):
    engine.power("a", on=False)
    (observation,) = engine.probe([Probe("a", "10.0.2.10")])
    assert observation.disposition is Disposition.NO_SENDER


def test_probe_into_silence_takes_its_timeout_and_no_longer(engine):
    engine.run("c", "nft add table t; nft 'add chain t i { type filter hook input priority 0; policy drop; }'")
    before = engine.now
    (observation,) = engine.probe([Probe("a", "10.0.2.10", timeout_ns=4 * SECOND)])
    assert observation.disposition is Disposition.TIMED_OUT
    assert engine.now - before == 4 * SECOND
    assert observation.death.device == "c"
    assert observation.death.note.reason is DropReason.POLICY


def test_probe_tells_each_hop_in_order_of_time(engine):
    (observation,) = engine.probe([Probe("a", "10.0.2.10")])
    assert observation.arrived_at("c")
    assert not observation.arrived_at("r")
    forwarded = [hop for hop in observation.hops if isinstance(hop.note, Forwarded)]
    assert [(hop.device, hop.note.outgoing) for hop in forwarded] == [("r", "wan"), ("r", "lan")]
    delivered = [hop.device for hop in observation.hops if isinstance(hop.note, Delivered)]
    assert delivered == ["c", "a"]
    assert [hop.at_ns for hop in observation.hops] == sorted(hop.at_ns for hop in observation.hops)
    assert observation.death is None


def test_many_probes_at_once_each_keeps_its_own_hops(engine):
    serve(engine)
    probes = [Probe("a", "10.0.2.10", "tcp", 7), Probe("c", "10.0.1.10", "tcp", 8), Probe("a", "10.0.1.99")] * 3
    observed = engine.probe(probes)
    assert [o.probe for o in observed] == probes
    assert [o.arrived_at("c") for o in observed] == [True, False, False] * 3 or all(
        o.arrived_at("c") for o in observed[::3]
    )
    assert all(not o.delivered for o in observed[2::3])


def test_probes_leave_no_program_and_no_socket_behind(engine):
    before = [len(list(engine.node(name).processes)) for name in engine.site.devices]
    engine.probe([Probe("a", "10.0.2.10", protocol, 7) for protocol in ("ping", "tcp", "udp")] * 5)
    assert [len(list(engine.node(name).processes)) for name in engine.site.devices] == before
    assert engine.node("a").transport.connections() == []
    assert not engine.node("a").tracing


# Observation


def test_observed_site_started_again_is_the_same_configuration(engine):
    observed = engine.observe()
    again = SimEngine()
    again.start(observed)
    for name, device in again.observe().devices.items():
        assert device.state.interfaces == observed.devices[name].state.interfaces
        assert device.state.routes == observed.devices[name].state.routes
        assert device.files == observed.devices[name].files


def test_reboot_takes_twenty_seconds_and_comes_back_from_the_files(engine):
    engine.run("a", "ip addr add 10.0.1.77/24 dev eth0")
    before = engine.now
    engine.run("a", "reboot")
    assert 19 * SECOND < engine.now - before < 25 * SECOND
    engine.wait(30 * SECOND)
    assert "10.0.1.77" not in engine.run("a", "ip addr").text


def test_stopped_engine_knows_no_place(engine):
    engine.stop()
    with pytest.raises(CommandRejected):
        engine.run("a", "ip addr")
