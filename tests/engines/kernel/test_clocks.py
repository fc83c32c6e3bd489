"""Clocks that a judge puts forward, and what no judge of an engine in real time can have."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from grader.checks.context import Context
from grader.checks.hearing import listen
from labs.engines.base import BeyondEngine
from labs.engines.kernel import KernelEngine
from labs.engines.kernel.clock import LabClock
from labs.model.world import ARRIVAL_NS
from labs.scenario.data_intents import Listening
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw
from tests.engines.kernel.kernel_site import device, needs_kernel, running, site, two_networks

pytestmark = needs_kernel

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


@pytest.fixture
def lab():
    with running(two_networks()) as engine:
        yield engine


def test_clocks_put_forward_the_lab_is_later_and_what_a_tool_shows_is_now(lab: KernelEngine):
    before = lab.now
    lab.elapse(45 * MINUTE)
    assert 45 * MINUTE <= lab.now - before < 46 * MINUTE
    shown = int(lab.run("pc", "date +%s%N").text)
    assert abs(lab.moment("pc", shown) - lab.now) < 2 * SECOND
    assert "1 received" in lab.run("pc", "ping -c 1 -W 1 10.9.0.2").text


def test_job_in_the_background_clocks_are_not_put_forward(lab: KernelEngine):
    assert lab.run("pc", "sleep 300 & job=$!").status == 0
    with pytest.raises(BeyondEngine, match="pc: something that was started in its shell still runs"):
        lab.elapse(MINUTE)
    lab.run("pc", "kill $job; wait")
    lab.elapse(MINUTE)


def test_process_that_left_its_shell_clocks_are_not_put_forward(lab: KernelEngine):
    assert lab.run("pc", "setsid sh -c 'sleep 300 & ' > /dev/null 2>&1").status == 0
    with pytest.raises(BeyondEngine, match=r"pc: (sleep|sh), which nobody looks after, still runs"):
        lab.elapse(MINUTE)
    lab.run("pc", "pkill sleep")
    lab.elapse(MINUTE)


def test_address_that_ends_clocks_are_not_put_beyond_its_end(lab: KernelEngine):
    lab.run("pc", "ip addr add 10.0.0.9/24 dev eth0 valid_lft 600 preferred_lft 600")
    lab.elapse(5 * MINUTE)
    with pytest.raises(BeyondEngine, match="pc: an address of it would end meanwhile"):
        lab.elapse(6 * MINUTE)


def test_element_with_a_timeout_clocks_are_not_put_beyond_its_end(lab: KernelEngine):
    lab.run("gw", "nft add table inet t; nft add set inet t guests '{ type ipv4_addr; flags timeout; }'")
    assert lab.run("gw", "nft add element inet t guests '{ 10.0.0.2 timeout 10m }'").status == 0
    with pytest.raises(BeyondEngine, match="gw: an element of a set"):
        lab.elapse(11 * MINUTE)


def test_more_than_a_quarter_of_an_hour_nobody_waits(lab: KernelEngine):
    with pytest.raises(BeyondEngine, match="16 min of real time"):
        lab.wait(16 * MINUTE)
    with pytest.raises(BeyondEngine, match="16 min of real time"):
        lab.run("pc", "true", longest_ns=16 * MINUTE)
    assert lab.now - ARRIVAL_NS < MINUTE


def test_hands_wait_an_hour_passes_at_once_and_its_neighbours_are_forgotten(lab: KernelEngine):
    lab.run("pc", "ping -c 1 10.9.0.2")
    before = lab.now
    told = lab.run("hands", "wait 1 h").text.splitlines()
    assert told[0] == "1 h pass."
    assert "clocks of the site were put forward" in told[1]
    assert 60 * MINUTE <= lab.now - before < 61 * MINUTE
    assert lab.run("pc", "ip neigh").text == ""


def test_spanning_tree_has_not_settled_hands_wait_until_it_has(lab: KernelEngine):
    anew = "for port in $(ls /sys/class/net/br0/brif); do ip link set $port down; ip link set $port up; done"
    assert lab.run("sw", f"ip link set br0 type bridge stp_state 1 forward_delay 200; {anew}").status == 0
    assert "state listening" in lab.run("sw", "bridge link").text
    before = lab.now
    assert lab.run("hands", "wait 1 min").status == 0
    assert MINUTE <= lab.now - before < MINUTE + 10 * SECOND
    assert "1 received" in lab.run("pc", "ping -c 1 -W 1 10.9.0.2").text


def test_something_keeps_time_hands_wait_no_longer_than_a_person_would(lab: KernelEngine):
    lab.run("pc", "sleep 300 &")
    told = lab.run("hands", "wait 16 min").text
    assert told == (
        "hands: time cannot be put forward here, and nobody waits more than 15 min: "
        "pc: something that was started in its shell still runs\n"
    )


def test_broker_is_listened_to_each_message_has_the_moment_at_which_it_came():
    conf = {"/etc/mosquitto/mosquitto.conf": "listener 1883\nallow_anonymous true\n"}
    with running(site([device("srv", "server", {"eth0": "10.0.0.2/24"}, conf, units=("mosquitto",))], [])) as engine:
        engine.elapse(MINUTE)
        engine.run("srv", "(for n in 1 2; do sleep 1; mosquitto_pub -h 127.0.0.1 -t a -m $n; done) > /dev/null 2>&1 &")
        scenario = SimpleNamespace(checks=())
        context = Context(engine, SimpleNamespace(broken=None, scenario=scenario))
        recording = listen(context, Listening(broker="srv", during=5 * SECOND))
    first, second = recording.messages
    assert [first.payload, second.payload] == [b"1", b"2"]
    assert recording.began_ns < first.at_ns < second.at_ns < recording.ended_ns - SECOND
    assert 0.8 < (second.at_ns - first.at_ns) / SECOND < 1.9


def test_thing_speaks_now_and_then_hours_are_heard_in_moments_unless_somebody_keeps_time():
    variant = draw(find_scenario("first-sensor-online"), 0)
    body = Listening(broker="server", user="house", password="sleutel-onder-de-mat", during=20 * MINUTE)
    alone = SimpleNamespace(broken=None, scenario=SimpleNamespace(checks=()))
    with running(variant.healthy) as engine:
        began = time.monotonic()
        spoken = listen(Context(engine, alone), body).on("home/garden/+")
        apart = [later.at_ns - earlier.at_ns for earlier, later in itertools.pairwise(spoken)]
        assert len(spoken) in range(38, 43)
        assert all(29 * SECOND < gap < 31 * SECOND for gap in apart)
        engine.power("sensor", on=False)
        silence = listen(Context(engine, alone), replace(body, during=3 * MINUTE))
        assert not silence.problem
        assert not silence.on("home/garden/+")
        assert silence.ended_ns - silence.began_ns > 3 * MINUTE
        assert time.monotonic() - began < 120
        engine.run("server", "(sleep 100; true) > /dev/null 2>&1 &")
        lasting = listen(Context(engine, alone), replace(body, during=5 * SECOND))
        assert lasting.ended_ns - lasting.began_ns < 7 * SECOND
    wrong = replace(body, password="wrong")
    with running(variant.healthy) as engine:
        assert "not authorised" in listen(Context(engine, alone), wrong).problem


def test_site_that_takes_longer_to_start_than_the_trainee_to_come_its_clock_stands_at_his_arrival():
    clock = LabClock(time.monotonic_ns() - 75 * SECOND)
    clock.arrive(ARRIVAL_NS)
    assert ARRIVAL_NS <= clock.now < ARRIVAL_NS + SECOND
    assert clock.elapsed_ns == 0


def test_clock_is_put_forward_a_moment_of_the_machine_keeps_its_time_in_the_lab():
    clock = LabClock()
    moments = []
    for _ in range(5):
        moments.append((time.time_ns(), clock.now))
        clock.forward(10 * MINUTE)
    for unix_ns, at in moments:
        assert abs(clock.moment(unix_ns) - at) < SECOND // 10
    assert clock.elapsed_ns == 50 * MINUTE
