"""The grader: replays a submission on a clean lab and judges the site.

>>> import grader
>>> grader.grade("nobody.netwerf").ungradable is not None
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grader.grade import check, grade
from grader.prove import Proof, prove
from grader.verdict import Grade, Result, Verdict

if TYPE_CHECKING:
    from grader.reach import Answer, Reach, Witness

__all__ = ["Answer", "Grade", "Proof", "Reach", "Result", "Verdict", "Witness", "check", "grade", "prove"]


def __getattr__(name: str) -> Any:
    """The analysis of packets is heavy: it is loaded at first use."""
    if name not in ("Answer", "Reach", "Witness"):
        message = f"module 'grader' has no attribute {name!r}"
        raise AttributeError(message)
    import grader.reach

    return getattr(grader.reach, name)
