"""dig, host and nslookup (BIND's): what a name server says about a name.

Before changing this file compare with the real tools: BIND 9.18, as Debian 12 ships it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

from labs.model.addresses import Address, parse_address
from labs.net import dns
from labs.net.dns import DnsMessage, Question, Record, RecordType, ResponseCode
from labs.net.ipv4 import ANY
from labs.net.process import Process, Program, Routine, Wait
from labs.net.sockets import SocketError, connect
from labs.net.strftime import clock_text
from labs.shell.commands.host_options import HostRefusal, host_options
from labs.shell.resolver import ResolveError, lookup, query, query_identifier, resolver_settings

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
VERSION = "9.18.49-1~deb12u3-Debian"
TYPES = {kind.name: int(kind) for kind in RecordType if kind is not RecordType.OPT}
EXTENDED_ERRORS = {14: "Not Ready", 15: "Blocked", 22: "No Reachable Authority", 23: "Network Error"}  # RFC 8914 §4
USAGE = (
    "Usage:  dig [@global-server] [domain] [q-type] [q-class] {q-opt}",
    "            {global-d-opt} host [@local-server] {local-d-opt}",
    "            [ host [@local-server] {local-d-opt} [...]]",
    "",
    'Use "dig -h" (or "dig -h | more") for complete list of options',
)
SECTIONS = ("question", "answer", "authority", "additional", "comments", "stats", "cmd")


@dataclass(slots=True)
class _Options:
    servers: list[str] = field(default_factory=list)
    port: int = 53
    kind: int = RecordType.A
    typed: bool = False
    short: bool = False
    tcp: bool | None = None
    search: bool = False
    recurse: bool = True
    tries: int = 3
    timeout_ns: int = 5 * SECOND
    extended: bool = True  # with an OPT record (RFC 6891)
    show: set[str] = field(default_factory=lambda: set(SECTIONS))

    @property
    def over_tcp(self) -> bool:
        """ANY goes over TCP unless somebody says otherwise."""
        return self.kind == RecordType.ANY if self.tcp is None else self.tcp


class _Refusal(Exception):
    """A mistake on the command line."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)


def _read(process: Process) -> list[tuple[str, _Options]]:
    """The lookups that are asked for: what stands before the first name is for all, the rest for the name before it."""
    default = current = _Options()
    lookups: list[tuple[str, _Options]] = []
    types, rest = True, [word for word in process.argv[1:] if word != "-4"]

    def add(name: str) -> _Options:
        lookups.append((name, replace(default, servers=[*default.servers])))
        return lookups[-1][1]

    while rest:
        word = rest.pop(0)
        if word.startswith("@"):
            current.servers.append(word[1:])
        elif word.startswith("+"):
            _plus(current, word[1:])
        elif word == "-x":
            if not rest:
                raise _Refusal("Invalid option: -x", *USAGE)
            try:
                current = add(dns.reverse_name(parse_address(rest.pop(0))))
            except ValueError:
                raise _Refusal("Invalid IP address") from None
            current.kind, current.typed = RecordType.PTR, True
        elif word == "-p" and rest and rest[0].isdecimal():
            default.port = int(rest.pop(0))
        elif word == "-t" and rest and rest[0].upper() in TYPES:
            types = False
            _type(process, current, TYPES[rest.pop(0).upper()])
        elif word.startswith("-"):
            raise _Refusal(f"Invalid option: {word}", *USAGE)
        elif types and word.upper() in TYPES:
            _type(process, current, TYPES[word.upper()])
        elif not types or word.upper() != "IN":
            current = add(word)
    if not lookups:
        add(".").kind = RecordType.NS
    short = any(options.short for _, options in lookups)  # one setting of the whole program, as the port
    return [(name, replace(options, port=default.port, short=short)) for name, options in lookups]


def _type(process: Process, options: _Options, kind: int) -> None:
    if options.typed:
        process.error(";; Warning, extra type option")
    options.kind, options.typed = kind, True


def _plus(options: _Options, word: str) -> None:
    name, _, value = word.partition("=")
    on = not name.startswith("no")
    plain = name if on else name[2:]
    if plain == "all":
        options.show = set(SECTIONS) if on else set()
    elif plain in SECTIONS:
        options.show = options.show | {plain} if on else options.show - {plain}
    elif plain == "short":
        options.short = on
    elif plain in ("tcp", "vc"):
        options.tcp = on
    elif plain == "search":
        options.search = on
    elif plain in ("recurse", "rdflag"):
        options.recurse = on
    elif plain in ("time", "timeout") and value.isdecimal():
        options.timeout_ns = max(1, int(value)) * SECOND
    elif plain in ("tries", "retry") and value.isdecimal():
        options.tries = max(1, int(value) + (plain == "retry"))
    elif plain not in ("edns", "cookie", "dnssec", "trace", "multiline", "identify", "ttlid"):
        raise _Refusal(f"Invalid option: +{word}", *USAGE)


