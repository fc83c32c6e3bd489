"""DNS messages as bytes. Before changing this file read RFC 1035 §3 and §4, RFC 2308 §2 and RFC 6891 §6.1."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from labs.model.addresses import IPv4, IPv6

__all__ = [
    "DnsMessage",
    "Question",
    "Record",
    "RecordType",
    "ResponseCode",
    "decode",
    "encode",
    "reverse_name",
    "same_name",
]

PORT = 53  # RFC 1035 §4.2
CLASS_IN = 1  # RFC 1035 §3.2.4
MAX_LABEL = 63  # RFC 1035 §2.3.4
MAX_NAME = 253  # RFC 1035 §2.3.4: 255 octets on the wire
MAX_POINTERS = 64
MAX_RECORDS = 256
HEADER = struct.Struct("!6H")
EXTENDED_ERROR = 15  # RFC 8914 §2, an EDNS option
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010  # RFC 1035 §4.1.1, RFC 4035 §3


class RecordType(IntEnum):
    """TYPE and QTYPE values of RFC 1035 §3.2.2, RFC 3596 and RFC 6891."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33
    OPT = 41
    ANY = 255


class ResponseCode(IntEnum):
    """RCODE values of RFC 1035 §4.1.1."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5


class Question(NamedTuple):
    """What is asked: a name without its final dot, and a type."""

    name: str
    type: int
    class_: int = CLASS_IN


class Record(NamedTuple):
    """One resource record. `data` is an address (A, AAAA), a name (CNAME, NS, PTR) or the bytes of any other type."""

    name: str
    type: int
    ttl_s: int
    data: IPv4 | IPv6 | str | bytes
    class_: int = CLASS_IN


class DnsMessage(NamedTuple):
    """One query or response. `udp_size` is the EDNS buffer size, 0 without an OPT record; `edns` are its options."""

    identifier: int
    questions: tuple[Question, ...] = ()
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    response: bool = False
    opcode: int = 0
    authoritative: bool = False
    truncated: bool = False
    recursion_desired: bool = True
    recursion_available: bool = False
    authentic_data: bool = False
    checking_disabled: bool = False
    code: int = ResponseCode.NOERROR
    udp_size: int = 0
    edns: tuple[tuple[int, bytes], ...] = ()

    @property
    def flags(self) -> int:
        """The second 16 bits of the header."""
        bits = (
            (self.response, QR),
            (self.authoritative, AA),
            (self.truncated, TC),
            (self.recursion_desired, RD),
            (self.recursion_available, RA),
            (self.authentic_data, AD),
            (self.checking_disabled, CD),
        )
        return sum(bit for wanted, bit in bits if wanted) | self.opcode << 11 | self.code


NAME_DATA = frozenset({RecordType.CNAME, RecordType.NS, RecordType.PTR})


def same_name(a: str, b: str) -> bool:
    """Names compare without regard to case (RFC 1035 §2.3.3)."""
    return a.rstrip(".").lower() == b.rstrip(".").lower()


def reverse_name(address: IPv4 | IPv6) -> str:
    """The name whose PTR record names an address (RFC 1035 §3.5, RFC 3596 §2.5)."""
    if isinstance(address, IPv6):
        return ".".join(reversed(f"{int(address):032x}")) + ".ip6.arpa"
    return ".".join(reversed(str(address).split("."))) + ".in-addr.arpa"


def address_of_reverse(name: str) -> IPv4 | IPv6 | None:
    """The address that a complete in-addr.arpa or ip6.arpa name asks for, or None."""
    name = name.lower().rstrip(".")
    head, dot, _ = name.rpartition(".in-addr.arpa")
    try:
        if dot:
            return IPv4.parse(".".join(reversed(head.split("."))))
        head, dot, _ = name.rpartition(".ip6.arpa")
        digits = "".join(reversed(head.split(".")))
        if dot and len(head) == 2 * len(digits) - 1 and len(digits) == IPv6.bits // 4:
            return IPv6(int(digits, 16))
    except ValueError:
        pass
    return None


def legal_name(name: str) -> bool:
    """True where a name fits the limits of RFC 1035 §2.3.4."""
    name = name.removesuffix(".")
    return 0 < len(name) <= MAX_NAME and all(0 < len(label.encode()) <= MAX_LABEL for label in name.split("."))


class _Writer:
    """Bytes of one message, with the positions of names for compression (RFC 1035 §4.1.4)."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._seen: dict[str, int] = {}

    def name(self, name: str) -> None:
        labels = [label for label in name.rstrip(".").split(".") if label]
        for index, label in enumerate(labels):
            rest = ".".join(labels[index:])
            if rest in self._seen:
                self.data += struct.pack("!H", 0xC000 | self._seen[rest])
                return
            if len(self.data) < 0x4000:
                self._seen[rest] = len(self.data)
            raw = label.encode("latin-1", "replace")[:MAX_LABEL]
            self.data += bytes([len(raw)]) + raw
        self.data.append(0)

    def record(self, record: Record) -> None:
        self.name(record.name)
        self.data += struct.pack("!HHIH", record.type, record.class_, record.ttl_s, 0)
        start = len(self.data)
        if isinstance(record.data, IPv4):
            self.data += int(record.data).to_bytes(4, "big")
        elif isinstance(record.data, IPv6):
            self.data += int(record.data).to_bytes(16, "big")
        elif isinstance(record.data, str):
            self.name(record.data)
        else:
            self.data += record.data
        struct.pack_into("!H", self.data, start - 2, len(self.data) - start)


