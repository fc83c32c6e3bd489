"""LoRaWAN on a site: joins, counters, duty cycle, collisions, and frames that really cross the network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labs.engines.sim import SimEngine
from labs.engines.sim.air import Air
from labs.model.radio import RadioPlan
from labs.net.actions import RadioSend
from labs.net.radio import Modulation
from labs.scenario.library import load_scenario
from labs.scenario.variant import draw

MINUTE = 60 * 10**9
SITE = draw(load_scenario(Path(__file__).parent.parent / "faults" / "radio_workshop.yaml"), "0").healthy


@pytest.fixture
def engine() -> SimEngine:
    engine = SimEngine()
    engine.start(SITE)
    engine.wait(3 * MINUTE)
    return engine


def server_row(engine: SimEngine, device: str) -> list[str]:
    lines = engine.run("server", "lorawanctl status").text.splitlines()
    return next(line.split() for line in lines if line.startswith(device))


def test_every_sensor_joins_and_its_value_reaches_the_broker(engine: SimEngine) -> None:
    for device in ("t1", "t2", "t3"):
        assert "joined" in engine.run(device, "lorawanctl status").text
    line = "timeout 90 mosquitto_sub -h localhost -u all -P two -t farm/t2/temperature -C 1"
    message = json.loads(engine.run("server", line).text)
    assert message["value"] == pytest.approx(8, abs=0.4)
    assert (message["unit"], message["sf"]) == ("C", 9)


def test_frames_of_the_gateway_cross_the_network_as_udp_1700(engine: SimEngine) -> None:
    assert "1700" in engine.run("server", "timeout 15 tcpdump -n -i eth0 -c 2 udp port 1700").text


def test_firewall_on_the_way_silences_every_sensor(engine: SimEngine) -> None:
    engine.run("server", "nft add table inet f; nft add chain inet f in '{ type filter hook input priority 0; }'")
    engine.run("server", "nft add rule inet f in udp dport 1700 drop")
    before = server_row(engine, "t1")
    engine.wait(5 * MINUTE)
    assert server_row(engine, "t1")[-2] == before[-2]
    assert "no answer from server:1700" in engine.run("lgw", "journalctl -u lora-pkt-fwd").text


def test_moved_sensor_is_heard_otherwise(engine: SimEngine) -> None:
    assert engine.run("hands", "move t3 field").text == "t3 is in field now.\n"
    engine.wait(2 * MINUTE)
    assert server_row(engine, "t3")[-4] == server_row(engine, "t2")[-4]  # RSSI
    line = "timeout 90 mosquitto_sub -h localhost -u all -P two -t farm/t3/temperature -C 1"
    assert json.loads(engine.run("server", line).text)["value"] == pytest.approx(8, abs=0.4)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("move t9 barn", 'there is no device "t9"'),
        ("move t1 moon", 'there is no room "moon"; rooms: barn, cellar, field, office, valley'),
        ("move t1", "usage: move DEVICE shade|sun|heater|draught|ROOM"),
        ("move lgw barn", "lgw hangs on a lead"),
    ],
)
def test_mistyped_move_gets_one_clear_message(engine: SimEngine, line: str, said: str) -> None:
    answer = engine.run("hands", line)
    assert answer.status
    assert said in answer.text


def test_sensor_after_a_power_cut_joins_again_with_a_new_nonce(engine: SimEngine) -> None:
    engine.run("hands", "power cycle t1")
    engine.wait(MINUTE)
    log = engine.run("server", "lorawanctl log 100").text
    assert log.count("t1: joined as") == 2
    assert "already used" not in log


def test_server_after_a_restart_refuses_old_nonces(engine: SimEngine) -> None:
    engine.run("server", "systemctl restart lorawan-server")
    engine.run("t1", "rm /var/lib/lorawan.json")
    engine.run("t1", "systemctl restart lorawan")
    engine.wait(MINUTE)
    assert "t1: join request: DevNonce 1 already used" in engine.run("server", "lorawanctl log 100").text


def test_setting_a_spreading_factor_is_checked(engine: SimEngine) -> None:
    answer = engine.run("t1", "lorawanctl set lorawan.sf 13")
    assert answer.text == 'lorawanctl: "lorawan.sf" is 13; it must be from 7 to 12; nothing was changed\n'
    assert engine.run("sw", "lorawanctl").text == (
        "lorawanctl: this device is neither a LoRaWAN sensor nor a network server\n"
    )


def test_two_equal_frames_at_once_are_both_lost_and_a_much_stronger_one_survives(engine: SimEngine) -> None:
    nodes = {name: engine.node(name) for name in ("t1", "t2", "lgw")}
    rooms = {"t1": "near", "t2": "far", "lgw": "here"}
    how = Modulation(7, 868.1)
    for metres, heard in ((12.0, 0), (500.0, 1)):
        plan = RadioPlan({"here": (0.0, 0.0), "near": (10.0, 0.0), "far": (metres, 0.0)})
        air = Air(nodes, lambda plan=plan: plan, rooms.__getitem__)  # type: ignore[misc]
        frames = [air.send(name, RadioSend(b"x" * 20, how), 0) for name in ("t1", "t2")]
        assert sum(len(air.deliver(frame)) for frame in frames) == heard
    other = air.send("t1", RadioSend(b"x" * 20, how._replace(sf=8)), 0)
    assert len(air.deliver(other)) == 1
