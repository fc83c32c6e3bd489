"""mosquitto_pub, mosquitto_sub and mosquitto_passwd: answers, exit statuses, and what they do."""

from __future__ import annotations

import pytest

from labs.engines.sim import SimEngine
from labs.model.site import Kind
from labs.things.mosquitto_access import parse_passwords
from tests.things_site import SECOND, device, site, started

HINT_PUB = "\n\nUse 'mosquitto_pub --help' to see usage.\n"
HINT_SUB = "\n\nUse 'mosquitto_sub --help' to see usage.\n"


@pytest.fixture(scope="module")
def engine() -> SimEngine:
    laptop = device("laptop", Kind.HOST, 40, {})
    return started(site(more=(laptop,)))


# Tried on mosquitto-clients 2.0.11, text and exit status.
@pytest.mark.parametrize(
    ("line", "text", "status"),
    [
        ("mosquitto_pub -h broker -p 1884 -t a -m 1", "Error: Connection refused\n", 1),
        ("mosquitto_pub -h 192.168.7.1 -t a -m 1", "Error: Network is unreachable\n", 1),
        ("mosquitto_pub -h 192.168.1.99 -t a -m 1", "Error: No route to host\n", 1),
        ("mosquitto_pub -h nosuch -t a -m 1", "Unable to connect (Lookup error.).\n", 1),
        ("mosquitto_pub -h broker -t a -m 1 -p 99999", f"Error: Invalid port given: 99999{HINT_PUB}", 1),
        ("mosquitto_pub -h broker -t a -m 1 -p abc", "Error: No such file or directory\n", 1),
        ("mosquitto_pub -z", f"Error: Unknown option '-z'.{HINT_PUB}", 1),
        ("mosquitto_pub -t a -m 1 extra", f"Error: Unknown option 'extra'.{HINT_PUB}", 1),
        ("mosquitto_pub -t", f"Error: -t argument given but no topic specified.\n{HINT_PUB}", 1),
        ("mosquitto_pub -t a -m", f"Error: -m argument given but no message specified.\n{HINT_PUB}", 1),
        ("mosquitto_pub -t a -m 1 -q 3", f"Error: Invalid QoS given: 3{HINT_PUB}", 1),
        ("mosquitto_pub -t a -m 1 -n", f"Error: Only one type of message can be sent at once.\n{HINT_PUB}", 1),
        (
            "mosquitto_pub -t 'a/+' -m 1",
            f"Error: Invalid publish topic 'a/+', does it contain '+' or '#'?{HINT_PUB}",
            1,
        ),
        (
            "mosquitto_pub -t a -m 1 -k 2",
            f"Error: Invalid keepalive given, it must be between 5 and 65535 inclusive.\n{HINT_PUB}",
            1,
        ),
        ("mosquitto_pub -P p -t a -m 1", "Error: Problem setting username and/or password.\n", 1),
        (
            "mosquitto_pub -h broker -t a -s < /dev/null",
            "Error: Zero length input.\nError loading input from stdin.\n",
            1,
        ),
        ("mosquitto_pub -t a -f /no", 'Error: Unable to open file "/no".\nError loading input file "/no".\n', 1),
        ("mosquitto_sub", f"Error: You must specify a topic to subscribe to.{HINT_SUB}", 1),
        (
            "mosquitto_sub -t 'a/#/b'",
            f"Error: Invalid subscription topic 'a/#/b', are all '+' and '#' wildcards correct?{HINT_SUB}",
            1,
        ),
        ("mosquitto_sub -t a -c", f"Error: You must provide a client id if you are using the -c option.{HINT_SUB}", 1),
        ("mosquitto_sub -t a -C 0", f'Error: Invalid message count "0".\n{HINT_SUB}', 1),
        ("mosquitto_sub -t a -W 0", f'Error: Invalid timeout "0".\n{HINT_SUB}', 1),
        ("mosquitto_sub -t a -F %z", f"Error: Invalid format specifier 'z'.{HINT_SUB}", 1),
        ("mosquitto_sub -t a -V foo", f"Error: Invalid protocol version argument given.\n{HINT_SUB}", 1),
        ("mosquitto_sub -h broker -t quiet -W 2", "Timed out\n", 27),
        ("mosquitto_sub -h broker -t a --cafile x", "Error: Problem setting TLS options: File not found.\n", 1),
        ("mosquitto_sub -h broker -t a --psk x", 'mosquitto_sub: "--psk" (TLS) is not simulated here\n', 1),
        (
            "mosquitto_sub -t a --cafile x --cert y",
            f"Error: Both certfile and keyfile must be provided if one of them is set.{HINT_SUB}",
            1,
        ),
        (
            "mosquitto_sub -p 8883 -t a --tls-version tlsv9",
            "Error: Problem setting TLS options, check the options are valid.\n",
            1,
        ),
        (
            "mosquitto_pub -V 5 -h broker -t a -m 1 -D publish nonsense 1",
            f"Error: Invalid property name given in --property argument.\n{HINT_PUB}",
            1,
        ),
        (
            "mosquitto_pub -h broker -t a -m 1 -D publish message-expiry-interval",
            f"Error: --property argument given but not enough arguments specified.\n{HINT_PUB}",
            1,
        ),
        (
            "mosquitto_pub -h broker -t a -m 1 -D nonsense user-property a b",
            f"Error: Invalid command given in --property argument.\n{HINT_PUB}",
            1,
        ),
        (
            "mosquitto_pub -h broker -t a -m 1 -D connect message-expiry-interval 3",
            f"Error: message-expiry-interval property not allowed for connect in --property argument.\n{HINT_PUB}",
            1,
        ),
        ("mosquitto_sub -V 5 -h broker -t quiet -E", "", 0),
        ("mosquitto_sub -L foo", f"Error: unsupported URL scheme.{HINT_SUB}", 1),
        ("mosquitto_sub -h broker -t a -E -d", None, 0),
    ],
)
def test_client_answers_like_the_real_one(engine: SimEngine, line: str, text: str | None, status: int) -> None:
    output = engine.run("laptop", line)
    assert output.status == status
    if text is not None:
        assert output.text == text


