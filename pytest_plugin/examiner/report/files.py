"""Reports in files, in the format of the file's ending."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from qwenmock.pytest_plugin.examiner.report.content import Report
from qwenmock.pytest_plugin.examiner.report.html_page import as_html
from qwenmock.pytest_plugin.examiner.report.junit import as_junit
from qwenmock.pytest_plugin.examiner.report.markdown import as_markdown


def as_json(reports: Sequence[Report]) -> str:
    """Return one report as an object, several as an array."""
    content = reports[0] if len(reports) == 1 else list(reports)
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


FORMATS: Mapping[str, Callable[[Sequence[Report]], str]] = {
    ".json": as_json,
    ".html": as_html,
    ".md": as_markdown,
    ".xml": as_junit,
}
"""For each ending of a file, what writes the format."""


BODY_FILE = re.compile(r"[0-9a-f]{12}(-[0-9])?\.[a-z]+")
"""The names that `Reproductions` gives."""


def prune(folder: Path | None, reports: Sequence[Report]) -> None:
    """Remove the files of failures that no report names: they were merged with others, or are of an earlier run."""
    if folder is None or not folder.is_dir():
        return
    named = {Path(name).name for report in reports for failure in report["failures"] for name in failure["files"]}
    for each in folder.iterdir():
        if BODY_FILE.fullmatch(each.name) and each.name not in named:
            each.unlink()


def write(path: Path, reports: Sequence[Report]) -> None:
    """Write a report."""
    path.write_text(FORMATS[path.suffix](reports), "utf-8")
