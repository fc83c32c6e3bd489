"""TLS of broker, clients and things. Words and exit statuses are those of mosquitto 2.0.11 with OpenSSL 3.0."""

from __future__ import annotations

import pytest

from labs.engines.sim import SimEngine
from labs.model.site import Kind
from labs.net.certificate import Certificate, certificate_text
from labs.net.tls_session import TlsClient, TlsFailure, TlsServer, Trust
from tests.things_site import SENSOR, device, journal, site, started

NOW = 1_776_150_000
DAY = 86_400
CERTS = "/etc/mosquitto/certs"
CONF = f"""listener 1883 127.0.0.1
allow_anonymous true
listener 8883
cafile {CERTS}/ca.crt
certfile {CERTS}/server.crt
keyfile {CERTS}/server.key
"""


def signed(name: str, begin: int = -90, end: int = 640, issuer: str = "Site CA", key: str = "k") -> Certificate:
    return Certificate(f"CN={name}", f"CN={issuer}", NOW + begin * DAY, NOW + end * DAY, (name,), key)


CA = signed("Site CA", -900, 900)
OTHER_CA = signed("Other CA", -900, 900, "Other CA")
KEY = "-----BEGIN PRIVATE KEY-----\nKey: k\n-----END PRIVATE KEY-----\n"


def broker(certificate: Certificate, conf: str = CONF, key: str = KEY) -> dict[str, str]:
    return {
        "/etc/mosquitto/mosquitto.conf": conf,
        f"{CERTS}/ca.crt": certificate_text(CA),
        f"{CERTS}/server.crt": certificate_text(certificate),
        f"{CERTS}/server.key": key,
    }


GOOD = signed("broker")


def lab(certificate: Certificate = GOOD, conf: str = CONF, sensor: str = "", key: str = KEY) -> SimEngine:
    trust = {
        "/root/ca.crt": certificate_text(CA),
        "/root/other.crt": certificate_text(OTHER_CA),
        "/root/me.crt": certificate_text(signed("garden", key="mine")),
        "/root/me.key": KEY.replace(" k\n", " mine\n"),
        "/root/old.crt": certificate_text(signed("garden", -90, -1, key="mine")),
    }
    text = SENSOR if not sensor else SENSOR.replace("1883", "8883") + sensor
    engine = started(
        site(broker=broker(certificate, conf, key), sensor=text, more=(device("laptop", Kind.HOST, 40, trust),))
    )
    engine.node("sensor").files.write("/root/ca.crt", certificate_text(CA))
    return engine


UNKNOWN_CA = "error:0A000418:SSL routines::tlsv1 alert unknown ca"
EXPIRED = "error:0A000415:SSL routines::sslv3 alert certificate expired"
BAD = "error:0A000412:SSL routines::sslv3 alert bad certificate"
INTERNAL = "error:0A000438:SSL routines::tlsv1 alert internal error"
VERIFY = "error:0A000086:SSL routines::certificate verify failed"
WRONG_NAME = f"Error: host name verification failed.\nOpenSSL Error[0]: {VERIFY}\n"
ALERT = "Unable to connect (A TLS error occurred.).\n"


@pytest.mark.parametrize(
    ("certificate", "options", "text", "status", "logged"),
    [
        (signed("broker"), "--cafile ca.crt", "", 0, "New client connected"),
        (signed("broker"), "-L mqtts://broker/x --cafile ca.crt", "", 0, "New client connected"),
        (signed("broker"), "--cafile other.crt", ALERT, 1, UNKNOWN_CA),
        (signed("broker"), "", ALERT, 1, UNKNOWN_CA),
        (signed("broker"), "--insecure", ALERT, 1, UNKNOWN_CA),
        (
            signed("broker", -90, -1),
            "--cafile ca.crt",
            ALERT,
            1,
            "error:0A000415:SSL routines::sslv3 alert certificate expired",
        ),
        (
            signed("broker", 5, 90),
            "--cafile ca.crt",
            ALERT,
            1,
            "error:0A000412:SSL routines::sslv3 alert bad certificate",
        ),
        (
            signed("server.example"),
            "--cafile ca.crt",
            ALERT,
            1,
            "error:0A000438:SSL routines::tlsv1 alert internal error",
        ),
        (signed("server.example"), "--cafile ca.crt --insecure", "", 0, "New client connected"),
        (
            signed("server.example"),
            "--cafile ca.crt -d",
            ALERT + WRONG_NAME,
            1,
            "Protocol error",
        ),
        (signed("broker"), "--cafile nope.crt", "Error: Problem setting TLS options: File not found.\n", 1, ""),
    ],
)
def test_certificate_decides(certificate: Certificate, options: str, text: str, status: int, logged: str) -> None:
    engine = lab(certificate)
    output = engine.run("laptop", f"mosquitto_sub -h broker -p 8883 -t x -E {options}")
    assert (output.text, output.status) == (text, status)
    engine.wait(10**9)
    assert logged in "\n".join(journal(engine, "broker", "mosquitto"))


def test_clock_in_the_past_believes_no_certificate() -> None:
    engine = lab(sensor='tls = true\ncafile = "/root/ca.crt"\n')
    engine.run("sensor", "date -s '2020-01-01 00:00:00'; systemctl restart sensor; sleep 1")
    said = journal(engine, "sensor", "sensor")
    assert "broker:8883: TLS: certificate is not yet valid" in said[-1]
    engine.run("sensor", "date -s '2026-04-14 07:02:00'; systemctl restart sensor; sleep 1")
    assert journal(engine, "sensor", "sensor")[-1].startswith("connected to broker:8883")


