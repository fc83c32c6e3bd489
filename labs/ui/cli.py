"""`netwerf`: the command line. Each command is thin and loads what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from labs.lab import ENGINES
from labs.ui.command import Group, OneOf, Seed, Whole, screen_of
from labs.ui.style import marked

__all__ = ["main"]

SCENARIO = "SCENARIO"


@click.group(
    cls=Group,
    help=marked("Networks and things in simulation: open a work order, mend the site, have it judged."),
    example="netwerf play bakery-address-clash --seed 7",
    no_args_is_help=False,
    invoke_without_command=True,
)
@click.option("--version", is_flag=True, help=marked("the version"))
@click.pass_context
def main(context: click.Context, version: bool) -> None:  # noqa: FBT001 - click passes options by name
    """The program."""
    if version:
        from labs.version import version as installed

        click.echo(f"netwerf {installed()}")
        context.exit()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        context.exit()


@main.command(
    "tour",
    short_help=marked("a first walk: a small broken site, from work order to grade"),
    help=marked(
        "Plays one lab by itself, line by line: work order, search, repair, check, submission, grade. "
        "Nothing is staged."
    ),
    example="netwerf tour",
)
@click.pass_context
def _tour(context: click.Context) -> int:
    from labs.ui.tour import tour

    return tour(screen_of(context))


@main.command(
    "list",
    short_help=marked("the labs there are"),
    help=marked(
        "Lists the labs: name, title, level from 1 (beginner) to 5 (expert), minutes, activities of the qualification."
    ),
    example="netwerf list --level 1",
)
@click.option("--module", metavar="M", help=marked("labs of this module only"))
@click.option("--level", type=Whole(1, 5), metavar="N", help=marked("labs of this level only"))
@click.option("--json", "as_json", is_flag=True, help=marked("as JSON, for programs"))
@click.pass_context
def _list(context: click.Context, /, **options: Any) -> int:
    from labs.ui.catalogue import list_scenarios

    return list_scenarios(screen_of(context), **options)


@main.command(
    "play",
    short_help=marked("open a lab in this terminal, or go on with it"),
    help=marked(
        "Opens a lab in this terminal. What you type is kept at once; the same command goes on where you stopped. "
        "Lines can also come from a file: netwerf play NAME < lines"
    ),
    example="netwerf play bakery-address-clash --seed 7",
)
@click.argument("scenario", metavar=SCENARIO)
@click.option("--seed", type=Seed(), default="0", metavar="N", help=marked("which variant of the lab (0)"))
@click.option("--new", is_flag=True, help=marked("begin again; what was done before is put aside, not deleted"))
@click.option("--trainee", default="", metavar="NAME", help=marked("a pseudonym for the submission"))
@click.option(
    "--engine", type=OneOf(ENGINES), default="sim", help=marked("sim, or kernel: real Linux, in real time (sim)")
)
@click.pass_context
def _play(context: click.Context, /, **options: Any) -> int:
    from labs.ui.play import play

    return play(screen_of(context), **options)


@main.command(
    "map",
    short_help=marked("the site of a lab as a drawing"),
    help=marked("Draws the site of a lab as it is found: devices, leads, rooms, networks."),
    example="netwerf map bakery-address-clash --svg map.svg",
)
@click.argument("scenario", metavar=SCENARIO)
@click.option("--seed", type=Seed(), default="0", metavar="N", help=marked("which variant of the lab (0)"))
@click.option("--svg", metavar="FILE", type=click.Path(path_type=Path), help=marked("write a picture instead"))
@click.pass_context
def _map(context: click.Context, /, **options: Any) -> int:
    from labs.ui.catalogue import show_map

    return show_map(screen_of(context), **options)


@main.command(
    "grade",
    short_help=marked("judge submissions"),
    help=marked(
        "Replays each submission on a clean site and judges what the site has become. "
        "Exit status: 0 all passed, 1 one is below, 4 one cannot be graded, 2 a file cannot be read, "
        "5 the engine has no sandbox."
    ),
    example="netwerf grade *.netwerf --format junit -o grades.xml",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=OneOf(("text", "json", "junit")), default="text", help=marked("form of the report (text)")
)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help=marked("write the report to a file")
)
@click.option("--scenario", metavar="FILE", help=marked("the scenario, where it is not one of those that are shipped"))
@click.option(
    "--engine", type=OneOf(ENGINES), default=None, help=marked("replay on this engine (the one it was made on)")
)
@click.pass_context
def _grade(context: click.Context, /, **options: Any) -> int:
    from labs.ui.judging import grade_files

    return grade_files(screen_of(context), **options)


@main.command(
    "new",
    short_help=marked("begin a scenario of your own"),
    help=marked(
        "Writes NAME.yaml: a small scenario with comments that proves itself as it stands, to change step by step."
    ),
    example="netwerf new garage-camera",
)
@click.argument("name", metavar="NAME")
@click.option(
    "--dir", "folder", metavar="FOLDER", type=click.Path(path_type=Path), default=Path(), help=marked("where (here)")
)
@click.pass_context
def _new(context: click.Context, /, **options: Any) -> int:
    from labs.ui.newlab import new_scenario

    return new_scenario(screen_of(context), **options)


@main.command(
    "validate",
    short_help=marked("read scenarios and list everything that is wrong with them"),
    help=marked("Reads scenario files and lists every mistake as file:line: path: what is wrong and what is allowed."),
    example="netwerf validate garage-camera.yaml",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_context
def _validate(context: click.Context, /, **options: Any) -> int:
    from labs.ui.judging import validate_files

    return validate_files(screen_of(context), **options)


@main.command(
    "prove",
    short_help=marked("let scenarios prove themselves"),
    help=marked(
        "Tries a scenario out: the healthy site must pass, every fault must be noticed, "
        "the repairs must earn full marks, and what a lazy person might try must not. "
        "Exit status: 0 proved, 1 not proved, 2 a scenario is wrong or the engine lacks what it needs, "
        "5 the engine has no sandbox."
    ),
    example="netwerf prove garage-camera.yaml --seeds 5",
)
@click.argument("scenarios", metavar="[SCENARIO]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help=marked("every scenario that is shipped"))
@click.option("--seeds", type=Whole(1, 1000), default=2, metavar="N", help=marked("how many variants are tried (2)"))
@click.option(
    "-j",
    "--jobs",
    type=Whole(0, 64),
    default=0,
    metavar="N",
    help=marked("how many scenarios (sim) or labs of one (kernel) side by side; 0: what the machine carries (0)"),
)
@click.option("-q", "--quiet", is_flag=True, help=marked("only what is not as it must be"))
@click.option(
    "--engine", type=OneOf(ENGINES), default="sim", help=marked("sim, or kernel: real Linux, in real time (sim)")
)
@click.pass_context
def _prove(context: click.Context, /, **options: Any) -> int:
    from labs.ui.proving import prove_scenarios

    return prove_scenarios(screen_of(context), **options)


@main.command(
    "faults",
    short_help=marked("the catalogue of faults"),
    help=marked("Lists the faults that a scenario can use: what they do, how they show and how they are mended."),
    example="netwerf faults duplicate-ip",
)
@click.argument("name", metavar="[NAME]", required=False)
@click.pass_context
def _faults(context: click.Context, /, **options: Any) -> int:
    from labs.ui.catalogue import list_faults

    return list_faults(screen_of(context), **options)


@main.command(
    "schema",
    short_help=marked("the JSON Schema of scenarios, for editors"),
    help=marked("Writes the JSON Schema of the scenario format; editors complete and check scenarios with it."),
    example="netwerf schema -o scenario.schema.json",
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help=marked("write it to a file"))
@click.pass_context
def _schema(context: click.Context, /, **options: Any) -> int:
    from labs.ui.judging import write_schema

    return write_schema(screen_of(context), **options)


@main.command(
    "notebook",
    short_help=marked("the notebooks, in JupyterLab"),
    help=marked(
        "Starts JupyterLab on a copy of the notebooks in your own folder. What you changed there is never overwritten."
    ),
    example="netwerf notebook",
)
@click.option("--no-browser", is_flag=True, help=marked("print the address instead of opening a browser"))
@click.pass_context
def _notebook(context: click.Context, /, **options: Any) -> int:
    from labs.ui.jupyter import open_notebooks

    return open_notebooks(screen_of(context), **options)


@main.command(
    "doctor",
    short_help=marked("look whether everything works on this machine"),
    help=marked(
        "Looks at what Netwerf needs on this machine; where something lacks, "
        "says what that excludes and how to mend it."
    ),
    example="netwerf doctor",
)
@click.pass_context
def _doctor(context: click.Context) -> int:
    from labs.ui.doctor import examine

    return examine(screen_of(context))
