"""The configuration of nginx. Before changing this file compare with `nginx -t` of 1.22."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from labs.model.addresses import Address, IPv4, IPv6, Network, parse_address

__all__ = ["Directive", "Location", "NginxConf", "NginxError", "Server", "Socket", "parse_nginx"]

ANY = IPv4(0)
MAX_INCLUDES = 64
DEFAULT_ROOT = "html"
ALL, HTTP, WEB = "main events http server location", "http", "http server location"
# name: where it may stand, least and most arguments (None: any number), and whether a block follows
_TABLE: dict[str, tuple[str, int, int | None, bool]] = {
    "include": (ALL, 1, 1, False),
    "events": ("main", 0, 0, True),
    "http": ("main", 0, 0, True),
    "server": (HTTP, 0, 0, True),
    "location": ("server location", 1, 2, True),
    "types": (WEB, 0, 0, True),
    "listen": ("server", 1, None, False),
    "server_name": ("server", 1, None, False),
    "root": (WEB, 1, 1, False),
    "index": (WEB, 1, None, False),
    "autoindex": (WEB, 1, 1, False),
    "return": ("server location", 1, 2, False),
    "default_type": (WEB, 1, 1, False),
    "allow": (WEB, 1, 1, False),
    "deny": (WEB, 1, 1, False),
    "ssl_certificate": ("http server", 1, 1, False),
    "ssl_certificate_key": ("http server", 1, 1, False),
    # Read and without consequence here
    "user": ("main", 1, 2, False),
    "pid": ("main", 1, 1, False),
    "daemon": ("main", 1, 1, False),
    "worker_processes": ("main", 1, 1, False),
    "error_log": (ALL, 1, None, False),
    "worker_connections": ("events", 1, 1, False),
    "multi_accept": ("events", 1, 1, False),
    "use": ("events", 1, 1, False),
    "access_log": (WEB, 1, None, False),
    "log_format": (HTTP, 2, None, False),
    "charset": (WEB, 1, 1, False),
    "client_max_body_size": (WEB, 1, 1, False),
    "keepalive_timeout": (WEB, 1, 2, False),
    "sendfile": (WEB, 1, 1, False),
    "server_tokens": (WEB, 1, 1, False),
    "tcp_nodelay": (WEB, 1, 1, False),
    "tcp_nopush": (WEB, 1, 1, False),
    "gzip": (WEB, 1, 1, False),
    "gzip_types": (WEB, 1, None, False),
    "gzip_vary": (WEB, 1, 1, False),
    "types_hash_max_size": (WEB, 1, 1, False),
    "server_names_hash_bucket_size": (HTTP, 1, 1, False),
    "ssl_protocols": ("http server", 1, None, False),
    "ssl_ciphers": ("http server", 1, 1, False),
    "ssl_prefer_server_ciphers": ("http server", 1, 1, False),
    "ssl_session_cache": ("http server", 1, 2, False),
    "ssl_session_timeout": ("http server", 1, 1, False),
}
FLAGS = frozenset(
    "autoindex daemon multi_accept sendfile tcp_nodelay tcp_nopush gzip gzip_vary ssl_prefer_server_ciphers".split()
)
ONCE = frozenset("root autoindex default_type ssl_certificate_key pid user worker_processes worker_connections".split())
# Real, and refused in one line: the place where they stand answers 502 or goes without
NOT_SIMULATED = frozenset(
    "add_header alias auth_basic auth_basic_user_file error_page expires fastcgi_pass if limit_except limit_req map "
    "proxy_pass proxy_set_header rewrite set stream stub_status try_files upstream uwsgi_pass".split()
)
LISTEN_FLAGS = frozenset("default_server default ssl http2 reuseport deferred proxy_protocol".split())


class NginxError(ValueError):
    """What `nginx -t` says after `[emerg]`."""


class Directive(NamedTuple):
    """One directive with its block, None where there is none."""

    name: str
    words: tuple[str, ...]
    block: tuple[Directive, ...] | None
    where: str
    """Text of the place, for messages: ` in /etc/nginx/nginx.conf:3`."""


class Socket(NamedTuple):
    """One `listen`."""

    address: Address
    port: int
    ssl: bool = False
    default: bool = False

    @property
    def place(self) -> str:
        """As nginx writes it: 0.0.0.0:80, [::]:80."""
        wide = isinstance(self.address, IPv6)
        return f"[{self.address}]:{self.port}" if wide else f"{self.address}:{self.port}"


@dataclass(slots=True)
class Location:
    """What applies below a path; a server has one for `/` with everything that stands outside of locations."""

    modifier: str = ""
    path: str = "/"
    root: str = DEFAULT_ROOT
    index: tuple[str, ...] = ("index.html",)
    autoindex: bool = False
    answer: tuple[int, str] | None = None
    rules: tuple[tuple[bool, Network], ...] = ()
    missing: str = ""
    """A directive without which nothing sensible can be answered here."""


@dataclass(slots=True)
class Server:
    """One `server` block."""

    where: str
    sockets: list[Socket] = field(default_factory=list)
    names: tuple[str, ...] = ("",)
    certificate: str = ""
    key: str = ""
    outside: Location = field(default_factory=Location)
    locations: list[Location] = field(default_factory=list)


@dataclass(slots=True)
class NginxConf:
    """Every server, and lines for the journal about what is not simulated."""

    servers: list[Server] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


# The text


def _tokens(text: str, path: str) -> Iterator[tuple[str, bool, int]]:
    """Words, and the signs `;`, `{` and `}` (those with True), each with its line."""
    position, line, size = 0, 1, len(text)
    while position < size:
        letter = text[position]
        if letter.isspace():
            line += letter == "\n"
            position += 1
        elif letter == "#":
            end = text.find("\n", position)
            position = size if end < 0 else end
        elif letter in ";{}":
            yield letter, True, line
            position += 1
        elif letter in "\"'":
            word, position, line = _quoted(text, position, line, path)
            yield word, False, line
        else:
            match = re.compile(r"(?:\\.|\$\{|[^\s;{\\]|\\)+", re.DOTALL).match(text, position)
            assert match is not None
            yield re.sub(r"\\([\"' \\;{}])", r"\1", match[0]), False, line
            position = match.end()
    yield "", True, line


def _quoted(text: str, start: int, line: int, path: str) -> tuple[str, int, int]:
    quote, position, parts = text[start], start + 1, []
    while position < len(text) and text[position] != quote:
        letter = text[position]
        line += letter == "\n"
        if letter == "\\" and position + 1 < len(text):
            position += 1
            escape = text[position]
            letter = {"n": "\n", "t": "\t", "r": "\r"}.get(escape, escape if escape in "\"'\\" else "\\" + escape)
        parts.append(letter)
        position += 1
    if position >= len(text):
        raise NginxError(f'unexpected end of file, expecting ";" or "}}" in {path}:{line}')
    after = text[position + 1 : position + 2]
    if after and not after.isspace() and after not in ";{)":
        raise NginxError(f'unexpected "{after}" in {path}:{line}')
    return "".join(parts), position + 1, line


Reader = Callable[[str], str]


@dataclass(slots=True)
class _Files:
    """Where included files come from. `read` raises NginxError with the system's words; `names` lists a directory."""

    read: Reader
    names: Callable[[str], Sequence[str]]
    opened: int = 0


