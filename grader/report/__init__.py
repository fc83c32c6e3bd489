"""One canonical grade, many renderings."""

from grader.report.as_json import as_json
from grader.report.as_junit import as_junit
from grader.report.as_text import as_text

__all__ = ["FORMATS", "as_json", "as_junit", "as_text"]

FORMATS = {"text": as_text, "json": as_json, "junit": as_junit}
