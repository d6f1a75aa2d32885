"""Notebooks as pages: feedback for students, and what the formgrader shows.

A submission is a stranger's text, and both are read in a browser, the formgrader even with the
rights of the person who grades. So nothing of it may run there: ``tidy.RemoveActive``
leaves plain outputs, and ``safe_markdown`` plain HTML.
"""

import functools
import re
from collections.abc import Iterable
from html import escape
from typing import Any

import bleach
import nbformat
from jinja2 import BytecodeCache, Environment, pass_context
from jinja2.bccache import Bucket
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import strip_ansi
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor

from dalib_edu.instructor.cells import (
    HIDDEN_MARKERS,
    grade_id_of,
    hidden_lines,
    without_hidden_tests,
)
from dalib_edu.instructor.outputs import error_output, one_line
from dalib_edu.instructor.results import GRADED

TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "details", "div", "dl", "dt"),
    *("em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li", "ol", "p", "pre", "s"),
    *("span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr"),
    *("u", "ul"),
}
PICTURES = tuple(f"data:image/{kind};base64," for kind in ("png", "jpeg", "gif"))


@pass_context
def safe_markdown(context: Any, source: str) -> str:
    """Return Markdown as HTML in which nothing runs: nbconvert's filter, and then bleach.

    Args:
        context: of the template; its cell may have attachments.
        source: the Markdown.
    """
    attachments = context.get("cell", {}).get("attachments")
    if attachments:
        return _rendered(source, attachments)
    return _remembered(source)


def _rendered(source: str, attachments: dict) -> str:
    renderer = IPythonRenderer(escape=False, attachments=attachments, anchor_link_text="¶")
    try:
        html = MarkdownWithMath(renderer=renderer).render(source)
    except Exception:  # an attachment that is not there, for one
        html = f"<pre>{escape(source)}</pre>"
    return bleach.clean(html, TAGS, _is_allowed, {"http", "https", "mailto", "data"})


@functools.lru_cache(maxsize=1024)  # most cells of a class are the homework's own
def _remembered(source: str) -> str:
    return _rendered(source, {})


def _is_allowed(tag: str, name: str, value: str) -> bool:
    """Return whether an attribute stays; bleach looks at the kind of an address, too."""
    if name == "href":
        return tag == "a" and not value.lower().lstrip().startswith("data:")
    if name == "src":
        # None from elsewhere, which would tell its owner when the page is read.
        return tag == "img" and value.startswith(PICTURES)
    return name in ("alt", "align", "class", "colspan", "id", "rowspan", "title")


class Compiled(BytecodeCache):
    """Templates in the memory of this process; Jinja looks whether their text has changed."""

    def __init__(self) -> None:
        self.code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill ``bucket``, if it is known."""
        if bucket.key in self.code:
            bucket.bytecode_from_string(self.code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what is in ``bucket``."""
        self.code[bucket.key] = bucket.bytecode_to_string()


class FeedbackPages(HTMLExporter):
    """nbconvert's exporter, which would compile its templates for each page anew."""

    _compiled = Compiled()

    def _create_environment(self) -> Environment:
        environment = super()._create_environment()
        environment.bytecode_cache = self._compiled
        return environment


class HideTests(NbGraderPreprocessor):
    """Take hidden tests out of the feedback: their text, their tracebacks, what they printed.

    It also says at the top how the run ended and what was mended.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Change ``nb`` in place."""
        hidden = {line for cell in nb.cells for line in hidden_lines(cell.source)}
        for cell in nb.cells:
            if hidden_lines(cell.source):
                _hide_in_test(cell)
            for output in cell.get("outputs", []):
                _hide_in_output(output, hidden)
        note = _note(nb.metadata.get("dalib_edu", {}), nb)
        if note:
            nb.cells.insert(0, nbformat.v4.new_markdown_cell(note))
        return nb, resources


def _hide_in_test(cell: NotebookNode) -> None:
    visible = without_hidden_tests(cell.source)
    outputs = []
    for output in cell.get("outputs", []):
        if output.output_type != "error":
            # What a hidden test prints, or a student's function when it is called by one.
            continue
        outputs.append(output if _is_for_students(output, visible) else _hidden_failure(output))
    cell.source, cell.outputs = visible, outputs


def _is_for_students(error: NotebookNode, visible: str) -> bool:
    """Return whether an error says nothing of a hidden test: ours, or raised by a visible line."""
    if error.ename in ("CheckFailed", "DeadKernelError", "CellTimeoutError", "NotRun"):
        return True
    text = strip_ansi("\n".join(error.traceback))
    frames = re.split(r"^(?=Cell In\[|File )", text, flags=re.MULTILINE)
    raised_in = next((frame for frame in frames if frame.startswith("Cell In[")), "")
    arrow = re.search(r"^-+> *(\d+) (.*)$", raised_in, flags=re.MULTILINE)
    return bool(arrow) and arrow.group(2).strip() in [x.strip() for x in visible.split("\n")]


def _hidden_failure(error: NotebookNode) -> NotebookNode:
    return error_output(
        "HiddenTestFailed",
        f"a hidden test failed with {error.ename}: the visible cases passed, another one did not",
    )


def _hide_in_output(output: NotebookNode, hidden: Iterable[str]) -> None:
    """Blank the hidden lines wherever an output quotes them, in a traceback's context for one."""

    def blank(text: str) -> str:
        lines = text.split("\n")
        return "\n".join(
            "[hidden]" if any(secret in strip_ansi(line) for secret in hidden) else line
            for line in lines
            if not any(marker in strip_ansi(line) for marker in HIDDEN_MARKERS)
        )

    if output.output_type == "stream":
        output.text = blank(output.text)
    elif output.output_type == "error":
        output.evalue = blank(output.evalue)
        output.traceback = [blank(frame) for frame in output.traceback]
    else:
        for kind, value in output.get("data", {}).items():
            if isinstance(value, str) and kind.startswith("text/"):
                output.data[kind] = blank(value)


def _note(entries: dict, nb: NotebookNode) -> str:
    """Return what a student should know about the run, as markdown; empty for nothing."""
    lines = []
    if entries.get("status", GRADED) != GRADED:
        lines.append(f"**How the run went: {entries['status']}.** {entries['reason']}.")
    if entries.get("repairs"):
        lines.append("**Mended before the run:** " + "; ".join(entries["repairs"]) + ".")
    causes = [f"- `{grade_id_of(cell)}`: {_cause(cell)}" for cell in nb.cells if _cause(cell)]
    if causes:
        lines.append("**Where points were lost, and why:**\n\n" + "\n".join(causes))
    return "\n\n".join(lines)


def _cause(cell: NotebookNode) -> str:
    """Return in one line why a test gave no points, as far as students may know; or nothing."""
    if not utils.is_grade(cell) or utils.is_solution(cell):
        return ""
    errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
    lines = [e.evalue if e.ename == "CheckFailed" else one_line(e) for e in errors]
    text = " ".join("; ".join(lines).split())[:500]
    return re.sub(r"([<>&*_`\[\]$\\])", r"\\\1", text)
