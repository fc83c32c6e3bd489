"""diff and cmp (GNU diffutils 3.8): where two files differ."""

from __future__ import annotations

from collections.abc import Generator
from difflib import SequenceMatcher

from labs.net.filesystem import FileError
from labs.net.process import Process, Program, Routine, Wait
from labs.net.strftime import clock_text
from labs.shell.commandline import begin, fail, split_lines

__all__ = ["COMMANDS"]

DIFF = """diff [-u] [-q] [-i] [-w] [-b] FILE1 FILE2
  -u  with context    -q  only whether they differ    -i  case does not matter    -w, -b  blanks do not matter
  the status is 0 where they are equal and 1 where they differ"""
CMP = """cmp [-s] FILE1 FILE2
  -s  only the status"""
MAX_LINES = 5000


def _texts(process: Process, names: list[str]) -> Generator[Wait, None, list[str] | None]:
    """Both texts; None where one cannot be read."""
    out: list[str] | None = []
    for name in names:
        if name == "-":
            text = yield from process.stdin.read_all()
        else:
            try:
                text = process.node.files.read(process.node.files.resolve(name, process.directory))
            except FileError as error:
                fail(process, f"{name}: {error}")
                out = None
                continue
        if out is not None:
            out.append(text)
    return out


def diff(process: Process) -> Routine:
    """Compare line by line."""
    parsed = begin(
        process, "uqiwbU:Nr", ["unified", "brief", "ignore-case", "ignore-all-space", "color="], usage=DIFF, status=2
    )
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    if len(names) != 2:
        fail(
            process,
            f"missing operand after '{names[0] if names else 'diff'}'"
            if len(names) < 2
            else f"extra operand '{names[2]}'",
        )
        process.error("diff: Try 'diff --help' for more information.")
        return 2
    flags = {option for option, _ in options}
    files = process.node.files
    for index in (0, 1):  # a directory stands for the file of the other's name in it
        path = files.resolve(names[index], process.directory)
        if names[index] != "-" and files.is_directory(path) and not files.is_file(path):
            names[index] = names[index].rstrip("/") + "/" + names[1 - index].rpartition("/")[2]
    texts = yield from _texts(process, names)
    if texts is None:
        return 2
    left, right = (split_lines(text) for text in texts)
    if max(len(left), len(right)) > MAX_LINES:
        return fail(process, f"files of more than {MAX_LINES} lines are not compared here", 2)
    blocks = SequenceMatcher(None, _keys(left, flags), _keys(right, flags), autojunk=False)
    if all(code[0] == "equal" for code in blocks.get_opcodes()):
        return 0
    if flags & {"-q", "--brief"}:
        process.print(f"Files {names[0]} and {names[1]} differ")
    elif flags & {"-u", "-U", "--unified"}:
        context = next((int(v) for o, v in options if o == "-U" and v.isdecimal()), 3)
        _unified(process, names, (left, right), blocks, context)
    else:
        _normal(process, left, right, blocks)
    return 1


def _keys(lines: list[str], flags: set[str]) -> list[str]:
    if flags & {"-i", "--ignore-case"}:
        lines = [line.lower() for line in lines]
    if flags & {"-w", "--ignore-all-space"}:
        return ["".join(line.split()) for line in lines]
    if "-b" in flags:
        return [" ".join(line.rstrip().split()) for line in lines]
    return lines


def _marked(process: Process, mark: str, lines: list[str]) -> None:
    for line in lines:
        process.print(mark + line.removesuffix("\n"))
        if not line.endswith("\n"):
            process.print("\\ No newline at end of file")


def _normal(process: Process, left: list[str], right: list[str], blocks: SequenceMatcher[str]) -> None:
    def span(start: int, stop: int) -> str:
        return str(start + 1) if stop - start == 1 else f"{start + 1},{stop}"

    for tag, a, b, c, d in blocks.get_opcodes():
        if tag == "replace":
            process.print(f"{span(a, b)}c{span(c, d)}")
        elif tag == "delete":
            process.print(f"{span(a, b)}d{c}")
        elif tag == "insert":
            process.print(f"{a}a{span(c, d)}")
        if tag in ("replace", "delete"):
            _marked(process, "< ", left[a:b])
        if tag == "replace":
            process.print("---")
        if tag in ("replace", "insert"):
            _marked(process, "> ", right[c:d])


def _unified(
    process: Process, names: list[str], texts: tuple[list[str], list[str]], blocks: SequenceMatcher[str], context: int
) -> None:
    left, right = texts
    stamp = clock_text(process.node.wall_clock(), "%Y-%m-%d %H:%M:%S.%N %z")
    process.print(f"--- {names[0]}\t{stamp}", f"+++ {names[1]}\t{stamp}")
    for group in blocks.get_grouped_opcodes(context):
        first, last = group[0], group[-1]
        process.print(f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@")
        for tag, a, b, c, d in group:
            if tag == "equal":
                _marked(process, " ", left[a:b])
                continue
            _marked(process, "-", left[a:b])
            _marked(process, "+", right[c:d])


def _range(start: int, stop: int) -> str:
    length = stop - start
    if length == 1:
        return str(start + 1)
    return f"{start if length == 0 else start + 1},{length}"


def cmp(process: Process) -> Routine:
    """Compare byte by byte."""
    parsed = begin(process, "s", ["quiet", "silent"], usage=CMP, status=2)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    if len(names) != 2:
        fail(process, f"missing operand after '{names[0] if names else 'cmp'}'")
        process.error("cmp: Try 'cmp --help' for more information.")
        return 2
    texts = yield from _texts(process, names)
    if texts is None:
        return 2
    left, right = texts
    if left == right:
        return 0
    at = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
    if not options:
        if at is None:
            short = names[0] if len(left) < len(right) else names[1]
            shorter = min(left, right, key=len)
            line = (
                f"line {shorter.count(chr(10))}" if shorter.endswith("\n") else f"in line {shorter.count(chr(10)) + 1}"
            )
            if shorter:
                process.error(f"cmp: EOF on {short} after byte {len(shorter)}, {line}")
            else:
                process.error(f"cmp: EOF on {short} which is empty")
        else:
            process.print(f"{names[0]} {names[1]} differ: byte {at + 1}, line {left.count(chr(10), 0, at) + 1}")
    return 1


COMMANDS: dict[str, Program] = {"cmp": cmp, "diff": diff}
