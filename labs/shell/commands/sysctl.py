"""`sysctl`, after procps: read and change kernel settings."""

from __future__ import annotations

import re

from labs.net.filesystem import FileError
from labs.net.process import Process, Program
from labs.shell.init import setting_files
from labs.shell.options import UsageError, parse_options

__all__ = ["COMMANDS", "sysctl"]

SHORT = "aAXbeNnpfr:qwoxdhV"
LONG = ["all", "binary", "ignore", "names", "values", "load", "system", "pattern=", "quiet", "write", "help", "version"]
USAGE = (
    "",
    "Usage:",
    " sysctl [options] [variable[=value] ...]",
    "",
    "Options:",
    "  -a, --all            display all variables",
    "  -e, --ignore         ignore unknown variables errors",
    "  -N, --names          print variable names without values",
    "  -n, --values         print only values of the given variable(s)",
    "  -p, --load[=<file>]  read values from file",
    "      --system         read values from all system directories",
    "  -r, --pattern <expression>",
    "                       select setting that match expression",
    "  -q, --quiet          do not echo variable set",
    "  -w, --write          enable writing a value to variable",
    "",
    " -h, --help     display this help and exit",
    " -V, --version  output version information and exit",
    "",
    "For more details see sysctl(8).",
)


class Job:
    """One call: its options and the worst thing that happened."""

    def __init__(self, process: Process, options: list[tuple[str, str]]) -> None:
        names = {option for option, _ in options}
        self.process = process
        self.settings = process.node.sysctl
        self.ignore = bool(names & {"-e", "--ignore"})
        self.only_names = bool(names & {"-N", "--names"})
        self.only_values = bool(names & {"-n", "--values", "-b", "--binary"})
        self.quiet = bool(names & {"-q", "--quiet"})
        self.failed = False

    def complain(self, text: str) -> None:
        """A mistake that does not stop the others."""
        self.process.error(f"sysctl: {text}")
        self.failed = True

    def show(self, name: str) -> None:
        """Print one setting."""
        value = self.settings.get(name) or ""
        if self.only_names:
            self.process.print(name)
        else:
            self.process.print(value if self.only_values else f"{name} = {value}")

    def missing(self, name: str) -> None:
        """There is no such setting."""
        if not self.ignore:
            self.complain(f"cannot stat /proc/sys/{name.replace('.', '/')}: No such file or directory")

    def read(self, name: str) -> None:
        """Print a setting, or every setting below a name."""
        dotted = name.replace("/", ".").strip(".")
        below = [known for known in self.settings.names() if known.startswith(dotted + ".")]
        if self.settings.get(dotted) is not None:
            self.show(dotted)
        elif below:
            for known in below:
                self.show(known)
        else:
            self.missing(dotted)

    def write(self, name: str, value: str, *, optional: bool = False) -> None:
        """Change one setting and say so."""
        dotted = name.strip().replace("/", ".")
        try:
            known = self.settings.set(dotted, value.strip())
        except FileError as error:
            self.complain(f'setting key "{dotted}"{", ignoring" if optional else ""}: {error}')
            return
        if not known:
            if not optional:
                self.missing(dotted)
        elif not self.quiet:
            self.show(dotted)

    def load(self, path: str) -> None:
        """Apply a file."""
        files = self.process.node.files
        try:
            text = files.read(files.resolve(path, self.process.directory))
        except FileError as error:
            self.complain(f'cannot open "{path}": {error}')
            return
        for number, raw in enumerate(text.split("\n"), start=1):
            line = raw.strip()
            if not line or line[0] in "#;":
                continue
            name, equals, value = line.partition("=")
            if not equals:
                self.process.error(f"sysctl: {path}({number}): invalid syntax, continuing...")
                continue
            self.write(name.strip().removeprefix("-"), value, optional=name.startswith("-"))


def sysctl(process: Process) -> int:
    """Read and change kernel settings."""
    try:
        options, words = parse_options(process.argv[1:], SHORT, LONG)
    except UsageError as error:
        process.error(f"sysctl: {error}")
        process.print(*USAGE)
        return 1
    names = {option for option, _ in options}
    job = Job(process, options)
    if names & {"-h", "-d", "--help"}:
        process.print(*USAGE)
        return 0
    if names & {"-V", "--version"}:
        process.print("sysctl from procps-ng 4.0.2")
        return 0
    if names & {"-a", "-A", "-X", "--all"}:
        return _show_all(job, options)
    if "--system" in names:
        for path in setting_files(process.node):
            if not job.quiet:
                process.print(f"* Applying {path} ...")
            job.load(path)
    elif names & {"-p", "-f", "--load"}:
        for path in words or ["/etc/sysctl.conf"]:
            job.load(path)
    elif not words:
        process.error(*USAGE)
        return 1
    else:
        _each(job, words, write=bool(names & {"-w", "--write"}))
    return 1 if job.failed else 0


def _show_all(job: Job, options: list[tuple[str, str]]) -> int:
    pattern = next((value for option, value in options if option in ("-r", "--pattern")), "")
    try:
        wanted = re.compile(pattern)
    except re.error:
        job.complain(f"cannot compile pattern: {pattern}")
        return 1
    for name in job.settings.names():
        if wanted.search(name):
            job.show(name)
    return 0


def _each(job: Job, words: list[str], *, write: bool) -> None:
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name.strip() and value.strip():
            job.write(name, value)
        elif write or equals:
            job.complain("command line(0): invalid syntax, continuing...")
        else:
            job.read(word.strip())


COMMANDS: dict[str, Program] = {"sysctl": sysctl}