def test_sub_without_an_end_runs_until_ctrl_c(engine: SimEngine) -> None:
    before = engine.now
    output = engine.run("laptop", "mosquitto_sub -h broker -t quiet")
    assert output.text == "^C\n"
    assert engine.now - before == pytest.approx(10 * SECOND, abs=SECOND)


def test_sub_with_a_count_waits_for_its_message(engine: SimEngine) -> None:
    output = engine.run("laptop", "mosquitto_sub -h broker -t home/garden/temperature -C 1 -F '%t %q %r'")
    assert (output.text, output.status) == ("home/garden/temperature 0 0\n", 0)


def test_sub_with_a_count_gives_up_when_nothing_ever_comes(engine: SimEngine) -> None:
    before = engine.now
    assert engine.run("laptop", "mosquitto_sub -h broker -t quiet -C 1").text == "^C\n"
    assert engine.now - before < 400 * SECOND


def test_debug_shows_the_packets(engine: SimEngine) -> None:
    assert engine.run("laptop", "mosquitto_pub -h broker -t d -m 21 -i x -q 1 -r -d").text.splitlines() == [
        "Client x sending CONNECT",
        "Client x received CONNACK (0)",
        "Client x sending PUBLISH (d0, q1, r1, m1, 'd', ... (2 bytes))",
        "Client x received PUBACK (Mid: 1, RC:0)",
        "Client x sending DISCONNECT",
    ]
    assert engine.run("laptop", "mosquitto_sub -h broker -t d -i v -q 1 -C 1 -d").text.splitlines() == [
        "Client v sending CONNECT",
        "Client v received CONNACK (0)",
        "Client v sending SUBSCRIBE (Mid: 1, Topic: d, QoS: 1, Options: 0x00)",
        "Client v received SUBACK",
        "Subscribed (mid: 1): 1",
        "Client v received PUBLISH (d0, q1, r1, m1, 'd', ... (2 bytes))",
        "Client v sending PUBACK (m1, rc0)",
        "21",
        "Client v sending DISCONNECT",
    ]


