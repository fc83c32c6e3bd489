"""CoAP bytes as aiocoap makes them, and what a server of small resources answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.things.coap.message import Block, CoapError, Code, Message, Option, Type, decode, encode, uint
from labs.things.coap.server import Resource, Server

PATH, QUERY = int(Option.URI_PATH), int(Option.URI_QUERY)
# Messages as aiocoap 0.4.17 encodes them.
ENCODED = [
    (
        Message(Type.CON, Code.GET, 0xF23D, b"\x01", ((PATH, b".well-known"), (PATH, b"core"))),
        "4101f23d01bb2e77656c6c2d6b6e6f776e04636f7265",
    ),
    (
        Message(
            Type.NON,
            Code.GET,
            1,
            b"\xca\xfe",
            ((6, b""), (PATH, b"sensors"), (PATH, b"temperature"), (QUERY, b"unit=K"), (17, b"2")),
        ),
        "52010001cafe605773656e736f72730b74656d706572617475726546756e69743d4b2132",
    ),
    (
        Message(Type.ACK, Code.CONTENT, 0xF23D, b"\x01", ((12, b""), (14, b"\x3c")), b"21.5"),
        "6145f23d01c0213cff32312e35",
    ),
    (
        Message(Type.NON, Code.CONTENT, 7, b"\xca\xfe", ((6, b"\x01\x2c"), (12, b"2")), b'{"v":1}'),
        "52450007cafe62012c6132ff7b2276223a317d",
    ),
    (
        Message(Type.ACK, Code.CONTENT, 9, b"\x02", ((23, Block(1, more=True, exponent=0).encode()),), b"x" * 16),
        "6145000902d10a18ff" + "78" * 16,
    ),
    (Message(Type.ACK, Code.NOT_FOUND, 3), "60840003"),
    (
        Message(Type.CON, Code.GET, 4, b"12345678", ((PATH, b"a" * 300),)),
        "480100043132333435363738be001f" + "61" * 300,
    ),
]


@pytest.mark.parametrize(("message", "data"), ENCODED)
def test_message_is_what_aiocoap_encodes(message: Message, data: str) -> None:
    assert encode(message).hex() == data
    assert decode(bytes.fromhex(data)) == message


messages = st.builds(
    Message,
    st.sampled_from(Type),
    st.integers(0, 255),
    st.integers(0, 65535),
    st.binary(max_size=8),
    st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=300)), max_size=6).map(
        lambda options: tuple(sorted(options, key=lambda pair: pair[0]))
    ),
    st.binary(max_size=50),
)


@given(messages)
def test_message_comes_back_as_it_was(message: Message) -> None:
    assert decode(encode(message)) == message


@given(st.binary(max_size=40))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        decode(data)
    except CoapError:
        return


def server() -> tuple[Server, list[bytes]]:
    state = [b"off"]

    def write(payload: bytes) -> None:
        if payload not in (b"on", b"off"):
            raise ValueError(payload)
        state[0] = payload

    return Server(
        {
            "relay": Resource("Relay", lambda: state[0], write),
            "temperature": Resource("Temperature", lambda: b"21.5", observable=True),
            "long": Resource("Long", lambda: bytes(range(65, 91)) * 100),
        }
    ), state


def ask(known: Server, code: int, path: str, number: int = 1, payload: bytes = b"", **options: bytes) -> Message:
    pairs = [(PATH, part.encode()) for part in path.split("/")]
    pairs += [(int(Option[name.upper()]), value) for name, value in options.items()]
    message = Message(Type.CON, code, number, b"t", tuple(sorted(pairs)), payload)
    answer = known.receive(("peer", 1), encode(message), 0)
    assert answer is not None
    return decode(answer)


def test_answer_rides_on_the_acknowledgement_with_the_same_token() -> None:
    found = ask(server()[0], Code.GET, "temperature", 77)
    assert (found.type, found.id, found.token, found.code, found.payload) == (Type.ACK, 77, b"t", Code.CONTENT, b"21.5")


@pytest.mark.parametrize(
    ("code", "path", "payload", "expected"),
    [
        (Code.GET, "nope", b"", Code.NOT_FOUND),
        (Code.PUT, "temperature", b"3", Code.METHOD_NOT_ALLOWED),
        (Code.DELETE, "relay", b"", Code.METHOD_NOT_ALLOWED),
        (Code.PUT, "relay", b"on", Code.CHANGED),
        (Code.PUT, "relay", b"maybe", Code.BAD_REQUEST),
        (Code.DELETE, ".well-known/core", b"", Code.METHOD_NOT_ALLOWED),
    ],
)
def test_request_gets_the_code_of_the_standard(code: int, path: str, payload: bytes, expected: Code) -> None:
    assert ask(server()[0], code, path, payload=payload).code == expected


def test_repeated_question_is_answered_alike_and_done_once() -> None:
    known, state = server()
    first = ask(known, Code.PUT, "relay", 5, b"on")
    state[0] = b"off"
    assert ask(known, Code.PUT, "relay", 5, b"on") == first
    assert state[0] == b"off"


def test_long_body_comes_in_blocks() -> None:
    known, _ = server()
    body, number = b"", 0
    while True:
        block = Block(number, more=False, exponent=4)
        found = ask(known, Code.GET, "long", 100 + number, block2=block.encode())
        body += found.payload
        value = found.option(Option.BLOCK2)
        assert value is not None
        if not Block.decode(value).more:
            break
        number += 1
    assert body == bytes(range(65, 91)) * 100
    assert number == 10


def test_observer_hears_until_it_says_stop() -> None:
    known, _ = server()
    assert ask(known, Code.GET, "temperature", 1, observe=b"").option(Option.OBSERVE) is not None
    ((peer, data),) = known.notify("temperature")
    assert peer == ("peer", 1)
    assert decode(data).token == b"t"
    ask(known, Code.GET, "temperature", 2, observe=uint(1))
    assert known.notify("temperature") == []


def test_ping_is_answered_with_a_reset() -> None:
    answer = server()[0].receive(("peer", 1), encode(Message(Type.CON, Code.EMPTY, 9)), 0)
    assert answer is not None
    assert decode(answer) == Message(Type.RST, Code.EMPTY, 9)


def test_option_that_must_be_understood_and_is_not_is_refused() -> None:
    message = Message(Type.CON, Code.GET, 1, b"", ((PATH, b"relay"), (2049, b"")))
    answer = server()[0].receive(("peer", 1), encode(message), 0)
    assert answer is not None
    assert decode(answer).code == Code.BAD_OPTION
