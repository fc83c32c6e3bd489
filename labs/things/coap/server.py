"""A CoAP server of small resources: GET, PUT, the list of what there is, observers. Datagrams in, datagrams out.

Before changing this file read RFC 7252 §4.2, §4.5 and §5.8, RFC 6690 §4 and RFC 7641 §3 and §4.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from labs.things.coap.message import Block, CoapError, Code, Message, Option, Type, decode, encode, uint

__all__ = ["Observer", "Resource", "Server"]

WELL_KNOWN = ".well-known/core"
LINK_FORMAT = 40  # RFC 6690 §7.2
LARGEST = 6  # 1024 bytes, the most that one datagram carries here
EXCHANGE_LIFETIME_NS = 247_000_000_000  # RFC 7252 §4.8.2
MAX_REMEMBERED, MAX_OBSERVERS = 64, 32
UNDERSTOOD = frozenset(Option)
Peer = tuple[object, int]


@dataclass(frozen=True, slots=True)
class Resource:
    """`read` gives the representation; `write` takes one and may raise ValueError. None: not allowed."""

    title: str
    read: Callable[[], bytes]
    write: Callable[[bytes], None] | None = None
    observable: bool = False
    content_format: int = 0


class Observer(NamedTuple):
    """Who wants to hear about a resource."""

    peer: Peer
    token: bytes
    path: str
    confirmable: bool


class Server:
    """What is asked and answered. A repeated question gets the same answer again."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self._resources = dict(resources)
        self._answered: OrderedDict[tuple[Peer, int], tuple[int, bytes]] = OrderedDict()
        self.observers: list[Observer] = []
        self._next_id = 1
        self._count = 1

    def _id(self) -> int:
        self._next_id = self._next_id + 1 & 0xFFFF
        return self._next_id

    def receive(self, peer: Peer, data: bytes, now: int) -> bytes | None:
        """The answer to a datagram, if it gets one."""
        try:
            message = decode(data)
        except CoapError:
            return None
        if message.type is Type.RST:
            self.observers = [known for known in self.observers if known.peer != peer]
            return None
        if message.type is Type.ACK:
            return None
        if message.code == Code.EMPTY:  # a ping (RFC 7252 §4.3)
            return encode(Message(Type.RST, Code.EMPTY, message.id)) if message.type is Type.CON else None
        known = self._answered.get((peer, message.id))
        if known is not None and now - known[0] < EXCHANGE_LIFETIME_NS:
            return known[1]
        answer = self._answer(peer, message)
        confirmed = message.type is Type.CON
        whole = answer._replace(
            type=Type.ACK if confirmed else Type.NON, id=message.id if confirmed else self._id(), token=message.token
        )
        out = encode(whole)
        self._answered[peer, message.id] = (now, out)
        while len(self._answered) > MAX_REMEMBERED:
            self._answered.popitem(last=False)
        return out

    def _answer(self, peer: Peer, message: Message) -> Message:
        def say(code: Code) -> Message:
            return Message(Type.ACK, code, 0)

        if any(number % 2 and number not in UNDERSTOOD for number, _ in message.options):
            return say(Code.BAD_OPTION)
        path = message.path
        if path == WELL_KNOWN:
            if message.code != Code.GET:
                return say(Code.METHOD_NOT_ALLOWED)
            return self._piece(message, self._links().encode(), LINK_FORMAT, ())
        resource = self._resources.get(path)
        if resource is None:
            return say(Code.NOT_FOUND)
        if message.code == Code.GET:
            return self._get(peer, message, resource)
        if message.code != Code.PUT or resource.write is None:
            return say(Code.METHOD_NOT_ALLOWED)
        try:
            resource.write(message.payload)
        except ValueError:
            return say(Code.BAD_REQUEST)
        return say(Code.CHANGED)

    def _get(self, peer: Peer, message: Message, resource: Resource) -> Message:
        wanted = message.option(Option.OBSERVE)
        options: tuple[tuple[int, bytes], ...] = ()
        if wanted is not None and resource.observable:
            mine = (peer, message.token)
            self.observers = [known for known in self.observers if (known.peer, known.token) != mine]
            if int.from_bytes(wanted) == 0 and len(self.observers) < MAX_OBSERVERS:
                self.observers.append(Observer(peer, message.token, message.path, message.type is Type.CON))
                options = ((Option.OBSERVE, uint(self._count)),)
        try:
            return self._piece(message, resource.read(), resource.content_format, options)
        except ValueError:
            return Message(Type.ACK, Code.SERVER_ERROR, 0)

    @staticmethod
    def _piece(message: Message, body: bytes, content_format: int, options: tuple[tuple[int, bytes], ...]) -> Message:
        """The whole body, or the block that was asked for (RFC 7959 §2.4)."""
        options = (*options, (Option.CONTENT_FORMAT, uint(content_format)))
        asked = message.option(Option.BLOCK2)
        try:
            block = Block.decode(asked) if asked is not None else Block(0, more=False, exponent=LARGEST)
        except CoapError:
            return Message(Type.ACK, Code.BAD_OPTION, 0)
        start = block.number * block.size
        if start and start >= len(body):
            return Message(Type.ACK, Code.BAD_REQUEST, 0)
        piece = body[start : start + block.size]
        more = start + len(piece) < len(body)
        if more or asked is not None:
            options = (*options, (Option.BLOCK2, block._replace(more=more).encode()))
        return Message(Type.ACK, Code.CONTENT, 0, options=options, payload=piece)

    def _links(self) -> str:
        """What there is, in the format of RFC 6690."""
        return ",".join(
            f'</{path}>;title="{resource.title}";ct={resource.content_format}' + (";obs" if resource.observable else "")
            for path, resource in self._resources.items()
        )

    def notify(self, path: str) -> list[tuple[Peer, bytes]]:
        """What the observers of a resource have to hear now."""
        resource = self._resources[path]
        self._count += 1
        out = []
        for known in self.observers:
            if known.path == path:
                options = ((Option.OBSERVE, uint(self._count)), (Option.CONTENT_FORMAT, uint(resource.content_format)))
                message = Message(Type.NON, Code.CONTENT, self._id(), known.token, options, resource.read())
                out.append((known.peer, encode(message)))
        return out
