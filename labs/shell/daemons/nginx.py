"""nginx: files and fixed answers over HTTP and HTTPS, from /etc/nginx/nginx.conf.

Before changing this file read RFC 9110 §15 and compare with nginx 1.22. HTTPS is shown, not encrypted (labs.net.tls).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labs.net import http, tls
from labs.net.certificate import CertificateError, read_certificates, read_key
from labs.net.filesystem import FileError
from labs.net.http import HttpError, Request, Response
from labs.net.nginx_conf import Location, NginxConf, NginxError, Server, Socket, parse_nginx
from labs.net.process import SIGHUP, SIGTERM, Interrupt, Process, Program, Routine, Signal, Wait
from labs.net.sockets import SocketError, TcpListener, listen
from labs.net.strftime import clock_text
from labs.net.tcp import TcpConnection, TcpState
from labs.net.tls import Record, Records, TlsError

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["COMMANDS", "load_nginx", "nginx"]

CONFIG = "/etc/nginx/nginx.conf"
PREFIX = "/usr/share/nginx"
VERSION = "nginx/1.22.1"
SECOND = 1_000_000_000
MAX_CLIENTS = 128
CLIENT_TIMEOUT_NS = 60 * SECOND  # client_header_timeout
BIND_ERRORS = {"Address already in use": 98, "Cannot assign requested address": 99}
ADDED_LAST = (("Accept-Ranges", "bytes"),)  # headers of a module come after those of the core
TYPES = {
    "": "application/octet-stream",
    ".css": "text/css",
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".htm": "text/html",
    ".html": "text/html",
    ".js": "application/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".xml": "text/xml",
}


def load_nginx(node: LinuxNode) -> NginxConf:
    """Read the configuration and the certificates that it names. Raises NginxError."""

    def read(path: str) -> str:
        try:
            return node.files.read(path)
        except FileError as error:
            raise FileNotFoundError(str(error)) from None

    def names(folder: str) -> Sequence[str]:
        return node.files.list(folder) if node.files.is_directory(folder) else []

    conf = parse_nginx(CONFIG, read, names)
    for server in conf.servers:
        if any(socket.ssl for socket in server.sockets):
            _check_certificate(node, server)
    return conf


def _check_certificate(node: LinuxNode, server: Server) -> None:
    certificate, key = (posixpath.join("/etc/nginx", path) for path in (server.certificate, server.key))
    missing = (
        "(SSL: error:80000002:system library::No such file or directory:calling fopen({}, r) "
        "error:10000080:BIO routines::no such file)"
    )
    for what, path in (("certificate", certificate), ("certificate key", key)):
        if not node.files.is_file(path):
            raise NginxError(f'cannot load {what} "{path}": BIO_new_file() failed {missing.format(path)}')
    try:
        chain = read_certificates(node.files.get(certificate))
    except CertificateError:
        raise NginxError(
            f'cannot load certificate "{certificate}": PEM_read_bio_X509_AUX() failed '
            "(SSL: error:0480006C:PEM routines::no start line:Expecting: TRUSTED CERTIFICATE)"
        ) from None
    try:
        secret = read_key(node.files.get(key))
    except CertificateError:
        raise NginxError(
            f'cannot load certificate key "{key}": PEM_read_bio_PrivateKey() failed '
            "(SSL: error:0480006C:PEM routines::no start line:Expecting: ANY PRIVATE KEY)"
        ) from None
    if chain[0].key != secret:
        raise NginxError(
            f'SSL_CTX_use_PrivateKey("{key}") failed '
            "(SSL: error:05800074:x509 certificate routines::key values mismatch)"
        )


@dataclass(slots=True, eq=False)
class _Client:
    """One connection."""

    connection: TcpConnection
    listener: _Listener
    until_ns: int
    records: Records = field(default_factory=Records)
    buffer: bytes = b""
    name: str = ""
    secure: bool = False


@dataclass(slots=True)
class _Listener:
    """One bound socket and the servers that share it, the default one first."""

    socket: Socket
    listener: TcpListener
    servers: list[Server]


class _Daemon:
    """The sockets and the loop."""

    def __init__(self, process: Process, conf: NginxConf) -> None:
        self._process = process
        self._node = process.node
        self._conf = conf
        self._listeners: list[_Listener] = []
        self._clients: list[_Client] = []

    def open(self) -> None:
        """Bind every socket. Raises NginxError."""
        every = [(socket, server) for server in self._conf.servers for socket in server.sockets]
        for socket, _ in sorted(every, key=lambda pair: int(pair[0].address)):
            same = [each.socket for each in self._listeners if each.socket.port == socket.port]
            kind = type(socket.address)
            if any(
                known.place == socket.place or known.address == kind(0) for known in same if kind is type(known.address)
            ):
                continue
            sharing = [(s, server) for s, server in every if s.place == socket.place]
            sharing.sort(key=lambda pair: not pair[0].default)
            try:
                bound = listen(self._process, socket.port, socket.address, v6only=True)
            except SocketError as error:
                number = BIND_ERRORS.get(str(error), 99)
                raise NginxError(f"bind() to {socket.place} failed ({number}: {error})") from None
            secure = any(s.ssl for s, _ in sharing)
            self._listeners.append(_Listener(socket._replace(ssl=secure), bound, [server for _, server in sharing]))

    def close(self) -> None:
        """Let go of the sockets; clients are answered to the end by nobody."""
        for each in self._listeners:
            self._node.tcp_unlisten(each.listener)
        for client in self._clients:
            client.connection.close(self._node.now)

    def run(self) -> Routine:
        """Serve until a signal."""
        while True:
            now = self._node.now
            for each in self._listeners:
                while each.listener.backlog:
                    connection = each.listener.backlog.popleft()
                    if len(self._clients) >= MAX_CLIENTS:
                        connection.abort(now)
                    else:
                        self._clients.append(_Client(connection, each, now + CLIENT_TIMEOUT_NS))
            for client in list(self._clients):
                self.serve(client)
            signals: list[Signal] = [each.listener.signal for each in self._listeners]
            signals += [client.connection.signal for client in self._clients]
            yield Wait(tuple(signals), min((client.until_ns for client in self._clients), default=None))

    def serve(self, client: _Client) -> None:
        connection, now = client.connection, self._node.now
        data = connection.receive()
        if data:
            client.until_ns = now + CLIENT_TIMEOUT_NS
            try:
                self._take(client, data)
            except TlsError:
                if data[:1].isupper():
                    self._send(client, _page(400, "The plain HTTP request was sent to HTTPS port"), last=True)
                else:
                    connection.close(now)
            except HttpError:
                self._send(client, _page(400), last=True)
        if connection.peer_done or connection.state is not TcpState.ESTABLISHED or now >= client.until_ns:
            connection.close(now)
            self._clients.remove(client)

    def _take(self, client: _Client, data: bytes) -> None:
        if client.listener.socket.ssl:
            for kind, piece in client.records.feed(data):
                if kind is Record.HANDSHAKE:
                    self._shake_hands(client, tls.hello_name(piece))
                elif kind is Record.APPLICATION:
                    client.buffer += piece
        else:
            client.buffer += data
        while (found := http.read_request(client.buffer)) is not None:
            request, client.buffer = found
            self._answer(client, request)

    def _shake_hands(self, client: _Client, name: str) -> None:
        """Show the certificate of the server that the client asks for."""
        client.name, client.secure = name, True
        server = _server_for(client.listener.servers, name)
        text = self._node.files.get(posixpath.join("/etc/nginx", server.certificate))
        client.connection.send(tls.record(Record.HANDSHAKE, b"\x02" + text.encode()), self._node.now)

    def _send(self, client: _Client, response: Response, *, last: bool, head_only: bool = False) -> None:
        now = self._node.now
        headers = (
            ("Server", VERSION),
            ("Date", clock_text(self._node.wall_clock(), "%a, %d %b %Y %H:%M:%S GMT")),
            *(header for header in response.headers if header not in ADDED_LAST),
            ("Connection", "close" if last else "keep-alive"),
            *(header for header in response.headers if header in ADDED_LAST),
        )
        data = http.response_bytes(response._replace(headers=headers), head_only=head_only)
        client.connection.send(tls.record(Record.APPLICATION, data) if client.secure else data, now)
        if last:
            client.connection.close(now)

    def _answer(self, client: _Client, request: Request) -> None:
        last = (http.header(request, "connection") or "").lower() == "close" or request.version == "HTTP/1.0"
        host = http.header(request, "host")
        if host is None and request.version != "HTTP/1.0":
            self._send(client, _page(400), last=True)
            return
        server = _server_for(client.listener.servers, (host or "").partition(":")[0])
        response = self._respond(client, server, request, host or server.names[0])
        self._send(client, response, last=last, head_only=request.method == "HEAD")

    def _respond(self, client: _Client, server: Server, request: Request, host: str) -> Response:
        path = request.target.partition("?")[0]
        if not path.startswith("/"):
            return _page(400)
        path = posixpath.normpath(re.sub(r"%([0-9A-Fa-f]{2})", lambda m: chr(int(m[1], 16)), path)) + (
            "/" if path.endswith("/") and path.strip("/") else ""
        )
        path = "/" + path.lstrip("/")
        location = _location_for(server, path)
        scheme = "https" if client.secure else "http"
        variables = {"scheme": scheme, "host": host.partition(":")[0], "request_uri": request.target, "uri": path}
        variables |= {
            "server_name": server.names[0],
            "remote_addr": str(client.connection.remote[0]),
            "http_host": host,
        }
        answer = server.outside.answer or location.answer
        if answer is not None:
            return _fixed(answer[0], _fill(answer[1], variables))
        decisive = next((allow for allow, network in location.rules if client.connection.remote[0] in network), True)
        if not decisive:
            return _page(403)
        if location.missing:
            return _page(502)
        if request.method not in ("GET", "HEAD"):
            return _page(405)
        return self._file(location, path, f"{scheme}://{host}")

    def _file(self, location: Location, path: str, origin: str) -> Response:
        files = self._node.files
        full = posixpath.normpath(posixpath.join(PREFIX, location.root) + path)
        if files.is_directory(full) and not files.is_file(full):
            if not path.endswith("/"):
                return _fixed(301, f"{origin}{path}/")
            for name in location.index:
                if files.is_file(posixpath.join(full, name)):
                    return _content(posixpath.join(full, name), files.read(posixpath.join(full, name)))
            return _listing(path, files.list(full)) if location.autoindex else _page(403)
        if path.endswith("/") or not files.is_file(full):
            return _page(404)
        return _content(full, files.read(full))


def _server_for(servers: Sequence[Server], host: str) -> Server:
    """The server with that name, else one whose star or expression fits, else the default one."""
    host = host.lower()
    for server in servers:
        if host in (name.lower() for name in server.names):
            return server
    for server in servers:
        for name in server.names:
            if (name.startswith("*.") and host.endswith(name[1:])) or (
                name.startswith(".") and f".{host}".endswith(name)
            ):
                return server
            if name.startswith("~") and re.search(name[1:], host):
                return server
    return servers[0]


def _location_for(server: Server, path: str) -> Location:
    """The exact one, else the longest prefix unless an expression fits."""
    best = server.outside
    for location in server.locations:
        if location.modifier == "=" and location.path == path:
            return location
        if location.modifier in ("", "^~") and path.startswith(location.path):
            best = location if best is server.outside or len(location.path) > len(best.path) else best
    if best.modifier == "^~":
        return best
    for location in server.locations:
        if location.modifier.startswith("~"):
            flags = re.IGNORECASE if location.modifier == "~*" else 0
            if re.search(location.path, path, flags):
                return location
    return best


def _fill(text: str, variables: dict[str, str]) -> str:
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: variables.get(m[1] or m[2], ""), text)


def _body(status: int, body: str, kind: str, *more: tuple[str, str]) -> Response:
    data = body.encode()
    headers = (("Content-Type", kind), ("Content-Length", str(len(data))), *more)
    return Response(status, http.REASONS.get(status, ""), headers, body=data)


def _page(status: int, title: str = "") -> Response:
    """The page that nginx makes up itself."""
    reason = http.REASONS.get(status, "")
    heading = f"{status} {'Found' if status == 302 else reason}".strip()
    head = f"{status} {title}" if title else heading
    more = f"<center>{title}</center>\r\n" if title else ""
    text = (
        f"<html>\r\n<head><title>{head}</title></head>\r\n<body>\r\n<center><h1>{heading}</h1></center>\r\n{more}"
        f"<hr><center>{VERSION}</center>\r\n</body>\r\n</html>\r\n"
    )
    return _body(status, text, "text/html")


def _fixed(status: int, text: str) -> Response:
    """The answer of `return`."""
    if status in (301, 302, 303, 307, 308):
        page = _page(status)
        return page._replace(headers=(*page.headers, ("Location", text)))
    if status in (204, 444):
        return Response(status, http.REASONS.get(status, ""))
    if not text and status >= 300:
        return _page(status)
    return _body(status, text, "text/plain")


def _content(path: str, text: str) -> Response:
    return _body(200, text, TYPES.get(posixpath.splitext(path)[1].lower(), TYPES[""]), *ADDED_LAST)


def _listing(path: str, names: Sequence[str]) -> Response:
    rows = "".join(f'<a href="{name}">{name}</a>\r\n' for name in names)
    text = (
        f"<html>\r\n<head><title>Index of {path}</title></head>\r\n<body>\r\n<h1>Index of {path}</h1><hr><pre>"
        f'<a href="../">../</a>\r\n{rows}</pre><hr></body>\r\n</html>\r\n'
    )
    return _body(200, text, "text/html")


def _fatal(process: Process, error: NginxError) -> int:
    process.error(f"nginx: [emerg] {error}")
    if not str(error).startswith("bind()"):
        process.error(f"nginx: configuration file {CONFIG} test failed")
    return 1


def serve(process: Process) -> Routine:
    """The service."""
    try:
        conf = load_nginx(process.node)
        process.error(*[f"nginx: {line}" for line in conf.notices])
        while True:
            daemon = _Daemon(process, conf)
            daemon.open()
            try:
                yield from daemon.run()
            except Interrupt as interrupt:
                if interrupt.signal != SIGHUP:
                    raise
                daemon.close()
                conf = load_nginx(process.node)
    except NginxError as error:
        return _fatal(process, error)
    except Interrupt as interrupt:
        if interrupt.signal != SIGTERM:
            raise
        return 0


def reload(process: Process) -> int:
    """`nginx -s reload`: a bad configuration changes nothing."""
    try:
        load_nginx(process.node)
    except NginxError as error:
        return _fatal(process, error)
    main = process.node.units.state("nginx").process
    if main is None or not main.running:
        process.error('nginx: [error] open() "/run/nginx.pid" failed (2: No such file or directory)')
        return 1
    main.kill(SIGHUP)
    return 0


def nginx(process: Process) -> Routine | int:
    """`nginx -t`, `nginx -s reload`, `nginx -v`."""
    if process.argv[1:] == ["--help"]:
        process.print("Usage: nginx -t | -s reload | -v")
        return 0
    match process.argv[1:]:
        case ["-v" | "-V"]:
            process.error("nginx version: " + VERSION)
            return 0
        case ["-t" | "-T"]:
            try:
                conf = load_nginx(process.node)
            except NginxError as error:
                return _fatal(process, error)
            process.error(*[f"nginx: {line}" for line in conf.notices])
            process.error(f"nginx: the configuration file {CONFIG} syntax is ok")
            process.error(f"nginx: configuration file {CONFIG} test is successful")
            return 0
        case ["-s", "reload"]:
            return reload(process)
        case ["-s", "stop" | "quit"]:
            process.error("nginx: use systemctl stop nginx here")
            return 1
        case [] | ["-g", *_]:
            process.error("nginx: use systemctl start nginx here")
            return 1
        case [word, *_]:
            process.error(f'nginx: invalid option: "{word}"')
            return 1
    return 1


COMMANDS: dict[str, Program] = {"nginx": nginx}
