"""`include`: what it puts where, and errors in the words of nft 1.0.6."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from labs.net.nftables.state import EvaluationState
from labs.net.nftables.tree import Ruleset
from labs.shell.nft import NftResult, nft

FILES = {
    "/etc/main.nft": (
        'flush ruleset\ninclude "./one.nft"\ninclude "/etc/d/*.nft"\ntable inet t {\n\tchain c {\n'
        '\t\tinclude "./rules.nft"\n\t\ttcp dport $web accept\n\t}\n}\n'
    ),
    "./one.nft": "define web = 80\n",
    "/etc/one.nft": "table ip from-etc {}",
    "/etc/d/b.nft": "define x = 1\n",
    "/etc/d/c.nft": "define y = $x\n",
    "./rules.nft": "udp dport 53 accept",
    "./bad.nft": "table ip x {\n chain y { tcp dprt 4 accept; }\n}\n",
    "./bad2.nft": "table ip x {\n chain y { jump nowhere; }\n}\nadd rule ip nope q accept\n",
    "./e3.nft": 'include "./bad.nft"\n',
    "./e5.nft": 'include "./e5.nft"\n',
}


def run(text: str) -> NftResult:
    """`nft -f e.nft`, then the list."""

    def read(path: str) -> str:
        return text if path == "e.nft" else FILES[path]

    def find(pattern: str) -> list[str]:
        return sorted(path for path in FILES if fnmatch(path, pattern))

    return nft(["-f", "e.nft"], Ruleset(), EvaluationState(), read, "", find_files=find)


def listed(result: NftResult) -> str:
    """The ruleset after it."""
    return nft(["list", "ruleset"], result.ruleset, EvaluationState(), FILES.__getitem__, "").text


def test_files_are_read_where_they_are_named_even_within_a_chain() -> None:
    result = run('include "./one.nft"; table ip q {}\n' + FILES["/etc/main.nft"].replace('include "./one.nft"\n', ""))
    assert result.error == ""
    assert listed(result) == ("table inet t {\n\tchain c {\n\t\tudp dport 53 accept\n\t\ttcp dport 80 accept\n\t}\n}\n")


def test_name_without_a_dot_is_looked_for_in_etc() -> None:
    result = run('include "one.nft"\n')
    assert listed(result) == "table ip from-etc {\n}\n"


def test_pattern_that_nothing_matches_is_no_error() -> None:
    assert run('include "/nothere/*.nft"\n').status == 0


DEEP = "\n                 from ".join(["./e5.nft:1:1-19:"] * 14)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            'include "./nothere.nft"\n',
            'e.nft:1:1-24: Error: File not found: ./nothere.nft\ninclude "./nothere.nft"\n^^^^^^^^^^^^^^^^^^^^^^^^\n',
        ),
        (
            "include one.nft\n",
            (
                "e.nft:1:9-15: Error: syntax error, unexpected string, expecting quoted string\n"
                "include one.nft\n        ^^^^^^^\n"
            ),
        ),
        (
            'include "./bad.nft"\n',
            (
                "In file included from e.nft:1:1-20:\n"
                "./bad.nft:2:16-19: Error: syntax error, unexpected string\n"
                " chain y { tcp dprt 4 accept; }\n               ^^^^\n"
            ),
        ),
        (
            'include "./e3.nft"\n',
            (
                "In file included from ./e3.nft:1:1-20:\n"
                "                 from e.nft:1:1-19:\n"
                "./bad.nft:2:16-19: Error: syntax error, unexpected string\n"
                " chain y { tcp dprt 4 accept; }\n               ^^^^\n"
            ),
        ),
        (
            'include "./bad2.nft"\n',
            (
                "In file included from e.nft:1:1-21:\n"
                "./bad2.nft:2:17-23: Error: Could not process rule: No such file or directory\n"
                " chain y { jump nowhere; }\n                ^^^^^^^\n"
                "In file included from e.nft:1:1-21:\n"
                "./bad2.nft:4:13-16: Error: Could not process rule: No such file or directory\n"
                "add rule ip nope q accept\n            ^^^^\n"
            ),
        ),
        (
            'include "./e5.nft"\n',
            (
                f"In file included from {DEEP}\n                 from e.nft:1:1-19:\n"
                "./e5.nft:1:1-19: Error: Include nested too deeply, max 16 levels\n"
                'include "./e5.nft"\n^^^^^^^^^^^^^^^^^^^\n'
            ),
        ),
    ],
)
def test_mistake_in_a_file_names_the_way_to_it(text: str, error: str) -> None:
    """Recorded from nft 1.0.6, which counts the end of the line as part of the statement."""
    assert run(text).error == error
