"""The arguments of `ip`, word by word, with iproute2's abbreviations and its texts for mistakes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from labs.model.addresses import Address, IPv4, IPv6, Network

__all__ = ["EXIT_USAGE", "IpError", "Words", "answers", "matches", "parse_prefix", "refused", "valid_name"]

EXIT_USAGE = 255
EXIT_FAILED = 1
EXIT_KERNEL = 2
_PART = re.compile(r"0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*")


class IpError(Exception):
    """A refusal: the lines for standard error and the exit status."""

    def __init__(self, *lines: str, status: int = EXIT_FAILED) -> None:
        super().__init__(*lines)
        self.lines = lines
        self.status = status


def answers(text: str) -> IpError:
    """What the kernel answers, in the words of strerror(3)."""
    return IpError(f"RTNETLINK answers: {text}", status=EXIT_KERNEL)


def kernel(text: str) -> IpError:
    """What the kernel explains (extended acknowledgement)."""
    return IpError(f"Error: {text}", status=EXIT_KERNEL)


def wrong(argument: str, text: str, *, blank: bool = True) -> IpError:
    """An argument with a wrong value (invarg)."""
    lines = [f'Error: argument "{argument}" is wrong: {text}']
    return IpError(*lines, *([""] if blank else []), status=EXIT_USAGE)


def refused(thing: str) -> IpError:
    """Something that the real tool can do and this one cannot."""
    return IpError(f'ip: "{thing}" is not simulated here', status=EXIT_USAGE)


def no_device(name: str) -> IpError:
    """There is no such interface."""
    return IpError(f'Cannot find device "{name}"')


def matches(word: str, full: str) -> bool:
    """True where `word` is `full` or an abbreviation of it."""
    return bool(word) and full.startswith(word)


def valid_name(name: str) -> bool:
    """IFNAMSIZ is 16 with the closing zero; no slash, no blank (check_ifname)."""
    return 0 < len(name) < 16 and "/" not in name and not any(c.isspace() for c in name) and name not in (".", "..")


class Words:
    """A cursor over the arguments."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)
        self._at = 0

    @property
    def more(self) -> bool:
        """True while words are left."""
        return self._at < len(self._words)

    @property
    def word(self) -> str:
        """The word under the cursor."""
        return self._words[self._at]

    def take(self) -> str:
        """The word under the cursor, and on to the next."""
        word = self._words[self._at]
        self._at += 1
        return word

    def value(self) -> str:
        """The value that must follow a keyword."""
        if not self.more:
            raise IpError('Command line is not complete. Try option "help"', status=EXIT_USAGE)
        return self.take()

    @property
    def about_ipv6(self) -> bool:
        """True where one of the words that are left is an IPv6 address."""
        return any(is_ipv6(word) for word in self._words[self._at :])

    def rest(self) -> list[str]:
        """All that is left."""
        words, self._at = self._words[self._at :], len(self._words)
        return words


def duplicate(key: str, word: str) -> IpError:
    """A word that makes no sense there (duparg2)."""
    return IpError(f'Error: either "{key}" is duplicate, or "{word}" is a garbage.', status=EXIT_USAGE)


def device_word(words: Words, word: str, before: str | None) -> str:
    """A device, with or without `dev` in front; `before` is one that was named already. Raises IpError."""
    if word == "dev":
        word = words.value()
    if before is not None:
        raise duplicate("dev", word)
    return word


def repeated(key: str, word: str) -> IpError:
    """A keyword given twice (duparg)."""
    return IpError(f'Error: duplicate "{key}": "{word}" is the second value.', status=EXIT_USAGE)


def parse_ipv4(text: str) -> IPv4 | None:
    """An address as iproute2 reads one (get_addr_ipv4): up to four numbers, missing ones are zero."""
    parts = text.split(".")
    if len(parts) > 4:
        return None
    value = 0
    for part in parts:
        if not _PART.fullmatch(part):
            return None
        number = int(part, 0) if not part.startswith("0") or part[1:2] in "xX" else int(part, 8)
        if number > 255:
            return None
        value = value << 8 | number
    return IPv4(value << 8 * (4 - len(parts)))


def is_ipv6(text: str) -> bool:
    """True for text that is an IPv6 address or prefix."""
    if ":" not in text:
        return False
    try:
        IPv6.parse(text.partition("/")[0])
    except ValueError:
        return False
    return True


def parse_any_network(text: str) -> Network:
    """A prefix of either family. Raises IpError."""
    if not is_ipv6(text):
        return parse_network(text)
    head, _, tail = text.partition("/")
    length = int(tail) if tail.isdecimal() else 128
    if length > 128:
        message = f'Error: any valid prefix is expected rather than "{text}".'
        raise IpError(message)
    return Network.of(IPv6.parse(head), length)


def parse_any_address(text: str) -> Address:
    """An address of either family. Raises IpError."""
    return IPv6.parse(text) if is_ipv6(text) and "/" not in text else parse_address(text)


def parse_address(text: str, expected: str = "any valid address") -> IPv4:
    """An IPv4 address. Raises IpError."""
    if is_ipv6(text):
        raise refused("IPv6")
    found = parse_ipv4(text)
    if found is None or "/" in text:
        message = f'Error: {expected} is expected rather than "{text}".'
        raise IpError(message)
    return found


def _length(text: str) -> int | None:
    """A prefix length or a netmask."""
    if text.isdecimal() and text.isascii():
        return int(text) if int(text) <= 32 else None
    mask = parse_ipv4(text) if text.count(".") == 3 else None
    if mask is None:
        return None
    ones = int(mask).bit_count()
    return ones if int(mask) == ~((1 << 32 - ones) - 1) & 0xFFFFFFFF else None


def parse_prefix(text: str, *, default: bool = True) -> tuple[IPv4, int, bool] | None:
    """Address, length and whether a length was written. None for `default`, `any` and `all`. Raises IpError."""
    if default and text in ("default", "any", "all"):
        return None
    if is_ipv6(text):
        raise refused("IPv6")
    head, slash, tail = text.partition("/")
    address = parse_ipv4(head)
    length = _length(tail) if slash else 32
    if address is None or length is None:
        message = f'Error: any valid prefix is expected rather than "{text}".'
        raise IpError(message)
    return address, length, bool(slash)


def parse_network(text: str) -> Network:
    """A destination: `default` is 0.0.0.0/0, host bits are kept out. Raises IpError."""
    found = parse_prefix(text)
    return Network(IPv4(0), 0) if found is None else Network.of(found[0], found[1])


def number(text: str, top: int = 0xFFFFFFFF) -> int | None:
    """An unsigned number as strtoul(3) with base 0 reads it, or None."""
    if not _PART.fullmatch(text):
        return None
    value = int(text, 8) if text.startswith("0") and text[1:2] not in ("x", "X") else int(text, 0)
    return value if value <= top else None
