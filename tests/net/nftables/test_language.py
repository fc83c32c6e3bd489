"""Text to tree and back, JSON to tree and back, and the words of every mistake as nft itself wrote them down."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.net.nftables.apply import apply, load
from labs.net.nftables.errors import NftError, NotSimulatedError
from labs.net.nftables.json_schema import from_json, to_json
from labs.net.nftables.parser import parse
from labs.net.nftables.render import render_rule, render_ruleset
from labs.net.nftables.state import EvaluationState
from labs.net.nftables.tree import Flags, Match, Payload, Ruleset, Verdict
from labs.shell.nft import nft

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "corpus").glob("*.nft"))
RULES = [block.split("\n", 1) for block in (HERE / "golden" / "rules.txt").read_text().strip().split("\n\n")]


def base_table(family: str, chain: str) -> Ruleset:
    return load(f"table {family} t {{\nchain o {{ }}\nchain c {{ {chain} }}\n}}\n")


def no_files(path: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", path)


@pytest.mark.parametrize(("head", "expected"), RULES, ids=[head for head, _ in RULES])
def test_golden_rule_added_is_listed_or_refused_as_by_nft(head: str, expected: str) -> None:
    family, chain, rule = head.split(" | ", 2)
    command = f"add rule {family} t c {rule}\n"
    if expected.startswith("Error: "):
        with pytest.raises(NftError) as caught:
            apply(base_table(family, chain), parse(command), interfaces=["lo"])
        assert caught.value.render(command).rstrip() == expected
    else:
        table = apply(base_table(family, chain), parse(command), interfaces=["lo"]).tables[0]
        listed = table.chain("c")
        assert listed is not None
        assert "\n".join(render_rule(table, entry) for entry in listed.rules) == expected


def test_golden_session_replayed_prints_what_nft_printed() -> None:
    recorded = (HERE / "golden" / "session.txt").read_text()
    ruleset, state, played = Ruleset(), EvaluationState(), ""
    for line in recorded.splitlines():
        if line.startswith("$ nft"):
            result = nft(shlex.split(line)[2:], ruleset, state, no_files, "", interfaces=["lo"])
            ruleset = result.ruleset
            played += f"{line}\n{result.text}{result.error}status {result.status}\n"
    assert played == recorded


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_corpus_listed_and_loaded_again_is_the_same(path: Path) -> None:
    # twice: a set whose elements merge into one is listed as a set, and read again as a plain value, as by nft
    once = render_ruleset(load(render_ruleset(load(path.read_text()))))
    assert render_ruleset(load(once)) == once


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_corpus_through_json_is_the_same(path: Path) -> None:
    obj = to_json(load(path.read_text()))
    assert to_json(from_json(json.loads(json.dumps(obj)))) == obj


def test_set_that_a_rule_adds_to_is_dynamic_though_json_does_not_say_so() -> None:
    sets = "set seen { type inet_service; flags dynamic; }\nset fixed { type inet_service; }\n"
    text = f"table ip t {{\n{sets}chain c {{\ntcp dport 1 add @seen {{ tcp dport }}\n}}\n}}\n"
    assert [entry.flags for entry in from_json(to_json(load(text))).tables[0].sets] == [("dynamic",), ()]


ADDRESS = st.integers(0, 2**32 - 1).map(lambda n: ".".join(str(n >> shift & 255) for shift in (24, 16, 8, 0)))
PREFIX = st.tuples(ADDRESS, st.integers(1, 31)).map(lambda pair: f"{pair[0]}/{pair[1]}")
PORT = st.integers(0, 65535).map(str)
RANGE = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(lambda p: f"{min(p)}-{max(p)}")
NAME = st.from_regex(r"[a-z]{1,5}[0-9]{0,2}", fullmatch=True).map(lambda name: f'"{name}"')


def set_of(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=6).map(lambda items: "{ " + ", ".join(items) + " }")


def match_of(left: str, values: st.SearchStrategy[str], *, order: bool = False) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["", "!= ", *(["> ", "<= "] if order else [])])
    return st.tuples(operators, values).map(lambda pair: f"{left} {pair[0]}{pair[1]}")


MATCH = st.one_of(
    match_of("ip saddr", ADDRESS | PREFIX | set_of(ADDRESS | PREFIX)),
    match_of("ip daddr", ADDRESS | PREFIX | set_of(ADDRESS)),
    match_of("tcp dport", PORT | RANGE | set_of(PORT | RANGE)),
    match_of("tcp sport", PORT, order=True),
    match_of("iifname", NAME | set_of(NAME)),
    match_of("meta mark", PORT, order=True),
    match_of("ip ttl", st.integers(0, 255).map(str), order=True),
    st.sampled_from(["ct state established,related", "ct state new", "tcp flags syn", "tcp flags & (syn|ack) == syn"]),
    st.tuples(ADDRESS, PORT).map(lambda pair: f"ip saddr . tcp dport {{ {pair[0]} . {pair[1]} }}"),
)
END = st.sampled_from(["accept", "drop", "counter", "reject", 'log prefix "x " drop', "limit rate 3/second accept", ""])
RULE = st.tuples(st.lists(MATCH, max_size=4), END).map(lambda p: " ".join([*p[0], p[1]]).strip()).filter(bool)


@given(st.lists(RULE, min_size=1, max_size=5))
def test_any_rules_listed_and_loaded_again_are_the_same(rules: list[str]) -> None:
    body = "\n".join(rules)
    first = load(f"table inet t {{\nchain c {{\ntype filter hook input priority 0\n{body}\n}}\n}}\n")
    once = load(render_ruleset(first))
    again = load(render_ruleset(once))
    assert [rule.expr for rule in again.tables[0].chains[0].rules] == [
        rule.expr for rule in once.tables[0].chains[0].rules
    ]
    assert render_ruleset(again) == render_ruleset(once)
    obj = to_json(once)
    assert to_json(from_json(obj)) == obj


@given(st.text(alphabet='tcpdor ip{}22,;.:-/@$"\\\n!=&|accehinl#', max_size=60))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    result = nft(["-f", "-"], Ruleset(), EvaluationState(), no_files, text)
    assert (result.status == 0) == ("Error: " not in result.error)


def test_rule_as_tree_mirrors_the_json_schema() -> None:
    rule = load("table ip t {\nchain c {\ntcp flags syn,ack accept\n}\n}\n").tables[0].chains[0].rules[0]
    assert rule.expr == (Match("in", Payload("tcp", "flags"), Flags(("syn", "ack"))), Verdict("accept"))


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("add table netdev t\n", "the netdev family"),
        ("add flowtable inet t f { }\n", "flowtable"),
        ("add rule t c fib daddr type local accept\n", "fib"),
        ("add rule t c queue num 1\n", "queue"),
        ("add rule t c ct count over 3 drop\n", "ct count"),
        ("add rule t c ip dscp set cs1\n", "ip dscp set"),
        ("add rule t c @th,16,16 53 accept\n", "raw payload expression"),
        ("add rule t c meta hour 10 accept\n", "meta hour"),
        ("add rule t c tcp option maxseg size 1400\n", "tcp option"),
        ("list counters\n", "list counters"),
        ("monitor\n", "monitor"),
    ],
)
def test_thing_that_is_not_simulated_is_refused_by_name(text: str, thing: str) -> None:
    with pytest.raises(NotSimulatedError, match=f"^{thing} is not simulated$"):
        parse(text)


def test_second_command_fails_nothing_of_the_first_stays() -> None:
    before = load("table ip t {\nchain c {\n}\n}\n")
    with pytest.raises(NftError, match="No such file"):
        apply(before, parse("add rule ip t c accept\nadd rule ip t nope accept\n"))
    assert render_ruleset(before) == "table ip t {\n\tchain c {\n\t}\n}\n"


def test_file_with_a_mistake_names_file_line_and_column() -> None:
    text = "table inet filter {\n\tchain input {\n\t\ttcp dport 22 acept\n\t}\n}\n"
    result = nft(["-f", "/etc/nftables.conf"], Ruleset(), EvaluationState(), lambda path: text, "")
    assert result.error.splitlines() == [
        "/etc/nftables.conf:3:21-21: Error: syntax error, unexpected newline",
        "\t\ttcp dport 22 acept",
        "\t\t                  ^",
    ]
    assert (result.status, result.ruleset) == (1, Ruleset())


def test_check_only_changes_nothing() -> None:
    result = nft(["-c", "add", "table", "ip", "t"], Ruleset(), EvaluationState(), no_files, "")
    assert (result.status, result.error, result.ruleset) == (0, "", Ruleset())


def test_unknown_interface_is_refused_where_interfaces_are_known() -> None:
    before = load("table ip t {\nchain c {\n}\n}\n")
    with pytest.raises(NftError, match="Interface does not exist"):
        apply(before, parse("add rule ip t c iif eth7 accept\n"), interfaces=["lo", "eth0"])
    apply(before, parse("add rule ip t c iif eth0 accept\n"), interfaces=["lo", "eth0"])