@dataclass(slots=True)
class _Outcome:
    """An answer with who gave it, or the lines about why there is none."""

    answer: DnsMessage | None = None
    server: Address = ANY
    elapsed_ns: int = 0
    size: int = 0
    unsendable: bool = False


def _ask(
    process: Process, servers: list[Address], message: DnsMessage, options: _Options
) -> Generator[Wait, None, _Outcome]:
    """Try every server in turn; says on the way what went wrong."""
    outcome = _Outcome()
    for _ in range(options.tries):
        for server in servers:
            started = process.node.now
            ask = _query_tcp if options.over_tcp else _query_udp
            answer = yield from ask(process, server, message, options)
            if isinstance(answer, DnsMessage):
                size = len(dns.encode(answer))
                return _Outcome(answer, server, process.node.now - started, size)
            where = f"{server}#{options.port}"
            if answer == "Network is unreachable":
                outcome.unsendable = True
                name = message.questions[0].name
                process.print(
                    f";; UDP setup with {where}({server}) for {name} failed: network unreachable.",
                    ";; no servers could be reached",
                )
            else:
                words = {"Connection refused": "connection refused", "No route to host": "host unreachable"}
                process.print(f";; communications error to {where}: {words.get(answer, answer)}")
    return outcome


def _query_udp(
    process: Process, server: Address, message: DnsMessage, options: _Options
) -> Generator[Wait, None, DnsMessage | str]:
    timeout_ns, port = options.timeout_ns, options.port
    until = process.node.now + timeout_ns
    answer = yield from query(process, server, message, timeout_ns=timeout_ns, port=port, soft_errors=False)
    if answer == "Operation not permitted":  # a firewall of our own: BIND waits for an answer all the same
        yield Wait((), until)
        return "timed out"
    return answer


def _query_tcp(
    process: Process, server: Address, message: DnsMessage, options: _Options
) -> Generator[Wait, None, DnsMessage | str]:
    node = process.node
    deadline = node.now + options.timeout_ns
    try:
        connection = yield from connect(process, server, options.port, timeout_ns=options.timeout_ns)
    except SocketError as error:
        return "timed out" if str(error) == "Connection timed out" else str(error)
    data = dns.encode(message)
    connection.send(len(data).to_bytes(2, "big") + data, node.now)
    while node.now < deadline:
        size = int.from_bytes(connection.inbox[:2], "big")
        if len(connection.inbox) >= 2 and len(connection.inbox) >= 2 + size:
            raw = connection.receive()[2 : 2 + size]
            connection.close(node.now)
            try:
                return dns.decode(raw)
            except ValueError:
                return "timed out"
        if connection.peer_done:
            return "end of file"
        yield Wait((connection.signal,), deadline)
    connection.close(node.now)
    return "timed out"


def _servers(process: Process, names: list[str]) -> Generator[Wait, None, list[Address]]:
    if not names:
        return list(resolver_settings(process.node.files).servers)
    found = []
    for name in names[-1:]:
        try:
            found.append((yield from lookup(process, name))[0].address)
        except ResolveError:
            raise _Refusal(f"dig: couldn't get address for '{name}': not found") from None
    return found


def _message(process: Process, name: str, options: _Options) -> DnsMessage:
    return DnsMessage(
        query_identifier(process),
        (Question(name.rstrip("."), options.kind),),
        recursion_desired=options.recurse,
        authentic_data=options.extended,
        udp_size=1232 if options.extended else 0,
    )


def dig(process: Process) -> Routine:
    """The program."""
    try:
        lookups = _read(process)
        status = 0
        for index, (name, options) in enumerate(lookups):
            servers = yield from _servers(process, options.servers)
            outcome = yield from _lookup(process, name, options, servers)
            status = _report(process, name, options, servers, outcome, first=index == 0) or status
    except _Refusal as refusal:
        if len(refusal.args) == 1:
            process.print("") if refusal.args[0].startswith("dig:") else None
        process.error(*refusal.args)
        return 1
    return status


def _lookup(process: Process, name: str, options: _Options, servers: list[Address]) -> Generator[Wait, None, _Outcome]:
    outcome = _Outcome()
    for candidate in _candidates(process, name, search=options.search):
        outcome = yield from _ask(process, servers, _message(process, candidate, options), options)
        if outcome.answer is None or outcome.answer.code != ResponseCode.NXDOMAIN:
            break
    return outcome


def _candidates(process: Process, name: str, *, search: bool) -> list[str]:
    if not search or name.endswith("."):
        return [name]
    settings = resolver_settings(process.node.files)
    inside = [f"{name}.{domain}" for domain in settings.search]
    return [name, *inside] if name.count(".") >= settings.ndots else [*inside, name]


