"""Opening a lab where it was left: the lock, the file, and what there is to say about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from labs.engines.base import CommandRejected
from labs.journal import DESK, JournalError
from labs.lab import Lab, open_lab, resume
from labs.messages import Message, message
from labs.scenario.scenario import Scenario
from labs.ui.catalogue import scenario_named
from labs.ui.storage import FileLock, autosave_path, is_writable, set_aside
from labs.ui.style import Refusal

__all__ = ["Opened", "open_or_resume"]


@dataclass(slots=True)
class Opened:
    """A lab that is held by this process. `replayed` counts the lines that were typed again to get there."""

    lab: Lab
    lock: FileLock | None = None
    replayed: int = 0
    notices: list[Message] = field(default_factory=list)

    def close(self) -> None:
        """Stop the lab and let others open it."""
        self.lab.close()
        if self.lock is not None:
            self.lock.release()


def open_or_resume(
    name: str | Scenario,
    seed: str = "0",
    *,
    new: bool = False,
    trainee: str = "",
    folder: Path | None = None,
    engine: str = "sim",
) -> Opened:
    """Go on with the lab of that scenario and seed, or begin it; with `new` begin again and put the old file aside.

    `folder` is where its file is kept, instead of HOME. A lab on another engine than sim has a file of its own.

    Raises ScenarioError, Refusal, and LabInUse where another window has it.
    """
    scenario = name if isinstance(name, Scenario) else scenario_named(name)
    path = autosave_path(scenario.id, seed if engine == "sim" else f"{seed}.{engine}", folder)
    if not is_writable(path.parent):
        notice = message(
            "nothing is kept when you leave: {folder} cannot be written (NETWERF_HOME names another)",
            folder=path.parent,
        )
        return Opened(open_lab(scenario, seed=seed, engine=engine, trainee=trainee), notices=[notice])
    lock = FileLock(path)
    try:
        return _open(scenario, seed, path, lock, new=new, trainee=trainee, engine=engine)
    except BaseException:
        lock.release()
        raise


def _open(scenario: Scenario, seed: str, path: Path, lock: FileLock, *, new: bool, trainee: str, engine: str) -> Opened:
    aside = set_aside(path) if new else None
    if not path.exists() or not path.stat().st_size:
        opened = Opened(open_lab(scenario, seed=seed, engine=engine, trainee=trainee, autosave=path), lock)
        if aside is not None:
            opened.notices.append(message("begun again; what you did before is in {file}", file=aside))
        return opened
    try:
        lab = resume(path, scenario=scenario)
    except (JournalError, CommandRejected) as error:
        said = error.said if isinstance(error, JournalError) else error
        raise Refusal("{file}: {error} (--new begins again and keeps the old file)", file=path, error=said) from None
    if (lab.journal.header.scenario, lab.seed) != (scenario.id, seed):
        lab.close()
        raise Refusal(
            "{file} holds another lab ({id}, seed {seed})", file=path, id=lab.journal.header.scenario, seed=lab.seed
        )
    replayed = sum(entry.place != DESK for entry in lab.journal.effective())
    opened = Opened(lab, lock, replayed)
    if lab.journal.notice:
        opened.notices.append(lab.journal.notice)
    what = str(lab.divergence)
    if lab.divergence is not None and lab.engine.repeats:
        text = message(
            "the replay {what}: this version answers otherwise; begin again to be sure of your points", what=what
        )
        opened.notices.append(text)
    elif lab.divergence is not None:
        text = message(
            "the replay {what}: it ended otherwise than before; see whether you have to type it again", what=what
        )
        opened.notices.append(text)
    return opened
