"""Commands of the command line as click has them, but with help in the language of the reader and errors in one line.

Exit status: 0 done, 1 not good enough, 2 used wrongly (the scenario too), 4 cannot be graded, 5 no sandbox,
70 our fault, 130 Ctrl-C.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from labs.engines.base import CommandRejected, EngineUnavailable, SandboxMissing
from labs.journal import JournalError
from labs.messages import language, translate
from labs.model.text import LANGUAGES
from labs.scenario.scenario import ScenarioError
from labs.ui.storage import LabInUse
from labs.ui.style import Refusal, Screen, marked, near

__all__ = ["OUR_FAULT", "Command", "Group", "OneOf", "Seed", "Whole", "fault_line", "language_option", "screen_of"]

LANGUAGE = "netwerf.language"
USAGE = 2
NO_SANDBOX = 5
OUR_FAULT = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
SEED = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def screen_of(context: click.Context) -> Screen:
    """The screen of a command, in the language that was chosen."""
    return Screen(context.meta.get(LANGUAGE))


def language_option() -> click.Option:
    """`--lang en|nl`, before or after the name of the command."""

    def choose(context: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            context.meta[LANGUAGE] = value

    return click.Option(
        ["--lang"],
        type=OneOf(LANGUAGES),
        help=marked("language: en or nl (also: NETWERF_LANG)"),
        expose_value=False,
        is_eager=True,
        callback=choose,
    )


class OneOf(click.ParamType):
    """One of a few words."""

    name = "word"

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """`en|nl`."""
        return "|".join(self.words)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word. Raises Refusal."""
        if value not in self.words:
            raise Refusal(
                '"{value}" is not allowed for {option}; allowed: {words}{near}',
                value=value,
                option=param.opts[0] if param else "",
                words=", ".join(self.words),
                near=near(value, self.words),
            )
        return str(value)


class Whole(click.ParamType):
    """A whole number within bounds."""

    name = "number"

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number. Raises Refusal."""
        if isinstance(value, int):
            return value
        number = int(value) if re.fullmatch(r"-?[0-9]{1,9}", str(value)) else None
        if number is None or not self.low <= number <= self.high:
            raise Refusal(
                '"{value}" is not allowed for {option}; allowed: a whole number from {low} to {high}',
                value=value,
                option=param.opts[0] if param else "",
                low=self.low,
                high=self.high,
            )
        return number


class Seed(click.ParamType):
    """What chooses a variant: a number, or a word such as the code of a pupil."""

    name = "seed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The seed. Raises Refusal."""
        if not SEED.fullmatch(str(value)):
            raise Refusal(
                '"{value}" is not a seed; allowed: a number or a word of small letters, digits, - and _ (at most 40)',
                value=value,
            )
        return str(value)


class _Translated(click.Command):
    """Help in the language of the reader, with an example at its end."""

    example = ""

    def _screen(self, ctx: click.Context) -> Screen:
        return screen_of(ctx)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """`Usage: netwerf play [OPTIONS] SCENARIO`."""
        pieces = self.collect_usage_pieces(ctx)
        formatter.write_usage(ctx.command_path, " ".join(pieces), prefix=self._screen(ctx).phrase("Usage: "))

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What it does."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(self._screen(ctx).phrase(self.help or ""))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, each in one line."""
        screen = self._screen(ctx)
        rows = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record is not None:
                words = marked("this help") if "--help" in parameter.opts else (parameter.help or "")
                rows.append((record[0], screen.phrase(words)))
        with formatter.section(screen.phrase("Options")):
            formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The example."""
        if self.example:
            formatter.write_paragraph()
            formatter.write(f"{self._screen(ctx).phrase('Example:')} {self.example}\n")


class Command(_Translated):
    """One command. Every one takes `--lang`."""

    def __init__(self, *args: Any, example: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.example = example
        self.params.append(language_option())


class Group(_Translated, click.Group):
    """The program itself. Whatever goes wrong below it ends here, as one line."""

    command_class = Command

    def __init__(self, *args: Any, example: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.example = example
        self.params.append(language_option())

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer meets them."""
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, then the options."""
        screen = self._screen(ctx)
        rows = [(name, screen.phrase(command.short_help or "")) for name, command in self.commands.items()]
        with formatter.section(screen.phrase("Commands")):
            formatter.write_dl(rows)
        super().format_options(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or a Refusal that names what there is."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise Refusal(
                'there is no command "{name}"; there are: {names}{near}',
                name=args[0],
                names=", ".join(self.commands),
                near=near(args[0], self.commands),
            )
        return super().resolve_command(ctx, args)

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        """Run, and leave with an exit status."""
        extra["standalone_mode"] = False
        screen = Screen(_language_in(sys.argv[1:] if args is None else args))
        try:
            status = super().main(args=args, prog_name="netwerf", **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            _hush()
            status = 1
        except Exception as error:  # noqa: BLE001 - the last place that can turn an exception into a sentence
            status = _tell(screen, error)
        sys.exit(status if isinstance(status, int) else 0)


def _language_in(words: Sequence[str]) -> str:
    """The language for an error that click finds before it has read `--lang`."""
    for word, following in zip(words, [*words, ""][1:], strict=True):
        value = following if word == "--lang" else word.removeprefix("--lang=") if word.startswith("--lang=") else ""
        if value in LANGUAGES:
            return value
    return language()


def _hush() -> None:
    """Nobody reads any more (`netwerf list | head -1`): nothing may complain about that when Python ends."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