def _report(
    process: Process, name: str, options: _Options, servers: list[Address], outcome: _Outcome, *, first: bool
) -> int:
    answer = outcome.answer
    if answer is None:
        if not outcome.unsendable:
            _banner(process, options, servers, first=first)
            process.print(";; no servers could be reached")
        return 9
    if options.short:
        process.print(*(_data(record) for record in answer.answers))
        return 0
    _banner(process, options, servers, first=first)
    comments = "comments" in options.show
    if comments:
        _print_header(process, answer)
    if answer.udp_size and comments:
        process.print("", ";; OPT PSEUDOSECTION:", f"; EDNS: version: 0, flags:; udp: {answer.udp_size}")
        for code, value in answer.edns:
            if code == dns.EXTENDED_ERROR and len(value) >= 2:
                number = int.from_bytes(value[:2], "big")
                process.print(f"; EDE: {number} ({EXTENDED_ERRORS.get(number, 'Other')})")
    if "question" in options.show:
        process.print(*([";; QUESTION SECTION:"] if comments else []))
        process.print(*map(_question, answer.questions))
    for title, records in (
        ("ANSWER", answer.answers),
        ("AUTHORITY", answer.authority),
        ("ADDITIONAL", answer.additional),
    ):
        if records and title.lower() in options.show:
            process.print(*(["", f";; {title} SECTION:"] if comments else []))
            process.print(*map(_record, records))
    if "stats" in options.show:
        _print_stats(process, options, outcome, blank=comments)
    return 0


def _banner(process: Process, options: _Options, servers: list[Address], *, first: bool) -> None:
    if options.short or "cmd" not in options.show or not first:
        return
    process.print("", f"; <<>> DiG {VERSION} <<>> {' '.join(process.argv[1:])}")
    words = [word for word in process.argv[1:] if word[0] not in "+-"]
    if options.servers and words[0].startswith("@"):  # the line is made when the name is read
        process.print(f"; ({len(servers)} server{'s' if len(servers) != 1 else ''} found)")
    process.print(";; global options: +cmd")


def _print_header(process: Process, answer: DnsMessage) -> None:
    names = (
        ("qr", answer.response), ("aa", answer.authoritative), ("tc", answer.truncated),
        ("rd", answer.recursion_desired), ("ra", answer.recursion_available), ("ad", answer.authentic_data),
        ("cd", answer.checking_disabled),
    )  # fmt: skip
    flags = " ".join(name for name, on in names if on)
    try:
        status = ResponseCode(answer.code).name
    except ValueError:
        status = f"RESERVED{answer.code}"
    extra = 1 if answer.udp_size else 0
    process.print(
        ";; Got answer:",
        f";; ->>HEADER<<- opcode: QUERY, status: {status}, id: {answer.identifier}",
        f";; flags: {flags}; QUERY: {len(answer.questions)}, ANSWER: {len(answer.answers)}, "
        f"AUTHORITY: {len(answer.authority)}, ADDITIONAL: {len(answer.additional) + extra}",
    )
    if answer.recursion_desired and not answer.recursion_available:
        process.print(";; WARNING: recursion requested but not available")
    if not answer.udp_size:
        process.print("")


def _print_stats(process: Process, options: _Options, outcome: _Outcome, *, blank: bool) -> None:
    process.print(
        *([""] if blank else []),
        f";; Query time: {outcome.elapsed_ns // 1_000_000} msec",
        f";; SERVER: {outcome.server}#{options.port}({outcome.server}) ({'TCP' if options.over_tcp else 'UDP'})",
        clock_text(process.node.wall_clock(), ";; WHEN: %a %b %d %H:%M:%S UTC %Y"),
        f";; MSG SIZE  rcvd: {outcome.size}",
        "",
    )


def _type_name(kind: int) -> str:
    return RecordType(kind).name if kind in RecordType.__members__.values() else f"TYPE{kind}"


