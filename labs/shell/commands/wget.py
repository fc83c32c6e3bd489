"""wget: save a page. Compare with GNU Wget 1.21; the progress bar is left out."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from labs.net import http
from labs.net.filesystem import FileError
from labs.net.http import Request
from labs.net.process import Process, Program, Routine
from labs.net.strftime import clock_text
from labs.shell.options import UsageError, parse_options
from labs.shell.resolver import literal_place
from labs.shell.web import Exchange, WebError, read_url

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
HINT = ("Usage: wget [OPTION]... [URL]...", "", "Try `wget --help' for more options.")
MAX_REDIRECTS = 20
NETWORK, VERIFICATION, SERVER = 4, 5, 8  # exit statuses, wget(1)


def wget(process: Process) -> Routine:
    """The program: `wget [-q] [-O FILE] [-T SECONDS] [--no-check-certificate] URL`."""
    if process.argv[1:] == ["--help"]:
        process.print("Usage: wget [-q] [-O FILE] [-T SECONDS] [--no-check-certificate] URL")
        return 0
    try:
        words, urls = parse_options(
            process.argv[1:], "qO:T:t:nv", ["quiet", "output-document=", "timeout=", "tries=", "no-check-certificate"]
        )
    except UsageError as error:
        process.error(f"wget: {error}", *HINT)
        return 2
    if len(urls) != 1:
        process.error(*(["wget: one URL each time is simulated here"] if urls else ["wget: missing URL"]), *HINT)
        return 1 if not urls else 2
    options = dict(words)
    quiet = bool(options.keys() & {"-q", "--quiet"})
    seconds = options.get("-T", options.get("--timeout", "0"))
    if not seconds.replace(".", "", 1).isdecimal():
        process.error(f"wget: timeout: Invalid time period ‘{seconds}’")
        return 2
    timeout = round(float(seconds) * SECOND) or None

    def tell(*lines: str) -> None:
        if not quiet:
            process.error(*lines)

    text = urls[0]
    exchange: Exchange | None = None
    for _ in range(MAX_REDIRECTS + 1):
        try:
            url = read_url(text)
            tell(f"--{clock_text(process.node.wall_clock(), '%F %T')}--  {url}")
            exchange = Exchange(process, url, None, timeout, "--no-check-certificate" in options)
            exchange.deadline_ns = process.node.now + timeout if timeout else None
            headers = (
                ("Host", url.authority),
                ("User-Agent", "Wget/1.21.3"),
                ("Accept", "*/*"),
                ("Connection", "Keep-Alive"),
            )
            response = yield from exchange.run(Request("GET", url.target, headers))
        except WebError as error:
            return _failed(tell, text, error, exchange, once="1" in (options.get("-t"), options.get("--tries")))
        _resolved(tell, exchange)
        tell(f"Connecting to {_peer(exchange)}... connected.")
        tell(f"HTTP request sent, awaiting response... {response.status} {response.reason}")
        target = http.header(response, "location")
        if response.status in (301, 302, 303, 307, 308) and target is not None:
            text = target if "://" in target else f"{url.scheme}://{url.authority}{target}"
            tell(f"Location: {target} [following]")
            continue
        if response.status >= 400:
            tell(f"{clock_text(process.node.wall_clock(), '%F %T')} ERROR {response.status}: {response.reason}.", "")
            return SERVER
        body = response.body.decode("utf-8", "replace")
        path = options.get("-O", options.get("--output-document", posixpath.basename(url.target) or "index.html"))
        tell(f"Length: {len(response.body)} [{http.header(response, 'content-type') or ''}]")
        tell(f"Saving to: ‘{'STDOUT' if path == '-' else path}’", "")
        if path == "-":
            process.stdout.write(body)
        elif path != "/dev/null":
            try:
                process.node.files.write(process.node.files.resolve(path, process.directory), body)
            except FileError as error:
                process.error(f"{path}: {error}")
                return 3
        return 0
    tell(f"{MAX_REDIRECTS} redirections exceeded.")
    return SERVER


def _resolved(tell: Callable[..., None], exchange: Exchange) -> None:
    """What is told of a name."""
    host = exchange.url.host
    if exchange.places and literal_place(host) is None:
        tell(f"Resolving {host} ({host})... {', '.join(str(place) for place in exchange.places)}")


def _peer(exchange: Exchange) -> str:
    """Whom it connects to: a name with the address that was tried last."""
    host, port = exchange.url.host, exchange.url.port
    named = exchange.places and literal_place(host) is None
    return f"{host} ({host})|{exchange.address}|:{port}" if named else f"{host}:{port}"


def _failed(tell: Callable[..., None], text: str, error: WebError, exchange: Exchange | None, *, once: bool) -> int:
    """Wget's words for what curl numbers."""
    status = error.status
    if status in (1, 3):
        tell(f"{text}: {'Unsupported scheme' if status == 1 and 'Protocol' in str(error) else 'Invalid host name'}.")
        return 1
    assert exchange is not None
    url = exchange.url
    _resolved(tell, exchange)
    if status == 6:
        tell(f"Resolving {url.host} ({url.host})... failed: {exchange.unresolved}.")
        tell(f"wget: unable to resolve host address ‘{url.host}’")
    elif status == 60:
        tell(f"ERROR: The certificate of ‘{url.host}’ is not trusted.", f"  {error}")
        return VERIFICATION
    elif status == 28:
        tell(f"Connecting to {_peer(exchange)}... failed: Connection timed out.", *(["Giving up.", ""] if once else []))
    elif status == 7:
        tell(f"Connecting to {_peer(exchange)}... failed: Connection refused.")
    else:
        tell(f"{error}")
        return VERIFICATION if status == 35 else NETWORK
    return NETWORK


COMMANDS: dict[str, Program] = {"wget": wget}
