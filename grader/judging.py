"""Judging checks one after the other, in an order in which whatever a check needs comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from grader.verdict import Finding, Unjudgeable, Verdict
from labs.engines.base import BeyondEngine
from labs.messages import Message, listed, message
from labs.scenario.scenario import Check

if TYPE_CHECKING:
    from grader.checks import Context

__all__ = ["Watch", "judge_all", "title_of", "titles_of"]

Watch = Callable[[Message], None]
"""Is told what is being judged now, where that takes its time."""

DISTURBING = frozenset({"origin"})  # devices lose power: what was only typed is gone for whoever is judged later


def title_of(check: Check) -> Message:
    """What the author calls a check, else its name."""
    return Message("{title}", {"title": check.title or check.id.replace("-", " ")})


def titles_of(checks: Iterable[Check]) -> Message:
    """The titles of checks in quotes, with commas between them."""
    return listed(Message('"{title}"', {"title": title_of(check)}) for check in checks)


def judge_all(
    checks: Sequence[Check], context: Context, watch: Watch, wanted: Callable[[Check], bool] = lambda _: True
) -> dict[str, Finding]:
    """Judge in an order in which whatever a check needs comes first; what is not `wanted` any more is left out."""
    findings: dict[str, Finding] = {}
    here = {check.id: check for check in checks}

    def settle(check: Check, trail: tuple[str, ...]) -> Finding:
        if check.id in findings:
            return findings[check.id]
        missing = [
            need
            for need in check.needs
            if need in here and need not in trail and settle(here[need], (*trail, check.id)).verdict is not Verdict.PASS
        ]
        if missing:
            said = message("not judged yet: needs {checks}", checks=titles_of(here[need] for need in missing))
            finding = Finding(Verdict.BLOCKED, said, needs=tuple(missing))
        else:
            watch(title_of(check))
            finding = _judge_one(check, context)
        findings[check.id] = finding
        return finding

    for check_ in sorted(checks, key=lambda check: check.kind in DISTURBING):
        if wanted(check_):
            settle(check_, ())
    context.leave_other_days()
    return findings


def _judge_one(check: Check, context: Context) -> Finding:
    from grader.checks import JUDGES

    judge_ = JUDGES.get(check.kind)
    if judge_ is None:
        return Finding(Verdict.ERROR, message('the grader does not know the check "{kind}"', kind=check.kind))
    try:
        return judge_(context, check.body)  # type: ignore[operator, no-any-return]
    except Unjudgeable as error:
        return Finding(Verdict.ERROR, error.reason)
    except BeyondEngine as error:
        why = str(error)
        text = message("the engine {engine} cannot judge this: {error}", engine=context.engine.name, error=why)
        return Finding(Verdict.ERROR, text, message("on the engine sim it is judged"), beyond=why)
    except Exception as error:  # noqa: BLE001 - a bug of ours must never cost or give a trainee points
        return Finding(Verdict.ERROR, message("the grader failed: {error}", error=f"{type(error).__name__}: {error}"))
