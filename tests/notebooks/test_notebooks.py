"""Every notebook runs from top to bottom on a machine that never saw it, and leaves the repair to the trainee."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labs.data import notebook_root

nbformat = pytest.importorskip("nbformat", reason="the extra `notebook` is not installed")
nbclient = pytest.importorskip("nbclient", reason="the extra `notebook` is not installed")

NOTEBOOKS = sorted(notebook_root().glob("*.ipynb"))
ROOT = Path(__file__).parent.parent.parent


def outputs_of(cell) -> str:
    """Everything a cell shows, as plain text."""
    texts = []
    for output in cell.get("outputs", ()):
        texts.append(output.get("text", ""))
        texts.append(output.get("data", {}).get("text/plain", ""))
    return "\n".join(texts)


def run(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Execute a notebook in an empty home, with this checkout on the path of its kernel."""
    monkeypatch.setenv("NETWERF_HOME", str(folder / "home"))
    monkeypatch.setenv("NETWERF_LANG", "en")
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return notebook


def test_there_is_a_notebook_for_every_scenario() -> None:
    from labs.scenario.library import scenario_files

    assert {path.stem for path in NOTEBOOKS} >= {path.stem for path in scenario_files()} | {"00-start-here"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_answers(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    for cell in document["cells"]:
        assert not cell.get("outputs"), cell["source"]
        assert cell.get("execution_count") is None, cell["source"]


@pytest.mark.notebook
@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_run_from_the_top_shows_a_broken_site(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing fails, nothing goes to standard error, the map is there and the check is not passed."""
    notebook = run(path, tmp_path, monkeypatch)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    streams = [output for cell in code for output in cell.outputs if output.output_type in ("stream", "error")]
    assert not streams, streams
    opening = next(cell for cell in code if "%lab" in cell.source)
    assert [output.output_type for output in opening.outputs] == ["display_data"]
    assert "<svg" in opening.outputs[0].data["text/html"]
    checks = [outputs_of(cell) for cell in code if cell.source == "%check"]
    assert checks
    assert all("not yet" in text for text in checks)


@pytest.mark.notebook
@pytest.mark.slow
def test_notebook_run_twice_goes_on_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restart and run all: the lab is as it was left, and each cell tells that its lines were there."""
    path = notebook_root() / "bakery-address-clash.ipynb"
    run(path, tmp_path, monkeypatch)
    again = [outputs_of(cell) for cell in run(path, tmp_path, monkeypatch).cells if cell.cell_type == "code"]
    assert "you go on where you stopped" in again[1]
    assert "these lines were typed in an earlier sitting" in again[2]


@pytest.mark.notebook
@pytest.mark.slow
def test_cell_used_wrongly_fails_the_notebook_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CI sees it: the execution stops, and the message has no traceback."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell("%load_ext labs"), nbformat.v4.new_code_cell("%lab no-such-lab")]
    path = tmp_path / "wrong.ipynb"
    nbformat.write(notebook, path)
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="there is no scenario"):
        run(path, tmp_path, monkeypatch)