def test_thing_without_tls_at_a_tls_port_is_told_nothing_and_the_broker_knows_why() -> None:
    engine = lab(sensor="tls = false\n")
    assert any("broker:8883" in line for line in journal(engine, "sensor", "sensor"))
    assert "error:0A00010B:SSL routines::wrong version number" in "".join(journal(engine, "broker", "mosquitto"))


def test_tls_client_at_a_plain_port_is_sent_away() -> None:
    engine = lab(conf="listener 1883\nallow_anonymous true\n")
    output = engine.run("laptop", "mosquitto_sub -h broker -p 1883 -t x -E --cafile ca.crt")
    assert (output.text, output.status) == (ALERT, 1)
    engine.wait(10**9)
    assert "Client <unknown> disconnected due to protocol error." in "".join(journal(engine, "broker", "mosquitto"))


@pytest.mark.parametrize(
    ("options", "status", "logged"),
    [
        ("", 1, "error:0A0000C7:SSL routines::peer did not return a certificate"),
        ("--cert me.crt --key me.key", 0, "u'garden'"),
        ("--cert old.crt --key me.key", 1, "error:0A000086:SSL routines::certificate verify failed"),
    ],
)
def test_broker_that_asks_for_certificates(options: str, status: int, logged: str) -> None:
    engine = lab(conf=CONF + "require_certificate true\nuse_identity_as_username true\n")
    output = engine.run("laptop", f"mosquitto_sub -h broker -p 8883 -t x -E --cafile ca.crt {options}")
    assert output.status == status
    assert status == 0 or output.text == "Error: Protocol error\n"
    assert logged in "\n".join(journal(engine, "broker", "mosquitto"))


@pytest.mark.parametrize(
    ("conf", "key", "lines"),
    [
        (
            CONF.replace("server.key", "no.key"),
            KEY,
            [
                f'Error: Unable to load server key file "{CERTS}/no.key". Check keyfile.',
                "OpenSSL Error[0]: error:80000002:system library::No such file or directory",
            ],
        ),
        (
            CONF,
            KEY.replace("k\n", "other\n"),
            [
                f'Error: Unable to load server key file "{CERTS}/server.key". Check keyfile.',
                "OpenSSL Error[0]: error:05800074:x509 certificate routines::key values mismatch",
            ],
        ),
        (
            CONF.replace("ca.crt", "no.crt"),
            KEY,
            [f'Error: Unable to load CA certificates. Check cafile "{CERTS}/no.crt".'],
        ),
        (CONF + "tls_version tlsv1.9\n", KEY, ['Error: Unsupported tls_version "tlsv1.9".']),
        (
            CONF.replace("server.crt", "server.key"),
            KEY,
            [
                f'Error: Unable to load server certificate "{CERTS}/server.key". Check certfile.',
                "OpenSSL Error[0]: error:0480006C:PEM routines::no start line",
            ],
        ),
    ],
)
def test_broker_with_bad_files_does_not_start(conf: str, key: str, lines: list[str]) -> None:
    said = journal(lab(conf=conf, key=key), "broker", "mosquitto")
    text = [line.partition(": ")[2] if line[:10].isdigit() else line for line in said]
    assert [line for line in lines if line not in text] == []


def test_new_certificate_counts_after_a_reload() -> None:
    engine = lab(signed("broker", -90, -1))
    engine.node("broker").files.write(f"{CERTS}/server.crt", certificate_text(signed("broker")))
    engine.run("broker", "systemctl reload mosquitto")
    assert engine.run("laptop", "mosquitto_sub -h broker -p 8883 -t x -E --cafile ca.crt").status == 0


def test_listener_with_a_limit_denies_the_next_one() -> None:
    engine = lab(conf="listener 1884\nmax_connections 1\nallow_anonymous true\n")
    engine.run("laptop", "mosquitto_sub -h broker -p 1884 -t x &")
    assert engine.run("laptop", "mosquitto_sub -h broker -p 1884 -t x -E -W 3").status == 27
    said = journal(engine, "broker", "mosquitto")
    assert any("Client connection from 192.168.1.40 denied: max_connections exceeded." in line for line in said)


def test_listener_bound_to_an_interface_answers_there_alone() -> None:
    engine = lab(conf="listener 1884\nbind_interface lo\nallow_anonymous true\n")
    assert engine.run("broker", "mosquitto_sub -p 1884 -t x -E").status == 0
    assert engine.run("laptop", "mosquitto_sub -h broker -p 1884 -t x -E").text == "Error: Connection refused\n"


def test_records_in_pieces_are_the_same_records() -> None:
    server = TlsServer([signed("broker")])
    client = TlsClient(Trust([CA], NOW, "broker"), "broker")
    for byte in client.outgoing():
        server.receive(bytes([byte]))
    for byte in server.outgoing():
        client.receive(bytes([byte]))
    client.send(b"hello")
    assert b"".join(server.receive(bytes([byte])) for byte in client.outgoing()) == b"hello"


def test_bytes_that_are_no_tls_are_told() -> None:
    with pytest.raises(TlsFailure) as caught:
        TlsServer([signed("broker")]).receive(b"\x10\x0c\x00\x04MQTT")
    assert caught.value.openssl == "error:0A00010B:SSL routines::wrong version number"