def _parse(path: str, files: _Files, context: str) -> tuple[Directive, ...]:
    files.opened += 1
    if files.opened > MAX_INCLUDES:
        raise NginxError(f"more than {MAX_INCLUDES} files are not simulated here")
    tokens = _tokens(files.read(path), path)
    return tuple(_block(tokens, path, files, context, depth=0))


def _block(
    tokens: Iterator[tuple[str, bool, int]], path: str, files: _Files, context: str, *, depth: int
) -> Iterator[Directive]:
    words: list[str] = []
    for word, sign, line in tokens:
        where = f" in {path}:{line}"
        if not sign:
            words.append(word)
        elif word == "":
            if words:
                raise NginxError(f'unexpected end of file, expecting ";" or "}}"{where}')
            if depth:
                raise NginxError(f'unexpected end of file, expecting "}}"{where}')
            return
        elif word == "}":
            if words or not depth:
                raise NginxError(f'unexpected "}}"{where}')
            return
        elif not words:
            raise NginxError(f'unexpected "{word}"{where}')
        elif context == "types" and word == ";":
            words = []
        else:
            name, *rest = words
            words = []
            _check(name, rest, word == "{", context, where)
            if name == "include":
                yield from _include(rest[0], path, files, context, where)
                continue
            block = None
            if word == "{":
                inner = name if name in _TABLE else "unknown"
                block = tuple(_block(tokens, path, files, inner, depth=depth + 1))
            yield Directive(name, tuple(rest), block, where)