def encode(message: DnsMessage) -> bytes:
    """The bytes of a message."""
    writer = _Writer()
    extra = 1 if message.udp_size else 0
    writer.data += HEADER.pack(
        message.identifier,
        message.flags,
        len(message.questions),
        len(message.answers),
        len(message.authority),
        len(message.additional) + extra,
    )
    for question in message.questions:
        writer.name(question.name)
        writer.data += struct.pack("!HH", question.type, question.class_)
    for record in (*message.answers, *message.authority, *message.additional):
        writer.record(record)
    if extra:
        options = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in message.edns)
        writer.data += b"\0" + struct.pack("!HHIH", RecordType.OPT, message.udp_size, 0, len(options)) + options
    return bytes(writer.data)


class _Reader:
    """A position in the bytes of one message."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def unpack(self, layout: str) -> tuple[int, ...]:
        size = struct.calcsize(layout)
        if self.at + size > len(self.data):
            message = "the message ends too early"
            raise ValueError(message)
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += size
        return values

    def name(self) -> str:
        labels: list[str] = []
        at, after = self.at, -1
        for _ in range(MAX_POINTERS + 128):
            if at >= len(self.data):
                break
            length = self.data[at]
            if length == 0:
                self.at = at + 1 if after < 0 else after
                return ".".join(labels)
            if length & 0xC0 == 0xC0:
                if at + 1 >= len(self.data):
                    break
                if after < 0:
                    after = at + 2
                at = (length & 0x3F) << 8 | self.data[at + 1]
                continue
            if length & 0xC0 or at + 1 + length > len(self.data):
                break
            labels.append(self.data[at + 1 : at + 1 + length].decode("latin-1"))
            at += 1 + length
        message = "a name in the message is damaged"
        raise ValueError(message)

    def record(self) -> Record:
        name = self.name()
        kind, class_, ttl, length = self.unpack("!HHIH")
        end = self.at + length
        if end > len(self.data):
            message = "a record is longer than the message"
            raise ValueError(message)
        data: IPv4 | IPv6 | str | bytes
        if kind == RecordType.A and length == 4:
            data = IPv4(int.from_bytes(self.data[self.at : end], "big"))
        elif kind == RecordType.AAAA and length == 16:
            data = IPv6(int.from_bytes(self.data[self.at : end], "big"))
        elif kind in NAME_DATA:
            data = self.name()
        else:
            data = self.data[self.at : end]
        self.at = end
        return Record(name, kind, ttl, data, class_)


def decode(data: bytes) -> DnsMessage:
    """Read a message. Raises ValueError where the bytes are none."""
    reader = _Reader(data)
    identifier, flags, *counts = reader.unpack("!6H")
    if sum(counts) > MAX_RECORDS:
        message = "the message claims too many records"
        raise ValueError(message)
    questions = []
    for _ in range(counts[0]):
        name = reader.name()
        kind, class_ = reader.unpack("!HH")
        questions.append(Question(name, kind, class_))
    answers, authority, additional = (tuple(reader.record() for _ in range(count)) for count in counts[1:])
    option = next((record for record in additional if record.type == RecordType.OPT), None)
    return DnsMessage(
        identifier,
        tuple(questions),
        answers,
        authority,
        tuple(record for record in additional if record.type != RecordType.OPT),
        response=bool(flags & QR),
        opcode=flags >> 11 & 15,
        authoritative=bool(flags & AA),
        truncated=bool(flags & TC),
        recursion_desired=bool(flags & RD),
        recursion_available=bool(flags & RA),
        authentic_data=bool(flags & AD),
        checking_disabled=bool(flags & CD),
        code=flags & 15,
        udp_size=option.class_ if option is not None else 0,
        edns=_edns(option.data) if option is not None and isinstance(option.data, bytes) else (),
    )


def _edns(options: bytes) -> tuple[tuple[int, bytes], ...]:
    found = []
    at = 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from("!HH", options, at)
        found.append((code, options[at + 4 : at + 4 + length]))
        at += 4 + length
    return tuple(found)
