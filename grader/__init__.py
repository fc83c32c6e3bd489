"""The grader: replays a submission on a clean lab and judges the site.

>>> import grader
>>> grader.grade("nobody.netwerf").ungradable is not None
True
"""

from __future__ import annotations

from grader.grade import check, grade
from grader.prove import Proof, prove
from grader.reach import Answer, Reach, Witness
from grader.verdict import Grade, Result, Verdict

__all__ = ["Answer", "Grade", "Proof", "Reach", "Result", "Verdict", "Witness", "check", "grade", "prove"]
