"""curl: fetch over HTTP or HTTPS, with the words and exit statuses of curl 7.88. The progress meter is left out."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Generator
from dataclasses import dataclass, field

from labs.model.addresses import IPv4
from labs.net import http
from labs.net.filesystem import FileError
from labs.net.http import Request, Response
from labs.net.process import Process, Program, Routine, Wait
from labs.shell.options import UsageError, parse_options
from labs.shell.web import Exchange, Url, WebError, read_url

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
MAX_REDIRECTS = 50
AGENT = "curl/7.88.1"
HINT = "curl: try 'curl --help' or 'curl --manual' for more information"
SHORT = "sSvIikLfOgN46#o:m:w:X:H:d:A:u:T:F:b:c:x:Q:z:"
LONG = (
    "silent show-error verbose head include insecure location fail output= max-time= connect-timeout= write-out= "
    "request= header= data= user-agent= cacert= remote-name resolve= ipv4 ipv6 help version no-progress-meter url="
).split()
NAMES = {
    "--silent": "-s", "--show-error": "-S", "--verbose": "-v", "--head": "-I", "--include": "-i", "--insecure": "-k",
    "--location": "-L", "--fail": "-f", "--output": "-o", "--max-time": "-m", "--write-out": "-w", "--request": "-X",
    "--header": "-H", "--data": "-d", "--user-agent": "-A", "--remote-name": "-O", "--ipv4": "-4",
    "--ipv6": "-6",
}  # fmt: skip
IGNORED = {"-g", "-N", "-#", "--no-progress-meter"}
TRUST = (
    "More details here: https://curl.se/docs/sslcerts.html",
    "",
    "curl failed to verify the legitimacy of the server and therefore could not",
    "establish a secure connection to it. To learn more about this situation and",
    "how to fix it, please visit the web page mentioned above.",
)


@dataclass(slots=True)
class _Options:
    flags: set[str] = field(default_factory=set)
    output: str = "-"
    max_ns: int | None = None
    connect_ns: int | None = None
    write_out: str = ""
    method: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None
    agent: str = AGENT
    authorities: str = ""
    resolve: dict[tuple[str, int], str] = field(default_factory=dict)
    urls: list[str] = field(default_factory=list)


class _Usage(Exception):
    """A line about an option."""


def _seconds(option: str, text: str) -> int:
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise _Usage(f"option {option}: expected a proper numerical parameter")
    return round(float(text) * SECOND)


def _read(arguments: list[str]) -> _Options:
    try:
        words, operands = parse_options(arguments, SHORT, LONG)
    except UsageError as error:
        text = str(error)
        name = text.rpartition(" ")[2].strip("'") if "requires" not in text else re.findall(r"'([^']*)'", text)[0]
        name = name if name.startswith("-") else f"-{name}"
        raise _Usage(f"option {name}: {'requires parameter' if 'requires' in text else 'is unknown'}") from None
    options = _Options(urls=operands)
    for typed, value in words:
        option = NAMES.get(typed, typed)
        if option in "-s -S -v -I -i -k -L -f -O -4 -6".split():
            options.flags.add(option)
        elif option == "-o":
            options.output = value
        elif option == "-m":
            options.max_ns = _seconds(typed, value)
        elif option == "--connect-timeout":
            options.connect_ns = _seconds(typed, value)
        elif option == "-w":
            options.write_out = value
        elif option == "-X":
            options.method = value
        elif option == "-H":
            name, _, rest = value.partition(":")
            options.headers.append((name.strip(), rest.strip()))
        elif option == "-d":
            options.body = ((options.body + b"&") if options.body else b"") + value.encode()
        elif option == "-A":
            options.agent = value
        elif option == "--cacert":
            options.authorities = value
        elif option == "--url":
            options.urls.append(value)
        elif option == "--resolve":
            host, _, rest = value.partition(":")
            port, _, address = rest.partition(":")
            options.resolve[host, int(port) if port.isdecimal() else 0] = address
        elif option in ("--help", "--version"):
            options.flags.add(option)
        elif option not in IGNORED:
            raise _Usage(f'"{typed}" is not simulated here')
    return options


def curl(process: Process) -> Routine:
    """The program."""
    try:
        options = _read(process.argv[1:])
    except _Usage as error:
        process.error(f"curl: {error}", HINT)
        return 2
    if "--version" in options.flags:
        process.print("curl 7.88.1 (simulated)", "Protocols: http https")
        return 0
    if "--help" in options.flags:
        process.print("Usage: curl [-sSvIikLfO] [-o FILE] [-m SECONDS] [--connect-timeout SECONDS] [-w FORMAT]")
        process.print(
            "            [-X METHOD] [-H HEADER] [-d DATA] [--cacert FILE] [--resolve HOST:PORT:ADDRESS] URL..."
        )
        return 0
    if not options.urls:
        process.error(HINT)
        return 2
    status = 0
    for url in options.urls:
        status = yield from _Transfer(process, options).run(url)
    return status


class _Transfer:
    """One URL, with its redirects."""

    def __init__(self, process: Process, options: _Options) -> None:
        self._process = process
        self._options = options
        self._began_ns = process.node.now
        self._facts: dict[str, str] = {
            "http_code": "000",
            "size_download": "0",
            "num_redirects": "0",
            "content_type": "",
        }

    def _say(self, sign: str, text: str) -> None:
        if "-v" in self._options.flags:
            self._process.error(f"{sign} {text}")

    def run(self, text: str) -> Routine:
        """Fetch, print, and return curl's exit status."""
        process, options = self._process, self._options
        status, problem = 0, ""
        self._facts["url_effective"] = text
        try:
            response = yield from self._follow(text)
            self._deliver(response, text)
        except WebError as error:
            status, problem = error.status, str(error)
            if "-v" in options.flags and status != 1:
                process.error("* Closing connection 0")
        if options.write_out:
            self._write_out()
        if problem and ("-s" not in options.flags or "-S" in options.flags):
            process.error(f"curl: ({status}) {problem}", *(TRUST if status == 60 else ()))
        return status

    def _follow(self, text: str) -> Generator[Wait, None, Response]:
        options = self._options
        url = read_url(text)
        deadline = self._began_ns + options.max_ns if options.max_ns is not None else None
        method = options.method or ("HEAD" if "-I" in options.flags else "POST" if options.body is not None else "GET")
        body = options.body
        for count in range(MAX_REDIRECTS + 1):
            exchange = Exchange(
                self._process,
                url,
                deadline,
                options.connect_ns,
                "-k" in options.flags,
                self._process.node.files.resolve(options.authorities, self._process.directory)
                if options.authorities
                else "",
                self._known(url),
                self._say,
                family="ip" if "-4" in options.flags else "ip6" if "-6" in options.flags else "",
            )
            response = yield from exchange.run(self._request(method, url, body))
            self._facts |= {
                "http_code": f"{response.status:03d}",
                "response_code": f"{response.status:03d}",
                "size_download": str(len(response.body)),
                "num_redirects": str(count),
                "remote_ip": str(exchange.address or ""),
                "remote_port": str(url.port),
                "ssl_verify_result": str(exchange.verify_result),
                "content_type": http.header(response, "content-type") or "",
                "url_effective": str(url),
                "scheme": url.scheme.upper(),
                "method": method,
            }
            self._say("*", f"Connection #0 to host {url.host} left intact")
            target = http.header(response, "location")
            if target is not None and "://" not in target:
                target = f"{url.scheme}://{url.authority}{target if target.startswith('/') else '/' + target}"
            self._facts["redirect_url"] = target or ""
            if target is None or "-L" not in options.flags or response.status not in (301, 302, 303, 307, 308):
                return response
            if "-i" in options.flags or "-I" in options.flags:
                self._process.stdout.write(_head(response))
            self._say("*", f"Issue another request to this URL: '{target}'")
            url = read_url(target)
            if method == "POST" and response.status in (301, 302, 303) and not options.method:
                method, body = "GET", None
        raise WebError(47, f"Maximum ({MAX_REDIRECTS}) redirects followed")

    def _known(self, url: Url) -> IPv4 | None:
        text = self._options.resolve.get((url.host, url.port))
        try:
            return IPv4.parse(text) if text else None
        except ValueError:
            raise WebError(49, f"Couldn't parse CURLOPT_RESOLVE entry '{url.host}:{url.port}:{text}'") from None

    def _request(self, method: str, url: Url, body: bytes | None) -> Request:
        headers = {"Host": url.authority, "User-Agent": self._options.agent, "Accept": "*/*"}
        if body is not None:
            headers |= {"Content-Length": str(len(body)), "Content-Type": "application/x-www-form-urlencoded"}
        for name, value in self._options.headers:
            same = next((known for known in headers if known.lower() == name.lower()), name)
            headers[same] = value
        pairs = tuple((name, value) for name, value in headers.items() if value)
        return Request(method, url.target, pairs, body=body or b"")

    def _deliver(self, response: Response, url: str) -> None:
        process, options = self._process, self._options
        if "-f" in options.flags and response.status >= 400:
            raise WebError(22, f"The requested URL returned error: {response.status}")
        text = _head(response) if options.flags & {"-I", "-i"} else ""
        text += response.body.decode("utf-8", "replace")
        path = options.output
        if "-O" in options.flags:
            path = posixpath.basename(read_url(url).target.partition("?")[0])
            if not path:
                raise WebError(23, "Failed writing received data to disk/application")
        if path == "-":
            process.stdout.write(text)
        elif path != "/dev/null":
            try:
                process.node.files.write(process.node.files.resolve(path, process.directory), text)
            except FileError as error:
                process.error(f"Warning: Failed to open the file {path}: {error}")
                raise WebError(23, "Failure writing output to destination") from None

    def _write_out(self) -> None:
        facts = self._facts | {"time_total": f"{(self._process.node.now - self._began_ns) / 1e9:.6f}"}

        def one(match: re.Match[str]) -> str:
            if match[1] is None:
                return {"n": "\n", "t": "\t", "r": "\r"}.get(match[2], match[0])
            if match[1] not in facts and match[1] not in (
                "remote_ip",
                "remote_port",
                "redirect_url",
                "ssl_verify_result",
            ):
                self._process.error(f"curl: unknown --write-out variable: '{match[1]}'")
            return facts.get(match[1], "")

        self._process.stdout.write(re.sub(r"%\{(\w+)\}|\\(.)", one, self._options.write_out))


def _head(response: Response) -> str:
    lines = [f"{response.version} {response.status} {response.reason}", *[f"{k}: {v}" for k, v in response.headers]]
    return "\n".join([*lines, "", ""])


COMMANDS: dict[str, Program] = {"curl": curl}
