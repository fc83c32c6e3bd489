"""Where the scenarios and notebooks are: inside the installed package, or in the folders of a checkout."""

from __future__ import annotations

from pathlib import Path

__all__ = ["notebook_root", "scenario_root"]

_PACKAGE = Path(__file__).resolve().parent


def _root(name: str) -> Path:
    shipped = _PACKAGE / "_data" / name
    return shipped if shipped.is_dir() else _PACKAGE.parent / name


def scenario_root() -> Path:
    """The folder that holds a folder of scenarios for each module."""
    return _root("scenarios")


def notebook_root() -> Path:
    """The folder that holds the notebooks."""
    return _root("notebooks")
