"""Every topic of MQTT at once: topics that no filter of a list tells apart are one class, shown by an example.

Before changing this file read MQTT 3.1.1 §4.7: `+` stands for one level, `#` for the rest and its own parent, and
neither begins to match at a level that begins with `$`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from labs.things.mqtt.topics import matches

__all__ = ["MAX_CLASSES", "TooManyTopics", "topic_classes"]

MAX_CLASSES = 4096
NOBODY = "nobody"
_Position = tuple[int, int]


class TooManyTopics(ValueError):
    """The filters cut topics into more classes than are decided."""


def topic_classes(filters: Sequence[str]) -> Mapping[frozenset[int], str]:
    """For each set of filters that can match together: the shortest topic that they, and no others, match.

    The walk goes level by level over what is left of each filter, so its end does not depend on how many topics there
    are. Raises TooManyTopics.
    """
    split = [tuple(pattern.split("/")) for pattern in filters]
    words = sorted({level for levels in split for level in levels if level not in ("+", "#")})
    other = _unlike(words)
    found: dict[frozenset[int], str] = {}
    start = frozenset((number, 0) for number in range(len(split)))
    seen = {start}
    queue: list[tuple[frozenset[_Position], tuple[str, ...]]] = [(start, ())]
    while queue:
        state, levels = queue.pop(0)
        wanted = {split[n][at] for n, at in state if at < len(split[n])} & set(words)
        for level in (other, *sorted(wanted), *(() if levels else ("$" + other,))):
            after = frozenset(_advance(split, state, level, first=not levels))
            topic = (*levels, level)
            text = "/".join(topic)
            found.setdefault(frozenset(n for n, pattern in enumerate(filters) if matches(pattern, text)), text)
            if after and after not in seen:
                seen.add(after)
                queue.append((after, topic))
            if len(seen) > MAX_CLASSES:
                raise TooManyTopics(", ".join(filters))
    return found


def _unlike(words: Iterable[str]) -> str:
    """A level that is none of the words."""
    taken, name = set(words), NOBODY
    while name in taken or "$" + name in taken:
        name += "-else"
    return name


def _advance(
    split: Sequence[tuple[str, ...]], state: frozenset[_Position], level: str, *, first: bool
) -> Iterable[_Position]:
    """Where each filter stands after one more level; those that can no longer match are left out."""
    hidden = first and level.startswith("$")
    for number, at in state:
        levels = split[number]
        if at >= len(levels):
            continue
        word = levels[at]
        if word == "#":
            if not hidden:
                yield number, at
        elif word == level or (word == "+" and not hidden):
            yield number, at + 1
