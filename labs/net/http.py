"""HTTP/1.1 messages as bytes. Before changing this file read RFC 9112 §2 to §6.

Left out: chunked bodies, trailers, pipelining; a body has a Content-Length or ends with the connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = [
    "REASONS",
    "HttpError",
    "Request",
    "Response",
    "header",
    "read_request",
    "read_response",
    "request_bytes",
    "response_bytes",
]

MAX_HEAD = 16_384
REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    303: "See Other",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Not Allowed",
    410: "Gone",
    413: "Request Entity Too Large",
    418: "",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


class HttpError(ValueError):
    """Bytes that are no HTTP."""


class Request(NamedTuple):
    """One request."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    version: str = "HTTP/1.1"
    body: bytes = b""


class Response(NamedTuple):
    """One response. `length` is what Content-Length announced, None where the end of the connection ends the body."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    version: str = "HTTP/1.1"
    body: bytes = b""
    length: int | None = None


def header(message: Request | Response, name: str) -> str | None:
    """The value of a header field; names are without case."""
    return next((value for key, value in message.headers if key.lower() == name.lower()), None)


def _head(data: bytes) -> tuple[list[str], bytes] | None:
    """The lines before the empty one, and what follows; None while it is not complete."""
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        if len(data) > MAX_HEAD:
            message = "the head does not end"
            raise HttpError(message)
        return None
    return head.decode("latin-1").split("\r\n"), rest


def _fields(lines: list[str]) -> tuple[tuple[str, str], ...]:
    fields = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            message = f"not a header field: {line}"
            raise HttpError(message)
        fields.append((name, value.strip()))
    return tuple(fields)


def _length(fields: tuple[tuple[str, str], ...]) -> int | None:
    value = next((value for name, value in fields if name.lower() == "content-length"), None)
    if value is not None and not value.isdecimal():
        message = f"not a length: {value}"
        raise HttpError(message)
    return int(value) if value is not None else None


def read_request(data: bytes) -> tuple[Request, bytes] | None:
    """A request and the bytes after it; None while it is not complete. Raises HttpError."""
    if data and not data[:1].isupper():
        message = "not a method"
        raise HttpError(message)
    found = _head(data)
    if found is None:
        return None
    (first, *lines), rest = found
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/") or not words[0].isupper():
        message = f"not a request: {first}"
        raise HttpError(message)
    fields = _fields(lines)
    length = _length(fields) or 0
    if len(rest) < length:
        return None
    return Request(words[0], words[1], fields, words[2], rest[:length]), rest[length:]


def read_response(data: bytes, *, ended: bool, head_only: bool = False) -> Response | None:
    """A response; None while it is not complete. `ended` says that no more bytes come. Raises HttpError.

    A body that is shorter than announced is returned as it is when the connection has ended.
    """
    found = _head(data)
    if found is None:
        return None
    (first, *lines), rest = found
    version, _, more = first.partition(" ")
    status, _, reason = more.partition(" ")
    if not version.startswith("HTTP/") or not status.isdecimal():
        message = f"not a response: {first}"
        raise HttpError(message)
    fields = _fields(lines)
    length = _length(fields)
    if head_only or int(status) in (204, 304):
        return Response(int(status), reason, fields, version, b"", length)
    if not ended and (length is None or len(rest) < length):
        return None
    return Response(int(status), reason, fields, version, rest if length is None else rest[:length], length)


def _lines(first: str, headers: Mapping[str, str] | tuple[tuple[str, str], ...]) -> bytes:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return "\r\n".join([first, *[f"{name}: {value}" for name, value in pairs], "", ""]).encode("latin-1", "replace")


def request_bytes(request: Request) -> bytes:
    """A request on the wire."""
    return _lines(f"{request.method} {request.target} {request.version}", request.headers) + request.body


def response_bytes(response: Response, *, head_only: bool = False) -> bytes:
    """A response on the wire."""
    head = _lines(f"{response.version} {response.status} {response.reason}".rstrip(), response.headers)
    return head if head_only else head + response.body
