"""Topic names and topic filters: which are legal, and which filter matches which name.

Before changing this file read MQTT 3.1.1 §4.7.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["matches", "valid_filter", "valid_topic"]

MAX_BYTES = 65_535  # MQTT 3.1.1 §1.5.3
MAX_LEVELS = 200  # mosquitto, TOPIC_HIERARCHY_LIMIT


def _legal(text: str) -> bool:
    return 0 < len(text.encode()) <= MAX_BYTES and "\0" not in text and text.count("/") <= MAX_LEVELS


def valid_topic(topic: str) -> bool:
    """True for a name that something can be published to: not empty, without wildcards."""
    return _legal(topic) and "+" not in topic and "#" not in topic


def valid_filter(pattern: str) -> bool:
    """True for a filter: `+` fills a whole level, `#` is the whole last level.

    Examples
    --------
    >>> [valid_filter(f) for f in ("home/+/temperature", "#", "home/#/x", "home+")]
    [True, True, False, False]
    """
    if not _legal(pattern):
        return False
    levels = pattern.split("/")
    if any("#" in level for level in levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        return False
    return all(level == "+" or "+" not in level for level in levels)


@lru_cache(maxsize=4096)
def matches(pattern: str, topic: str) -> bool:
    """True where a legal filter matches a legal topic.

    `#` also matches the level above it; a wildcard in the first place matches no topic that begins with `$` (§4.7.2).

    Examples
    --------
    >>> matches("home/#", "home"), matches("+/x", "/x"), matches("#", "$SYS/broker/uptime")
    (True, True, False)
    """
    if topic.startswith("$") and pattern[:1] in "#+":
        return False
    wanted, given = pattern.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)
