"""Command-line options as GNU getopt reads them, with its words for mistakes."""

from __future__ import annotations

import getopt as _getopt
from collections.abc import Sequence

__all__ = ["Refusal", "UsageError", "parse_options"]


class UsageError(Exception):
    """A wrong option, in getopt's words: `invalid option -- 'z'`."""


class Refusal(Exception):
    """A program ends before it began: a line for stderr and an exit status."""

    def __init__(self, text: str, status: int = 2) -> None:
        super().__init__(text)
        self.status = status


def parse_options(
    arguments: Sequence[str], short: str, long: Sequence[str] = (), *, intermixed: bool = True
) -> tuple[list[tuple[str, str]], list[str]]:
    """Split arguments into options and operands.

    `short` and `long` are as for `getopt.getopt` ("c:n", "count="). Options come back with their dashes. Raises
    UsageError.
    """
    parse = _getopt.gnu_getopt if intermixed else _getopt.getopt
    try:
        options, operands = parse(list(arguments), short, list(long))
    except _getopt.GetoptError as error:
        raise UsageError(_words(error)) from None
    return options, operands


def _words(error: _getopt.GetoptError) -> str:
    option, text = error.opt, error.msg
    short = len(option) == 1
    if "requires argument" in text:
        return f"option requires an argument -- '{option}'" if short else f"option '--{option}' requires an argument"
    if "must not have" in text:
        return f"option '--{option}' doesn't allow an argument"
    if "not a unique prefix" in text:
        return f"option '--{option}' is ambiguous"
    return f"invalid option -- '{option}'" if short else f"unrecognized option '--{option}'"
