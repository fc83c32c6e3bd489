"""The broker machine: bytes in, bytes and log lines out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labs.things.mosquitto_access import hash_password, parse_acl, parse_passwords
from labs.things.mosquitto_conf import Retained, parse_mosquitto_conf
from labs.things.mqtt.broker import Broker, Close, Log, Send
from labs.things.mqtt.codec import (
    Ack,
    AckKind,
    Connack,
    Connect,
    Decoder,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
    Will,
    encode,
)

SECOND = 1_000_000_000
OPEN = "listener 1883\nallow_anonymous true\n"


class Bench:
    """A broker with as many clients as the test wants; time is what the test says."""

    def __init__(self, conf: str = OPEN, passwords: str | None = None, acl: str | None = None, **options) -> None:
        self.broker = Broker(
            parse_mosquitto_conf(conf),
            passwords=None if passwords is None else parse_passwords(passwords),
            access=None if acl is None else parse_acl(acl),
            **options,
        )
        self.now = 0
        self.got: dict[int, list[Packet]] = {}
        self.decoders: dict[int, Decoder] = {}
        self.closed: set[int] = set()
        self.log: list[str] = []

    def perform(self, effects) -> None:
        for effect in effects:
            match effect:
                case Send(number, data):
                    self.decoders[number].feed(data)
                    self.got[number] += self.decoders[number].packets()
                case Close(number):
                    self.closed.add(number)
                case Log(_, text):
                    self.log.append(text)

    def open(self, number: int) -> None:
        self.got[number], self.decoders[number] = [], Decoder()
        self.perform(self.broker.opened(number, "192.168.1.20", 40000 + number, 1883, self.now))

    def send(self, number: int, *packets: Packet) -> list[Packet]:
        """What the client got in answer."""
        self.got[number].clear()
        self.perform(self.broker.received(number, b"".join(map(encode, packets)), self.now))
        return list(self.got[number])

    def join(self, number: int, client_id: str, *filters: tuple[str, int], **options) -> list[Packet]:
        self.open(number)
        answer = self.send(number, Connect(client_id, **options))
        assert isinstance(answer[0], Connack)
        if filters:
            answer += self.send(number, Subscribe(1, filters))
        return answer

    def take(self, number: int) -> list[Packet]:
        got = list(self.got[number])
        self.got[number].clear()
        return got

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)
        while (when := self.broker.next_wake()) is not None and when <= self.now:
            self.perform(self.broker.wake(self.now))


def test_message_reaches_who_subscribed_and_nobody_else() -> None:
    bench = Bench()
    bench.join(1, "screen", ("home/+/temperature", 0))
    bench.join(2, "other", ("garage/#", 0))
    bench.join(3, "sensor")
    bench.take(1)
    bench.send(3, Publish("home/garden/temperature", b"21"))
    assert bench.take(1) == [Publish("home/garden/temperature", b"21")]
    assert bench.take(2) == [Suback(1, (0,))]


def test_connection_is_logged_in_the_words_of_mosquitto() -> None:
    bench = Bench()
    bench.join(1, "sensor", username="garden")
    bench.send(1, Disconnect())
    assert bench.log == [
        "New connection from 192.168.1.20:40001 on port 1883.",
        "New client connected from 192.168.1.20:40001 as sensor (p2, c1, k60, u'garden').",
        "Client sensor disconnected.",
    ]
    assert 1 in bench.closed


def test_retained_message_comes_first_and_marked_to_a_new_subscriber() -> None:
    bench = Bench(retained=[Retained("t", b"old")])
    assert bench.join(1, "a", ("#", 0))[-1] == Publish("t", b"old", retain=True)
    bench.send(1, Publish("t", b"new", retain=True))
    assert bench.take(1) == [Publish("t", b"new")]
    assert bench.broker.retained["t"].payload == b"new"
    assert bench.broker.changed


def test_empty_retained_message_deletes_what_was_kept() -> None:
    bench = Bench(retained=[Retained("t", b"old")])
    bench.join(1, "a")
    bench.send(1, Publish("t", b"", retain=True))
    assert bench.broker.retained == {}
    assert bench.join(2, "b", ("t", 0)) == [Connack(False, 0), Suback(1, (0,))]


def test_same_client_id_closes_the_old_connection() -> None:
    bench = Bench()
    bench.join(1, "twin", will=Will("gone", b"1"))
    bench.join(2, "watcher", ("gone", 0))
    bench.take(2)
    bench.join(3, "twin")
    assert bench.closed == {1}
    assert "Client twin already connected, closing old connection." in bench.log
    assert bench.take(2) == [Publish("gone", b"1")]


def test_wrong_password_is_answered_with_code_5_and_closed() -> None:
    bench = Bench("listener 1883\nallow_anonymous false\n", passwords=f"garden:{hash_password('right', 'salt')}\n")
    for number, (user, password) in enumerate(
        [("garden", b"wrong"), ("nobody", b"right"), ("garden", None), (None, None)]
    ):
        bench.open(number)
        assert bench.send(number, Connect("x", username=user, password=password)) == [Connack(False, 5)]
        assert number in bench.closed
    assert bench.log[-1] == "Client <unknown> disconnected, not authorised."
    assert bench.join(9, "x", username="garden", password=b"right") == [Connack(False, 0)]


def test_denied_publish_looks_like_success_to_the_client() -> None:
    bench = Bench(
        OPEN + "log_type all\n", acl="user garden\ntopic write home/garden/#\nuser screen\ntopic read home/#\n"
    )
    bench.join(1, "screen", ("#", 0), username="screen")
    bench.join(2, "garden", username="garden")
    bench.take(1)
    assert bench.send(2, Publish("home/kitchen/t", b"1", 1, packet_id=4)) == [Ack(AckKind.PUBACK, 4)]
    assert bench.take(1) == []
    assert "Denied PUBLISH from garden (d0, q1, r0, m4, 'home/kitchen/t', ... (1 bytes))" in bench.log
    bench.send(2, Publish("home/garden/t", b"1"))
    assert bench.take(1) == [Publish("home/garden/t", b"1")]


def test_denied_reader_gets_a_granted_subscription_and_nothing_else() -> None:
    bench = Bench(acl="user a\ntopic readwrite open\n", retained=[Retained("secret", b"1")])
    assert bench.join(1, "a", ("#", 1), username="a") == [Connack(False, 0), Suback(1, (1,))]
    bench.send(1, Publish("open", b"2"))
    assert bench.take(1) == [Publish("open", b"2")]


def test_nobody_publishes_to_the_broker_s_own_topics() -> None:
    bench = Bench()
    bench.join(1, "a", ("$SYS/fake", 0))
    bench.take(1)
    bench.send(1, Publish("$SYS/fake", b"1"))
    assert bench.take(1) == []


def test_sys_topics_are_for_those_who_name_them() -> None:
    bench = Bench()
    assert all(
        not packet.topic.startswith("$") for packet in bench.join(1, "a", ("#", 0)) if isinstance(packet, Publish)
    )
    values = {
        packet.topic: packet.payload for packet in bench.join(2, "b", ("$SYS/#", 0)) if isinstance(packet, Publish)
    }
    assert values["$SYS/broker/clients/connected"] == b"2"
    bench.take(2)
    bench.wait(10)
    assert Publish("$SYS/broker/uptime", b"10 seconds") in bench.take(2)


def test_silence_of_one_and_a_half_keepalives_ends_the_connection_and_publishes_the_will() -> None:
    bench = Bench()
    bench.join(1, "watcher", ("status", 0), keepalive_s=0)
    bench.join(2, "sensor", keepalive_s=20, will=Will("status", b"lost", 0, retain=True))
    bench.take(1)
    bench.wait(29)
    assert bench.closed == set()
    bench.send(2, Pingreq())
    bench.wait(29)
    assert bench.closed == set()
    bench.wait(2)
    assert bench.closed == {2}
    assert "Client sensor has exceeded timeout, disconnecting." in bench.log
    assert bench.take(1) == [Publish("status", b"lost")]
    assert bench.broker.retained["status"].payload == b"lost"


def test_leaving_politely_takes_the_will_along() -> None:
    bench = Bench()
    bench.join(1, "watcher", ("status", 0))
    bench.join(2, "sensor", will=Will("status", b"lost"))
    bench.take(1)
    bench.send(2, Disconnect())
    assert bench.take(1) == []


def test_persistent_session_gets_what_it_missed() -> None:
    bench = Bench()
    bench.join(1, "screen", ("t", 1), clean=False)
    bench.send(1, Disconnect())
    bench.join(2, "sensor")
    bench.send(2, Publish("t", b"0", 0), Publish("t", b"1", 1, packet_id=1))
    bench.open(3)
    assert bench.send(3, Connect("screen", clean=False)) == [Connack(True, 0), Publish("t", b"1", 1, packet_id=1)]
    bench.perform(bench.broker.closed(3, bench.now))
    bench.open(4)
    again = bench.send(4, Connect("screen", clean=False))
    assert again == [Connack(True, 0), Publish("t", b"1", 1, dup=True, packet_id=1)]
    bench.send(4, Ack(AckKind.PUBACK, 1))
    bench.open(5)
    assert bench.send(5, Connect("screen", clean=False)) == [Connack(True, 0)]
    bench.open(6)
    assert bench.send(6, Connect("screen")) == [Connack(False, 0)]


def test_queue_of_an_absent_client_is_bounded() -> None:
    bench = Bench(OPEN + "max_queued_messages 3\n")
    bench.join(1, "screen", ("t", 1), clean=False)
    bench.send(1, Disconnect())
    bench.join(2, "sensor")
    for number in range(10):
        bench.send(2, Publish("t", b"%d" % number, 1, packet_id=1))
    assert bench.log.count("Outgoing messages are being dropped for client screen.") == 1
    bench.open(3)
    assert [p.payload for p in bench.send(3, Connect("screen", clean=False)) if isinstance(p, Publish)] == [
        b"0",
        b"1",
        b"2",
    ]


def test_unacknowledged_messages_fill_the_window_and_the_rest_waits() -> None:
    bench = Bench(OPEN + "max_inflight_messages 2\n")
    bench.join(1, "screen", ("t", 1))
    bench.join(2, "sensor")
    bench.take(1)
    for number in range(1, 5):
        bench.send(2, Publish("t", b"%d" % number, 1, packet_id=number))
    assert [p.packet_id for p in bench.take(1) if isinstance(p, Publish)] == [1, 2]
    assert [p.payload for p in bench.send(1, Ack(AckKind.PUBACK, 1)) if isinstance(p, Publish)] == [b"3"]


def test_qos_2_arrives_once_although_it_is_sent_twice() -> None:
    bench = Bench()
    bench.join(1, "screen", ("t", 2))
    bench.join(2, "sensor")
    bench.take(1)
    message = Publish("t", b"x", 2, packet_id=9)
    assert bench.send(2, message) == [Ack(AckKind.PUBREC, 9)]
    assert bench.send(2, message._replace(dup=True)) == [Ack(AckKind.PUBREC, 9)]
    assert bench.send(2, Ack(AckKind.PUBREL, 9)) == [Ack(AckKind.PUBCOMP, 9)]
    [arrived] = bench.take(1)
    assert arrived == Publish("t", b"x", 2, packet_id=1)
    assert bench.send(1, Ack(AckKind.PUBREC, 1)) == [Ack(AckKind.PUBREL, 1)]
    assert bench.send(1, Ack(AckKind.PUBCOMP, 1)) == []


def test_overlapping_filters_give_one_message_at_the_higher_qos() -> None:
    bench = Bench()
    bench.join(1, "screen", ("#", 0), ("t", 1))
    bench.take(1)
    bench.send(1, Publish("t", b"x", 2, packet_id=1))
    assert [p for p in bench.take(1) if isinstance(p, Publish)] == [Publish("t", b"x", 1, packet_id=1)]


def test_unsubscribed_filter_is_silent() -> None:
    bench = Bench()
    bench.join(1, "screen", ("t", 0))
    assert bench.send(1, Unsubscribe(2, ("t",))) == [Ack(AckKind.UNSUBACK, 2)]
    assert bench.send(1, Publish("t", b"x")) == []
    assert bench.send(1, Pingreq()) == [Pingresp()]


def test_protocol_mistakes_close_the_connection_with_a_reason() -> None:
    cases = [
        (encode(Pingreq()), "Client <unknown> disconnected due to protocol error."),
        (encode(Connect("a")) * 2, "Client a disconnected due to protocol error."),
        (encode(Connect("a")) + b"\xf0\x00", "Client a disconnected due to protocol error."),
        (encode(Connect("a", level=9)), "Client <unknown> disconnected due to protocol error."),
        (encode(Connect("", clean=False)), "Client <unknown> disconnected due to protocol error."),
        (
            encode(Connect("a")) + bytes.fromhex("82080001000361236200"),
            "Client a disconnected due to malformed packet.",
        ),
    ]
    for data, text in cases:
        bench = Bench()
        bench.open(1)
        bench.perform(bench.broker.received(1, data, 0))
        assert bench.log[-1] == text
        assert bench.closed == {1}


def test_client_without_an_id_is_given_one() -> None:
    bench = Bench()
    assert bench.join(1, "") == [Connack(False, 0)]
    assert bench.join(2, "") == [Connack(False, 0)]
    assert bench.closed == set()
    assert " as auto-" in bench.log[1]


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_never_break_the_broker(chunks: list[bytes]) -> None:
    bench = Bench(OPEN + "log_type all\n")
    bench.join(1, "good", ("#", 2))
    bench.open(2)
    bench.perform(bench.broker.received(2, encode(Connect("bad")), 0))
    for chunk in chunks:
        bench.perform(bench.broker.received(2, chunk, 0))
    assert bench.send(1, Pingreq()) == [Pingresp()]