def _columns(*parts: tuple[str, int]) -> str:
    """Texts at columns as BIND lays them out: tabs every eight, one blank where a column is past already."""
    line, at = "", 0
    for text, column in parts:
        if line:
            to = max(column, at + 1)
            tabs = to // 8 - at // 8
            line += "\t" * tabs + " " * (to - (to // 8 * 8 if tabs else at))
            at = to
        line += text
        at += len(text)
    return line


def _question(question: Question) -> str:
    return ";" + _columns((f"{question.name}.", 0), ("IN", 32), (_type_name(question.type), 40))


def _record(record: Record) -> str:
    ttl, kind = str(record.ttl_s), _type_name(record.type)
    return _columns((f"{record.name}.", 0), (ttl, 24), ("IN", 32), (kind, 40), (_data(record), 48))


def _data(record: Record) -> str:
    if isinstance(record.data, str):
        return record.data + "."
    if isinstance(record.data, bytes):
        return f"\\# {len(record.data)} {record.data.hex().upper()}"
    return str(record.data)


# host and nslookup


def host(process: Process) -> Routine:
    """A short answer in sentences."""
    try:
        asked = host_options(process.argv[1:])
    except HostRefusal as refusal:
        process.error(*refusal.lines)
        return refusal.status
    options = _Options(tries=2, search=True, servers=asked.servers, tcp=asked.tcp, extended=False)
    options.tries = options.tries if asked.retries is None else asked.retries + 1
    options.timeout_ns = options.timeout_ns if asked.wait_s is None else asked.wait_s * SECOND
    name, kinds = _subject(asked.name)
    if asked.kind is not None:
        name, kinds = (name if asked.kind == RecordType.PTR else asked.name), [asked.kind]
    status = 0
    try:
        servers = yield from _servers(process, options.servers)
    except _Refusal:
        process.error(f"host: couldn't get address for '{options.servers[0]}': not found")
        return 1
    for number, kind in enumerate(kinds):
        options.kind = kind
        outcome = yield from _lookup(process, name, options, servers)
        answer = outcome.answer
        if answer is None:
            process.print(*([] if outcome.unsendable else [";; no servers could be reached"]))
            return 1
        if options.servers and not number:
            process.print(
                "Using domain server:", f"Name: {options.servers[0]}", f"Address: {servers[0]}#53", "Aliases: ", ""
            )
        if answer.code != ResponseCode.NOERROR:
            shown = name + "." if kind == RecordType.PTR else name
            process.print(f"Host {shown} not found: {answer.code}({ResponseCode(answer.code).name})")
            status = 1
            if number == 0:  # the other types are asked for once there is an address
                break
            continue
        _print_sentences(process, answer, first=number == 0)
        if asked.kind is not None and not answer.answers:
            process.print(f"{answer.questions[0].name} has no {_type_name(kind)} record")
        name = answer.questions[0].name if answer.questions else name
    return status


def _subject(word: str) -> tuple[str, list[int]]:
    """The name to look up and the types to ask for."""
    try:
        return dns.reverse_name(parse_address(word)), [int(RecordType.PTR)]
    except ValueError:
        return word, [int(RecordType.A), int(RecordType.AAAA), int(RecordType.MX)]


def _print_sentences(process: Process, answer: DnsMessage, *, first: bool) -> None:
    for record in answer.answers:
        if record.type == RecordType.CNAME and first:
            process.print(f"{record.name} is an alias for {record.data!s}.")
        elif record.type == RecordType.A:
            process.print(f"{record.name} has address {record.data!s}")
        elif record.type == RecordType.AAAA:
            process.print(f"{record.name} has IPv6 address {record.data!s}")
        elif record.type == RecordType.PTR:
            process.print(f"{record.name} domain name pointer {record.data!s}.")


def nslookup(process: Process) -> Routine:
    """The old form, one lookup."""
    words = process.argv[1:]
    if not words or len(words) > 2 or any(word.startswith("-") for word in words):
        process.error("nslookup: only `nslookup NAME [SERVER]` is simulated here")
        return 1
    options = _Options(search=True, servers=words[1:], extended=False)
    name, kinds = _subject(words[0])
    try:
        servers = yield from _servers(process, options.servers)
    except _Refusal:
        process.error(f"nslookup: couldn't get address for '{words[1]}': not found")
        return 1
    status = 0
    for number, kind in enumerate(kinds[:2]):
        options.kind = kind
        outcome = yield from _lookup(process, name, options, servers)
        answer = outcome.answer
        if answer is None:
            process.print(*([] if outcome.unsendable else [";; no servers could be reached"]), "")
            return 1
        good = answer.code == ResponseCode.NOERROR
        if number == 0 and (kind != RecordType.PTR or not good):
            who = words[1] if words[1:] else outcome.server
            process.print(f"Server:\t\t{who}", f"Address:\t{outcome.server}#53", "")
        if not good:
            process.print(f"** server can't find {name}: {ResponseCode(answer.code).name}")
            status = 1
            break
        _print_entries(process, answer, first=number == 0)
        name = answer.questions[0].name if answer.questions else name
    process.print("")
    return status


def _print_entries(process: Process, answer: DnsMessage, *, first: bool) -> None:
    for record in answer.answers:
        if record.type == RecordType.CNAME and first:
            process.print(f"{record.name}\tcanonical name = {record.data!s}.")
        elif record.type == RecordType.PTR:
            process.print(f"{record.name}\tname = {record.data!s}.")
        elif record.type in (RecordType.A, RecordType.AAAA):
            process.print(f"Name:\t{record.name}", f"Address: {record.data!s}")


COMMANDS: dict[str, Program] = {"dig": dig, "host": host, "nslookup": nslookup}