def test_lines_of_standard_input_are_messages_of_their_own(engine: SimEngine) -> None:
    engine.run("laptop", "printf 'a\\nb\\n' | mosquitto_pub -h broker -t lines -l -r")
    assert engine.run("laptop", "mosquitto_sub -h broker -t lines -C 1").text == "b\n"
    engine.run("laptop", "printf 'a\\nb' | mosquitto_pub -h broker -t lines -s -r")
    assert engine.run("laptop", "mosquitto_sub -h broker -t lines -C 1 -v").text == "lines a\nb\n"


def test_kept_messages_are_told_apart_and_removed(engine: SimEngine) -> None:
    engine.run("laptop", "mosquitto_pub -h broker -t kept/a -m 1 -r")
    assert engine.run("laptop", "mosquitto_sub -h broker -t 'kept/#' -R -W 1").text == "Timed out\n"
    assert (
        engine.run("laptop", "mosquitto_sub -h broker -t 'kept/#' --retained-only -v -W 1").text
        == "kept/a 1\nTimed out\n"
    )
    assert engine.run("laptop", "mosquitto_sub -h broker -t 'kept/#' -T kept/a -W 1").text == "Timed out\n"
    engine.run("laptop", "mosquitto_sub -h broker -t 'kept/#' --remove-retained -W 1")
    assert engine.run("laptop", "mosquitto_sub -h broker -t 'kept/#' -W 1").text == "Timed out\n"


def test_sub_in_a_pipe_feeds_the_next_command(engine: SimEngine) -> None:
    engine.run("laptop", "mosquitto_pub -h broker -t piped -m hello -r")
    assert engine.run("laptop", "mosquitto_sub -h broker -t piped -C 1 | grep -c hello").text == "1\n"


def test_sub_finds_the_broker_again_after_its_restart(engine: SimEngine) -> None:
    engine.run("laptop", "mosquitto_sub -h broker -t again -C 1 > /tmp/again &")
    engine.wait(SECOND)
    broker = engine.node("broker")
    broker.units.stop("mosquitto")
    engine.wait(3 * SECOND)
    broker.units.start("mosquitto")
    engine.wait(3 * SECOND)
    engine.run("broker", "mosquitto_pub -t again -m back")
    engine.wait(SECOND)
    assert engine.run("laptop", "cat /tmp/again").text.startswith("back\n")


def test_no_client_leaves_a_connection_behind(engine: SimEngine) -> None:
    engine.wait(300 * SECOND)
    before = len(engine.node("laptop").transport.connections())
    for _ in range(5):
        engine.run("laptop", "mosquitto_pub -h broker -t a -m 1")
        engine.run("laptop", "mosquitto_sub -h broker -t quiet -W 1")
    engine.wait(300 * SECOND)
    assert len(engine.node("laptop").transport.connections()) == before
    assert len(engine.node("broker").transport.connections()) == 2


def test_passwd_writes_what_the_broker_reads(engine: SimEngine) -> None:
    assert engine.run("laptop", "mosquitto_passwd -c -b /tmp/pw ann one").status == 0
    assert (
        engine.run("laptop", "mosquitto_passwd -b /tmp/pw bob two; mosquitto_passwd -b /tmp/pw ann three").status == 0
    )
    assert engine.run("laptop", "printf 'four\\nfour\\n' | mosquitto_passwd /tmp/pw carl").status == 0
    passwords = parse_passwords(engine.run("laptop", "cat /tmp/pw").text)
    assert list(passwords.hashes) == ["ann", "bob", "carl"]
    assert passwords.accepts("ann", b"three")
    assert not passwords.accepts("ann", b"one")
    assert passwords.accepts("carl", b"four")
    assert engine.run("laptop", "mosquitto_passwd -D /tmp/pw bob").status == 0
    assert list(parse_passwords(engine.run("laptop", "cat /tmp/pw").text).hashes) == ["ann", "carl"]