def _tell(screen: Screen, error: Exception) -> int:
    """One line for whoever can do something about it; returns the exit status."""
    if isinstance(error, Refusal):
        screen.refuse(error)
        return error.status
    if isinstance(error, click.Abort):
        screen.warn("stopped")
        return INTERRUPTED
    if isinstance(error, click.UsageError):
        screen.show(f"netwerf: {_usage(screen, error)}", err=True)
        return USAGE
    if isinstance(error, ScenarioError):
        for problem in error.problems:
            about_file = not problem.line and not problem.path  # it is not there, or cannot be read
            said, language = problem.said(screen.language), screen.language
            screen.show(
                f"netwerf: {error.file}: {said}" if about_file else problem.render(error.file, language), err=True
            )
        return USAGE
    if isinstance(error, (JournalError, CommandRejected, LabInUse, EngineUnavailable)):
        screen.warn("{error}", error=error)
        return NO_SANDBOX if isinstance(error, SandboxMissing) else USAGE
    if isinstance(error, OSError) and error.filename is not None:
        screen.warn("{file}: {error}", file=error.filename, error=error.strerror or error)
        return USAGE
    screen.show(fault_line(screen, error), err=True)
    if os.environ.get("NETWERF_DEBUG") == "1":
        traceback.print_exception(error)
    return OUR_FAULT


def fault_line(screen: Screen, error: BaseException) -> str:
    """One line for a bug of ours: what, where, and how to report it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    said = " ".join(f"{type(error).__name__}: {error}".split())
    told = screen.phrase(
        "this is our fault: {error} (at {where}). Please report it with the output of `netwerf doctor`; "
        "with NETWERF_DEBUG=1 before the command it tells more.",
        error=said[:300],
        where=where,
    )
    return f"netwerf: {told}"


def _usage(screen: Screen, error: click.UsageError) -> str:
    context = error.ctx
    where = context.command_path.removeprefix("netwerf").strip() if context is not None else ""
    names = [
        name for each in (context.command.params if context else ()) for name in each.opts if name.startswith("--")
    ]
    if isinstance(error, click.NoSuchOption):
        said = screen.phrase(
            "there is no option {option}; there are: {options}{near}",
            option=error.option_name,
            options=", ".join([*names, "--help"]),
            near=near(error.option_name, names),
        )
    elif isinstance(error, click.MissingParameter):
        parameter = error.param.make_metavar(context) if error.param is not None and context is not None else "?"
        said = screen.phrase("{parameter} is missing", parameter=parameter.rstrip("."))
    elif isinstance(error, click.BadOptionUsage):
        said = screen.phrase("the option {option} needs a value", option=error.option_name)
    else:
        said = error.format_message()
        said = said[:1].lower() + said[1:].rstrip(".")
    example = getattr(context.command, "example", "") if context is not None else ""
    ending = f" ({translate('for example:', screen.language)} {example})" if example else ""
    return f"{where}: {said}{ending}" if where else f"{said}{ending}"