def _check(name: str, rest: list[str], block: bool, context: str, where: str) -> None:  # noqa: FBT001 - what the text has
    if context == "unknown" or name in NOT_SIMULATED:
        return
    if name not in _TABLE:
        raise NginxError(f'unknown directive "{name}"{where}')
    contexts, least, most, opens = _TABLE[name]
    if context not in contexts.split():
        raise NginxError(f'"{name}" directive is not allowed here{where}')
    if opens and not block:
        raise NginxError(f'directive "{name}" has no opening "{{"{where}')
    if block and not opens:
        raise NginxError(f'directive "{name}" is not terminated by ";"{where}')
    if len(rest) < least or (most is not None and len(rest) > most):
        raise NginxError(f'invalid number of arguments in "{name}" directive{where}')
    if name in FLAGS and rest[0].lower() not in ("on", "off"):
        raise NginxError(f'invalid value "{rest[0]}" in "{name}" directive, it must be "on" or "off"{where}')
    if name == "worker_processes" and rest[0] != "auto" and not rest[0].isdecimal():
        raise NginxError(f'"worker_processes" directive invalid value{where}')
    if name == "worker_connections" and not rest[0].isdecimal():
        raise NginxError(f'invalid number "{rest[0]}"{where}')


def _include(pattern: str, path: str, files: _Files, context: str, where: str) -> Iterator[Directive]:
    target = posixpath.join("/etc/nginx", pattern)
    folder, name = posixpath.split(target)
    if any(sign in name for sign in "*?["):
        for each in files.names(folder):
            if fnmatchcase(each, name) and not each.startswith("."):
                yield from _parse(posixpath.join(folder, each), files, context)
        return
    try:
        yield from _parse(target, files, context)
    except FileNotFoundError as error:
        raise NginxError(f'open() "{target}" failed (2: {error}){where}') from None


# What it means


def parse_nginx(path: str, read: Reader, names: Callable[[str], Sequence[str]]) -> NginxConf:
    """Read a configuration with all it includes. Raises NginxError at the first mistake, as nginx does.

    `read` gives the text of a path and raises FileNotFoundError, `names` the sorted names in a directory.
    """
    try:
        tree = _parse(path, _Files(read, names), "main")
    except FileNotFoundError as error:
        raise NginxError(f'open() "{path}" failed (2: {error})') from None
    conf = NginxConf()
    for directive in tree:
        _notice(conf, directive)
        if directive.name == "http" and directive.block is not None:
            _http(conf, directive.block)
    if not any(directive.name == "events" for directive in tree):
        raise NginxError('no "events" section in configuration')
    return conf


def _notice(conf: NginxConf, directive: Directive) -> None:
    if directive.name in NOT_SIMULATED:
        conf.notices.append(f'[notice] "{directive.name}" is not simulated here{directive.where}')


def _http(conf: NginxConf, block: tuple[Directive, ...]) -> None:
    base = _apply(conf, Location(), block)
    pair = _certificate(Server(""), block)
    for directive in block:
        if directive.name == "server" and directive.block is not None:
            server = Server(directive.where, certificate=pair.certificate, key=pair.key)
            conf.servers.append(_server(conf, server, base, directive.block))
    _conflicts(conf)


def _conflicts(conf: NginxConf) -> None:
    """Two servers with the same name on the same socket: the first one answers."""
    seen: set[tuple[str, str]] = set()
    for server in conf.servers:
        for socket in server.sockets:
            for name in server.names:
                key = (socket.place, name)
                if key in seen:
                    text = f'[warn] conflicting server name "{name}" on {socket.place}, ignored'
                    conf.notices.append(text)
                seen.add(key)


def _certificate(server: Server, block: tuple[Directive, ...]) -> Server:
    for directive in block:
        if directive.name == "ssl_certificate":
            server.certificate = directive.words[0]
        elif directive.name == "ssl_certificate_key":
            server.key = directive.words[0]
    return server


