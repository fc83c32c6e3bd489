"""Broker, sensor and screen on a simulated network: the message path, and what breaks it."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from labs.engines.sim import SimEngine
from labs.model.site import Kind
from labs.things.mosquitto_access import hash_password
from labs.things.mosquitto_conf import retained_file
from labs.things.toml_edit import set_toml_key
from tests.things_site import BROKER, DISPLAY, SECOND, SENSOR, device, journal, site, started

LOGIN = {
    "/etc/mosquitto/mosquitto.conf": (
        "listener 1883\nallow_anonymous false\npassword_file /etc/mosquitto/passwd\nacl_file /etc/mosquitto/acl\n"
        "log_type all\npersistence true\npersistence_location /var/lib/mosquitto/\n"
    ),
    "/etc/mosquitto/passwd": f"garden:{hash_password('g1', 'a')}\nscreen:{hash_password('s1', 'b')}\n",
    "/etc/mosquitto/acl": "user garden\ntopic write home/garden/#\n\nuser screen\ntopic read home/#\n",
}
PERSISTENT = {
    "/etc/mosquitto/mosquitto.conf": BROKER["/etc/mosquitto/mosquitto.conf"]
    + "persistence true\npersistence_location /var/lib/mosquitto/\n"
}


def edited(text: str, **keys: object) -> str:
    for key, value in keys.items():
        text = set_toml_key(text, key.replace("__", "."), value)  # type: ignore[arg-type]
    return text


def screen(engine: SimEngine) -> dict[str, object]:
    found = json.loads(engine.run("display", "cat /run/display.json").text)
    assert isinstance(found, dict)
    return found


def truth(engine: SimEngine) -> float:
    return engine.node("sensor").world.sense("temperature", engine.now)


def test_healthy_site_shows_what_the_room_has() -> None:
    engine = started(site())
    engine.wait(3600 * SECOND)
    shown = screen(engine)
    assert shown["value"] == pytest.approx(truth(engine), abs=0.5)
    assert (shown["topic"], shown["retain"], shown["state"]) == ("home/garden/temperature", False, "connected")
    assert shown["text"] == f"{shown['value']} °C"
    assert engine.run("hands", "look display").text.rstrip().endswith(f"on the screen: {shown['text']}")


def test_sensor_in_fahrenheit_makes_the_screen_lie() -> None:
    engine = started(site(sensor=edited(SENSOR, sensor__unit="F")))
    assert screen(engine)["value"] == pytest.approx(truth(engine) * 9 / 5 + 32, abs=1)
    assert str(screen(engine)["text"]).endswith("°C")
    engine.run("sensor", "sensorctl set unit C")
    engine.wait(2 * SECOND)
    assert screen(engine)["value"] == pytest.approx(truth(engine), abs=0.5)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"mqtt__host": "192.168.1.99"}, "cannot connect to 192.168.1.99:1883: No route to host"),
        ({"mqtt__host": "192.168.7.1"}, "cannot connect to 192.168.7.1:1883: Network is unreachable"),
        ({"mqtt__port": 1884}, "cannot connect to broker:1884: Connection refused"),
    ],
)
def test_wrong_broker_address_is_told_in_the_journal(keys: dict[str, object], line: str) -> None:
    engine = started(site(sensor=edited(SENSOR, **keys)))
    assert line in journal(engine, "sensor", "sensor")
    assert screen(engine)["text"] == "--"
    assert line in engine.run("sensor", "sensorctl status").text


def test_unknown_broker_name_is_told_in_the_journal() -> None:
    engine = started(site(sensor=edited(SENSOR, mqtt__host="brokr")))
    assert any(line.startswith("cannot resolve brokr: ") for line in journal(engine, "sensor", "sensor"))


def test_attempts_come_more_and_more_slowly() -> None:
    engine = started(site(sensor=edited(SENSOR, mqtt__port=1884)))
    engine.wait(600 * SECOND)
    times = [line.at_ns for line in engine.node("sensor").units.journal if "cannot connect" in line.text]
    waits = [round((b - a) / SECOND) for a, b in pairwise(times)]
    assert [wait for wait in waits if wait > 1][:7] == [2, 4, 8, 16, 32, 60, 60]


def test_wrong_password_is_refused_on_both_sides() -> None:
    engine = started(site(broker=LOGIN, sensor=edited(SENSOR, mqtt__username="garden", mqtt__password="no")))
    assert "broker:1883: Connection Refused: not authorised." in journal(engine, "sensor", "sensor")
    assert any("disconnected, not authorised." in line for line in journal(engine, "broker", "mosquitto"))
    engine.run("sensor", "sensorctl set mqtt.password g1")
    engine.wait(SECOND)
    assert "connected" in engine.run("sensor", "sensorctl").text


def test_denied_topic_is_silent_for_the_sensor_and_told_by_the_broker() -> None:
    engine = started(
        site(
            broker=LOGIN,
            sensor=edited(SENSOR, mqtt__username="garden", mqtt__password="g1", mqtt__topic="home/attic/temperature"),
            display=edited(DISPLAY, mqtt__username="screen", mqtt__password="s1", mqtt__topic="home/#"),
        )
    )
    assert "Errors     0" in engine.run("sensor", "sensorctl").text
    assert any("Denied PUBLISH from garden-sensor" in line for line in journal(engine, "broker", "mosquitto"))
    assert screen(engine)["text"] == "--"


def test_kept_message_of_a_dead_sensor_stays_on_the_screen_until_it_is_deleted() -> None:
    path, line = retained_file("home/garden/temperature", '{"value": 72.0, "unit": "F", "at": "2025-11-02T16:20:00Z"}')
    engine = started(site(broker={**PERSISTENT, path: line}, sensor=edited(SENSOR, mqtt__topic="garden/temp")))
    shown = screen(engine)
    assert (shown["text"], shown["retain"], shown["payload_at"]) == ("72.0 °C", True, "2025-11-02T16:20:00Z")
    engine.run("broker", "mosquitto_pub -t home/garden/temperature -r -n")
    engine.wait(11 * SECOND)
    assert screen(engine)["text"] == "--"
    assert engine.observe().devices["broker"].files[path] == ""


def test_kept_message_survives_a_restart_of_the_broker() -> None:
    engine = started(site(broker=PERSISTENT))
    engine.run("broker", "mosquitto_pub -t keep/me -r -m 42")
    broker = engine.node("broker")
    broker.units.stop("mosquitto")
    broker.units.start("mosquitto")
    assert engine.run("broker", "mosquitto_sub -t 'keep/#' -v -C 1 -W 5").text == "keep/me 42\n"


def test_broker_that_comes_back_is_found_again() -> None:
    engine = started(site())
    engine.run("hands", "power off broker")
    engine.wait(300 * SECOND)
    assert screen(engine)["state"] == "failed"
    assert "connection to broker:1883 lost: the broker does not answer" in journal(engine, "sensor", "sensor")
    engine.run("hands", "power on broker")
    engine.wait(90 * SECOND)
    shown = screen(engine)
    assert shown["state"] == "connected"
    assert engine.now - int(str(shown["received_ns"])) < 31 * SECOND


def test_unplugged_sensor_is_noticed_by_the_broker_after_its_keepalive() -> None:
    engine = started(site(sensor=edited(SENSOR, mqtt__keepalive_s=20)))
    engine.run("hands", "unplug sensor:eth0")
    engine.wait(40 * SECOND)
    assert "Client garden-sensor has exceeded timeout, disconnecting." in [
        line.partition(": ")[2] for line in journal(engine, "broker", "mosquitto")
    ]


def test_two_sensors_of_one_client_id_push_each_other_out() -> None:
    twin = device("twin", Kind.SENSOR, 21, {"/etc/sensor.toml": edited(SENSOR, mqtt__topic="home/twin")}, ("sensor",))
    engine = started(site(more=(twin,)))
    engine.wait(120 * SECOND)
    closed = [
        line for line in journal(engine, "broker", "mosquitto") if "already connected, closing old connection" in line
    ]
    assert len(closed) > 10
    assert any("connection to broker:1883 lost" in line for line in journal(engine, "twin", "sensor"))
    engine.run("twin", "sensorctl set client_id twin-sensor")
    engine.wait(120 * SECOND)
    before = len(journal(engine, "twin", "sensor"))
    engine.wait(120 * SECOND)
    assert len(journal(engine, "twin", "sensor")) == before


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_every_qos_arrives(qos: int) -> None:
    engine = started(site(sensor=edited(SENSOR, mqtt__qos=qos), display=edited(DISPLAY, mqtt__qos=qos)))
    engine.wait(300 * SECOND)
    shown = screen(engine)
    assert engine.now - int(str(shown["received_ns"])) <= 30 * SECOND
    assert "Waiting" not in engine.run("sensor", "sensorctl").text


@pytest.mark.parametrize(
    ("name", "unit", "path", "text", "line", "status"),
    [
        (
            "broker",
            "mosquitto",
            "/etc/mosquitto/mosquitto.conf",
            "foo\n",
            'Error: Unknown configuration variable "foo".',
            3,
        ),
        ("sensor", "sensor", "/etc/sensor.toml", "[sensor\n", "/etc/sensor.toml: line 1, column 8", 78),
        (
            "display",
            "display",
            "/etc/display.toml",
            '[screen]\nunit = "C"\n',
            '/etc/display.toml: missing key "mqtt.host"',
            78,
        ),
    ],
)
def test_unit_with_a_bad_file_fails_and_says_why(
    name: str, unit: str, path: str, text: str, line: str, status: int
) -> None:
    engine = started(site())
    node = engine.node(name)
    node.files.write(path, text)
    node.units.stop(unit)
    node.units.start(unit)
    assert node.units.state(unit).active == "failed"
    assert node.units.state(unit).status == status
    assert any(line in entry for entry in journal(engine, name, unit))


def test_broker_without_a_listener_serves_its_own_machine_only() -> None:
    engine = started(site(broker={"/etc/mosquitto/mosquitto.conf": "persistence false\n"}))
    assert "cannot connect to broker:1883: Connection refused" in journal(engine, "sensor", "sensor")
    assert engine.run("broker", "mosquitto_pub -t a -m b").status == 0


def test_reloaded_broker_takes_new_passwords() -> None:
    engine = started(site(broker=LOGIN))
    assert engine.run("broker", "mosquitto_pub -u new -P p -t a -m b").status == 5
    engine.run("broker", "mosquitto_passwd -b /etc/mosquitto/passwd new p")
    process = engine.node("broker").units.state("mosquitto").process
    assert process is not None
    process.kill(1)
    assert engine.run("broker", "mosquitto_pub -u new -P p -t a -m b").status == 0


def test_stale_value_gets_its_moment_beside_it() -> None:
    engine = started(site(display=edited(DISPLAY, screen__stale_after_s=90)))
    assert "since" not in str(screen(engine)["text"])
    engine.run("hands", "power off sensor")
    engine.wait(100 * SECOND)
    assert str(screen(engine)["text"]).endswith(" UTC)")


def test_a_day_is_the_same_twice() -> None:
    def day() -> list[object]:
        engine = started(site(sensor=edited(SENSOR, sensor__interval_s=60)))
        engine.wait(6 * 3600 * SECOND)
        return [screen(engine), *journal(engine, "broker", "mosquitto"), engine.run("sensor", "sensorctl").text]

    assert day() == day()


# sensorctl


@pytest.fixture
def running() -> SimEngine:
    return started(site())


@pytest.mark.parametrize(
    ("line", "text", "status"),
    [
        ("sensorctl get mqtt.host", "broker\n", 0),
        ("sensorctl get retain", "false\n", 0),
        ("sensorctl get offset", "0.0\n", 0),
        ("sensorctl get nothing", 'sensorctl: unknown key "nothing"; keys are: ', 1),
        (
            "sensorctl set interval_s soon",
            'sensorctl: "sensor.interval_s" must be a whole number: "soon" is not a number\n',
            1,
        ),
        (
            "sensorctl set interval_s 0",
            '"sensor.interval_s" is 0; it must be from 1 to 86400; nothing was changed\n',
            1,
        ),
        ("sensorctl set", 'sensorctl: wrong number of words after "set"; try: sensorctl help\n', 2),
        ("sensorctl frob", 'sensorctl: unknown command "frob"; try: sensorctl help\n', 2),
        ("sensorctl reset", "sensorctl: there are no factory settings", 1),
        ("sensorctl log x", 'sensorctl: "x" is not a number of lines\n', 2),
    ],
)
def test_sensorctl_answers(running: SimEngine, line: str, text: str, status: int) -> None:
    output = running.run("sensor", line)
    assert text in output.text
    assert output.status == status


def test_sensorctl_set_keeps_the_layout_and_takes_a_decimal_comma(running: SimEngine) -> None:
    assert running.run("sensor", "sensorctl set sensor.offset 1,5").status == 0
    after = running.run("sensor", "sensorctl config").text
    assert after == SENSOR.replace("interval_s = 30\n", "interval_s = 30\noffset = 1.5\n")


def test_sensorctl_reset_goes_back_to_the_factory(running: SimEngine) -> None:
    factory = edited(SENSOR, mqtt__host="broker.example")
    node = running.node("sensor")
    node.files.write("/etc/factory", "")
    node.files.make_directory("/usr") if not node.files.exists("/usr") else None
    for folder in ("/usr/share", "/usr/share/sensor"):
        if not node.files.exists(folder):
            node.files.make_directory(folder)
    node.files.write("/usr/share/sensor/factory.toml", factory)
    assert running.run("sensor", "sensorctl reset").status == 0
    assert running.run("sensor", "sensorctl get host").text == "broker.example\n"


def test_sensorctl_on_another_device_says_so(running: SimEngine) -> None:
    output = running.run("broker", "sensorctl")
    assert (output.text, output.status) == ("sensorctl: this device is no sensor, display or actuator\n", 1)
