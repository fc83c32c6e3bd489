"""The table of commands is what the modules say."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from labs.shell import commands
from labs.shell.registry import MODULES, command, command_names


@pytest.mark.parametrize("module", MODULES)
def test_table_names_every_command_of_a_module(module: str) -> None:
    table = import_module(f"labs.shell.commands.{module}").COMMANDS
    assert sorted(table) == sorted(MODULES[module].split())
    assert all(command(name) is program for name, program in table.items())


def test_module_with_commands_is_in_the_table() -> None:
    folder = Path(commands.__file__).parent
    pages = (p for p in folder.glob("*.py") if p.stem != "__init__")
    exporting = {p.stem for p in pages if "COMMANDS" in p.read_text(encoding="utf-8")}
    exporting |= {p.parent.name for p in folder.glob("*/__init__.py") if "COMMANDS" in p.read_text(encoding="utf-8")}
    assert exporting == set(MODULES)


def test_no_name_stands_twice() -> None:
    names = " ".join(MODULES.values()).split()
    assert len(names) == len(set(names)) == len(command_names())


def test_command_that_is_simulated_is_not_called_absent() -> None:
    from labs.shell.bash.programs import ELSEWHERE

    assert not set(command_names()) & set(ELSEWHERE)
