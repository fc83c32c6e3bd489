"""coap-client of libcoap 4.3: GET, PUT, POST and DELETE of a resource, and observing it."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass

from labs.net.process import Interrupt, Process, Program, Routine, Wait
from labs.net.sockets import SocketError
from labs.shell.options import UsageError, parse_options
from labs.shell.resolver import ResolveError, resolve
from labs.things.coap.message import REASONS, Block, CoapError, Code, Message, Option, Type, decode, encode, uint

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
PORT = 5683
ACK_TIMEOUT_NS = 2 * SECOND  # RFC 7252 §4.8
ACK_RANDOM_FACTOR = 1.5  # the largest: a simulated client draws nothing
MAX_RETRANSMIT = 4
PATIENCE_NS = 90 * SECOND
METHODS = {"get": Code.GET, "post": Code.POST, "put": Code.PUT, "delete": Code.DELETE}
URI = re.compile(r"coap://(\[[^\]]+\]|[^/:?#]+)(?::(\d{1,5}))?(/[^?#]*)?(?:\?([^#]*))?")
USAGE = """Usage: coap-client [-b [num,]size] [-e text] [-m method] [-s duration] [-v num] [-w] [-B seconds] [-N] URI
	URI can be an absolute URI or a URI prefixed with scheme and host"""


def _unquoted(text: str) -> bytes:
    """Percent-encoding undone (RFC 3986 §2.1)."""
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode())


@dataclass(slots=True)
class _Options:
    method: Code = Code.GET
    payload: bytes = b""
    observe_s: int = 0
    patience_ns: int = PATIENCE_NS
    confirmable: bool = True
    newline: bool = False
    verbose: bool = False
    block: int | None = None


class _Client:
    def __init__(self, process: Process, options: _Options, address: object, port: int) -> None:
        self.process = process
        self.node = process.node
        self.options = options
        self.peer = (address, port)
        self.socket = self.node.transport.udp_open(program="coap-client")
        process.cleanup.append(lambda: self.node.transport.udp_close(self.socket))
        self.id = (self.socket.port * 31 + self.node.now // 1_000_000) & 0xFFFF
        self.failed = False

    def say(self, message: Message) -> None:
        """The line of -v 6."""
        if not self.options.verbose:
            return
        names = []
        for number, value in message.options:
            known = Option(number) if number in set(Option) else None
            name = known.name.replace("_", "-").title() if known else str(number)
            text = Option.URI_PATH, Option.URI_QUERY, Option.URI_HOST
            names.append(f"{name}:{value.decode(errors='replace') if known in text else int.from_bytes(value)}")
        code = Code(message.code)
        shown = code.name if code < Code.CREATED else code.dotted
        tail = f" :: '{message.payload.decode(errors='replace')}'" if message.payload else ""
        self.process.print(
            f"v:1 t:{message.type.name} c:{shown} i:{message.id:04x} {{{message.token.hex()}}} "
            f"[ {', '.join(names)} ]{tail}"
        )

    def send(self, message: Message) -> None:
        self.say(message)
        self.node.transport.udp_send(self.socket, self.peer[0], self.peer[1], encode(message))  # type: ignore[arg-type]

    def heard(self) -> Message | None:
        while self.socket.queue:
            datagram = self.socket.queue.popleft()
            if (datagram.source, datagram.sport) != self.peer:
                continue
            try:
                message = decode(datagram.data)
            except CoapError:
                continue
            self.say(message)
            if message.type is Type.CON:
                self.send(Message(Type.ACK, Code.EMPTY, message.id))
            return message
        return None

    def ask(self, message: Message, until: int) -> Generator[Wait, None, Message | None]:
        """Send and wait for the answer; a confirmable message is repeated after 3, 6, 12 and 24 s."""
        timeout = int(ACK_TIMEOUT_NS * ACK_RANDOM_FACTOR)
        tries = MAX_RETRANSMIT + 1 if message.type is Type.CON else 1
        for _ in range(tries):
            self.send(message)
            end = min(self.node.now + timeout, until) if tries > 1 else until
            while self.node.now < end:
                found = self.heard()
                if found is not None and (found.id == message.id or found.token == message.token):
                    return found
                yield Wait((self.socket.signal,), end)
            if self.node.now >= until:
                return None
            timeout *= 2
        return None

    def request(self, path: list[str], query: list[str], token: bytes, extra: tuple[tuple[int, bytes], ...]) -> Message:
        self.id = self.id + 1 & 0xFFFF
        options = [(int(Option.URI_PATH), _unquoted(part)) for part in path]
        options += [(int(Option.URI_QUERY), _unquoted(part)) for part in query]
        own = self.options
        kind = Type.CON if own.confirmable else Type.NON
        return Message(kind, own.method, self.id, token, tuple(sorted([*options, *extra])), own.payload)

    def show(self, message: Message) -> None:
        """The payload as it is; an error as its code and words, on standard error."""
        if message.code >= Code.BAD_REQUEST:
            code = Code(message.code)
            text = message.payload.decode(errors="replace") or REASONS.get(code, "")
            self.process.error(f"{code.dotted} {text}")
            self.failed = True
        elif message.payload:
            self.process.stdout.write(message.payload.decode(errors="replace") + ("\n" if self.options.newline else ""))


def _fetch(client: _Client, path: list[str], query: list[str], until: int) -> Generator[Wait, None, None]:
    """One exchange, block after block where the body is longer."""
    options = client.options
    number, exponent, any_text = 0, options.block, False
    while True:
        extra: tuple[tuple[int, bytes], ...] = ()
        if exponent is not None or number:
            extra = ((Option.BLOCK2, Block(number, more=False, exponent=6 if exponent is None else exponent).encode()),)
        answer = yield from client.ask(client.request(path, query, b"\x01", extra), until)
        if answer is None:
            return
        client.show(answer)
        any_text = any_text or (bool(answer.payload) and not options.newline)
        block = answer.option(Option.BLOCK2)
        if block is None or not Block.decode(block).more:
            break
        number, exponent = Block.decode(block).number + 1, Block.decode(block).exponent
    if any_text and not client.failed:
        client.process.print("")


def _observe(client: _Client, path: list[str], query: list[str]) -> Generator[Wait, None, None]:
    until = client.node.now + client.options.observe_s * SECOND
    first = client.request(path, query, b"\x01", ((int(Option.OBSERVE), b""),))
    answer = yield from client.ask(first, until)
    if answer is not None:
        client.show(answer)
    while client.node.now < until:
        found = client.heard()
        if found is not None and found.token == b"\x01":
            client.show(found)
            continue
        yield Wait((client.socket.signal,), until)
    stop = client.request(path, query, b"\x01", ((int(Option.OBSERVE), uint(1)),))
    answer = yield from client.ask(stop, client.node.now + ACK_TIMEOUT_NS)
    if answer is not None:
        client.show(answer)
    client.process.print("")


def _parse(arguments: list[str]) -> tuple[_Options, str] | str:
    """The options and the URI, or what is wrong."""
    try:
        pairs, operands = parse_options(arguments, "m:e:s:B:Nwv:b:t:A:T:")
    except UsageError as error:
        return f"coap-client: {error}\n{USAGE}"
    given, options = dict(pairs), _Options()
    for refused in ("-t", "-A", "-T"):
        if refused in given:
            return f"coap-client: {refused} is not simulated"
    if given.get("-m", "get") not in METHODS:
        return f"coap-client: the method {given['-m']} is not simulated; use {', '.join(METHODS)}"
    for key in ("-s", "-B", "-v"):
        if not given.get(key, "0").isdecimal():
            return f"coap-client: {key} wants a number"
    if not operands:
        return USAGE
    options.method = METHODS[given.get("-m", "get")]
    options.payload = _unquoted(given.get("-e", ""))
    options.observe_s = int(given.get("-s", "0"))
    options.patience_ns = int(given.get("-B", "90")) * SECOND
    options.confirmable, options.newline = "-N" not in given, "-w" in given
    options.verbose = int(given.get("-v", "3")) >= 6
    if "-b" in given:
        sizes = {str(1 << exponent + 4): exponent for exponent in range(7)}
        if given["-b"] not in sizes:
            return f"coap-client: a block has {', '.join(sizes)} bytes"
        options.block = sizes[given["-b"]]
    return options, operands[0]


def coap_client(process: Process) -> Routine:
    """The command."""
    parsed = _parse(process.argv[1:])
    if isinstance(parsed, str):
        process.error(*parsed.split("\n"))
        return 1
    options, uri = parsed
    found = URI.fullmatch(uri)
    if found is None:
        process.error("ERR  invalid CoAP URI" if not uri.startswith("coaps:") else "ERR  coaps is not simulated")
        return 1
    path = [part for part in (found[3] or "").split("/") if part]
    query = [part for part in (found[4] or "").split("&") if part]
    try:
        address = yield from resolve(process, found[1].strip("[]"))
        client = _Client(process, options, address, int(found[2] or PORT))
        if options.observe_s:
            yield from _observe(client, path, query)
        else:
            yield from _fetch(client, path, query, process.node.now + options.patience_ns)
    except ResolveError:
        process.error("ERR  failed to resolve address")
        return 1
    except SocketError as error:
        process.error(f"ERR  {error}")
        return 1
    except Interrupt:
        return 0
    return 0


COMMANDS: dict[str, Program] = {"coap-client": coap_client}