@pytest.mark.parametrize(
    ("line", "text", "status"),
    [
        ("mosquitto_passwd -D /tmp/empty bob", "Warning: User bob not found in password file.\n", 1),
        ("mosquitto_passwd -b /no a b", "Error: Unable to open password file /no. No such file or directory.\n", 1),
        (
            "mosquitto_passwd -b -c /no/f a b",
            "Error: Unable to open file /no/f for writing. No such file or directory.\n",
            1,
        ),
        ("mosquitto_passwd -b /tmp/empty a:b c", "Error: Username must not contain the ':' character.\n", 1),
        ("mosquitto_passwd -c", "Error: -c argument given but password file or username missing.\n", 1),
        ("mosquitto_passwd -c -D f u", "Error: -c and -D cannot be used together.\n", 1),
        ("mosquitto_passwd /tmp/empty u < /dev/null", "Password: Error: Empty password.\n", 1),
        (
            "printf 'a\\nb\\n' | mosquitto_passwd /tmp/empty u",
            "Password: \nReenter password: \nError: Passwords do not match.\n",
            2,
        ),
    ],
)
def test_passwd_refuses_like_the_real_one(engine: SimEngine, line: str, text: str, status: int) -> None:
    engine.run("laptop", "> /tmp/empty")
    output = engine.run("laptop", line)
    assert (output.text, output.status) == (text, status)


def test_url_says_everything_at_once(engine: SimEngine) -> None:
    engine.run("laptop", "mosquitto_pub -L mqtt://a%40b:p@broker:1883/by/url -m 7 -r")
    assert engine.run("laptop", "mosquitto_sub -L mqtt://broker/by/url -C 1").text == "7\n"


def test_message_of_version_5_says_more(engine: SimEngine) -> None:
    about = "-D publish user-property unit C -D publish message-expiry-interval 60 -D publish content-type text/plain"
    engine.run("laptop", "(sleep 1; mosquitto_pub -V 5 -h broker -t five/a -m 7 " + about + ") &")
    output = engine.run("laptop", "mosquitto_sub -V 5 -h broker -t five/a -C 1 -F '%t %p %P %E %C'")
    assert output.text == "five/a 7 unit:C 60 text/plain\n"


def test_kept_message_of_version_5_expires(engine: SimEngine) -> None:
    engine.run("laptop", "mosquitto_pub -V 5 -h broker -t five/b -m 7 -r -D publish message-expiry-interval 10")
    engine.wait(4 * SECOND)
    assert engine.run("laptop", "mosquitto_sub -V 5 -h broker -t five/b -C 1 -F %E").text == "6\n"
    engine.wait(7 * SECOND)
    assert engine.run("laptop", "mosquitto_sub -h broker -t five/b -W 2").text == "Timed out\n"


def test_session_of_version_5_lasts_as_long_as_it_asks_for(engine: SimEngine) -> None:
    join = "mosquitto_sub -V 5 -h broker -i lasting -c -x 30 -q 1 -t five/c"
    engine.run("laptop", f"{join} -E")
    engine.run("laptop", "mosquitto_pub -h broker -t five/c -q 1 -m missed")
    assert engine.run("laptop", f"{join} -W 2").text == "missed\nTimed out\n"
    engine.run("laptop", "mosquitto_pub -h broker -t five/c -q 1 -m missed")
    engine.wait(31 * SECOND)
    assert engine.run("laptop", f"{join} -W 2").text == "Timed out\n"