def _server(conf: NginxConf, server: Server, base: Location, block: tuple[Directive, ...]) -> Server:
    server.outside = _apply(conf, base, block)
    names: list[str] = []
    for directive in block:
        if directive.name == "listen":
            socket = _listen(directive)
            if any(s.place == socket.place for s in server.sockets):
                raise NginxError(f"a duplicate listen {socket.place}{directive.where}")
            server.sockets.append(socket)
        elif directive.name == "server_name":
            names += directive.words
    _certificate(server, block)
    server.names = tuple(names) or ("",)
    server.sockets = server.sockets or [Socket(ANY, 80)]
    _locations(conf, server, server.outside, block)
    if any(socket.ssl for socket in server.sockets):
        if not server.certificate:
            raise NginxError(f'no "ssl_certificate" is defined for the "listen ... ssl" directive{server.where}')
        if not server.key:
            raise NginxError(f'no "ssl_certificate_key" is defined for certificate "{server.certificate}"')
    return server


def _locations(conf: NginxConf, server: Server, base: Location, block: tuple[Directive, ...]) -> None:
    for directive in block:
        if directive.name != "location" or directive.block is None:
            continue
        modifier, path = directive.words if len(directive.words) == 2 else ("", directive.words[0])
        if modifier not in ("", "=", "~", "~*", "^~"):
            raise NginxError(f'invalid location modifier "{modifier}"{directive.where}')
        if any((other.modifier, other.path) == (modifier, path) for other in server.locations):
            raise NginxError(f'duplicate location "{path}"{directive.where}')
        if modifier.startswith("~"):
            try:
                re.compile(path)
            except re.error as error:
                raise NginxError(f'pcre2_compile() failed: {error} in "{path}"{directive.where}') from None
        location = _apply(conf, base, directive.block)
        location.modifier, location.path = modifier, path
        if not any(inner.name == "return" for inner in directive.block):
            location.answer = None
        server.locations.append(location)
        _locations(conf, server, location, directive.block)


def _apply(conf: NginxConf, base: Location, block: tuple[Directive, ...]) -> Location:
    """The settings of a block on top of those around it."""
    result = Location(base.modifier, base.path, base.root, base.index, base.autoindex, base.answer, base.rules)
    rules: list[tuple[bool, Network]] = []
    seen: set[str] = set()
    for directive in block:
        name, words, where = directive.name, directive.words, directive.where
        _notice(conf, directive)
        if name in ONCE and name in seen:
            raise NginxError(f'"{name}" directive is duplicate{where}')
        seen.add(name)
        if name == "root":
            result.root = words[0]
        elif name == "index":
            result.index = words
        elif name == "autoindex":
            result.autoindex = words[0].lower() == "on"
        elif name == "return" and result.answer is base.answer:
            result.answer = _return(words, where)
        elif name in ("allow", "deny"):
            rules.append((name == "allow", _network(words[0], where)))
        elif name in ("proxy_pass", "fastcgi_pass", "uwsgi_pass"):
            result.missing = name
    result.rules = tuple(rules) or base.rules
    return result


def _return(words: tuple[str, ...], where: str) -> tuple[int, str]:
    if not words[0].isdecimal():
        if len(words) == 1 and re.match(r"https?://|\$scheme", words[0]):
            return 302, words[0]
        raise NginxError(f'invalid return code "{words[0]}"{where}')
    if int(words[0]) > 999:
        raise NginxError(f'invalid return code "{words[0]}"{where}')
    return int(words[0]), words[1] if len(words) > 1 else ""


def _network(word: str, where: str) -> Network:
    if word == "all":
        return Network(ANY, 0)
    address, _, length = word.partition("/")
    try:
        return Network.of(IPv4.parse(address), int(length or "32"))
    except ValueError:
        raise NginxError(f'invalid parameter "{word}"{where}') from None


def _listen(directive: Directive) -> Socket:
    word, *flags = directive.words
    where = directive.where
    host, colon, port = word.rpartition(":")
    if not colon:
        host, port = ("", word) if word.isdecimal() else (word, "80")
    if word.endswith("]"):
        host, port = word, "80"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise NginxError(f'invalid port in "{word}" of the "listen" directive{where}')
    try:
        address: Address = parse_address(host.strip("[]")) if host not in ("", "*") else ANY
    except ValueError:
        raise NginxError(f'host not found in "{word}" of the "listen" directive{where}') from None
    for flag in flags:
        if flag not in LISTEN_FLAGS and "=" not in flag:
            raise NginxError(f'invalid parameter "{flag}"{where}')
    return Socket(address, int(port), "ssl" in flags, "default_server" in flags or "default" in flags)
