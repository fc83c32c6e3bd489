"""HTTP push: a thing that posts its readings as JSON, and a small server that collects them."""

from __future__ import annotations

from dataclasses import dataclass

from labs.things.payload import read_json
from labs.things.thing_config import Key, ThingConfigError, read_keys

__all__ = ["COLLECTOR", "PUSH", "CollectorConfig", "PushConfig", "parse_collector", "parse_push", "read_report"]

PUSH = "/etc/push.toml"
COLLECTOR = "/etc/collector.toml"
MAX_BODY = 4096


@dataclass(frozen=True, slots=True)
class PushConfig:
    """What /etc/push.toml says. `token` is sent as a bearer token (RFC 6750 §2.1) where it is set."""

    url: str
    token: str
    quantity: str
    unit: str
    interval_s: int


@dataclass(frozen=True, slots=True)
class CollectorConfig:
    """What /etc/collector.toml says. Without a token everybody may post."""

    port: int
    token: str
    keep: int


def parse_push(text: str) -> PushConfig:
    """Raises ThingConfigError."""
    values = read_keys(
        text,
        [
            Key("push.url", str),
            Key("push.token", str, ""),
            Key("push.quantity", str),
            Key("push.unit", str, "C"),
            Key("push.interval_s", int, 60, 1, 86_400),
        ],
    )
    url = str(values["push.url"])
    if not url.startswith(("http://", "https://")):
        raise ThingConfigError(f'"push.url" is "{url}"; it must begin with http:// or https://')
    return PushConfig(
        url,
        str(values["push.token"]),
        str(values["push.quantity"]),
        str(values["push.unit"]),
        int(values["push.interval_s"]),
    )


def parse_collector(text: str) -> CollectorConfig:
    """Raises ThingConfigError."""
    values = read_keys(
        text,
        [
            Key("collector.port", int, 8080, 1, 65535),
            Key("collector.token", str, ""),
            Key("collector.keep", int, 200, 1, 2000),
        ],
    )
    return CollectorConfig(int(values["collector.port"]), str(values["collector.token"]), int(values["collector.keep"]))


def read_report(body: bytes) -> dict[str, object]:
    """A posted report: a JSON object with a number called value. Raises ValueError in words for the sender."""
    if len(body) > MAX_BODY:
        message = f"a report has at most {MAX_BODY} bytes"
        raise ValueError(message)
    try:
        found = read_json(body)
    except ValueError:
        message = "the body is not JSON"
        raise ValueError(message) from None
    if not isinstance(found, dict) or isinstance(found.get("value"), bool):
        message = "the body is not an object with a value"
        raise ValueError(message)  # noqa: TRY004 - one kind of mistake for the sender
    if not isinstance(found.get("value"), (int, float)):
        message = "value is not a number"
        raise ValueError(message)  # noqa: TRY004
    return found
