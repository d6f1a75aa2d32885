"""Leave in a notebook that was run what its grade and its readers need: steps after the run."""

import math
from collections.abc import Iterable

from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor

from dalib_edu.instructor.outputs import error_output

PASSIVE = ("text/plain", "text/latex", "text/markdown", "image/png", "image/jpeg")
NOTHING = {"text/plain": "(an output that is not shown here)"}
OWN_METADATA = ("nbgrader", "dalib_edu")


class TidyTestOutputs(NbGraderPreprocessor):
    """Keep from the grade what is no failure, and from nbgrader what it cannot read.

    nbgrader gives 0 for any line on stderr, drops a submission whose partial credit is above the
    maximum, and gives full marks for a negative one and for a test that did not run.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict, cell_index: int
    ) -> tuple[NotebookNode, dict]:
        """Mend the outputs of one graded test cell."""
        if cell.cell_type != "code" or not utils.is_grade(cell) or utils.is_solution(cell):
            return cell, resources
        points = float(cell.metadata.nbgrader["points"])
        failed = any(output.output_type == "error" for output in cell.outputs)
        if cell.get("execution_count") is None and not failed:
            cell.outputs.insert(0, error_output("NotRun", "this test did not run"))
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                output.name = "stdout"
            if output.output_type == "execute_result":
                output.data["text/plain"] = _within(output.data.get("text/plain", ""), points)
        return cell, resources


def _within(text: str, points: float) -> str:
    """Return a number as text between 0 and ``points``; other text as it is, but never empty."""
    try:
        value = float(text)
    except ValueError:
        return text or "(nothing)"
    value = 0.0 if math.isnan(value) else min(max(value, 0.0), points)
    return text if value == float(text) else repr(value)


class RemoveActive(NbGraderPreprocessor):
    """Leave nothing in a graded notebook that would run in the browser of whoever reads it.

    Outputs keep text and pictures (each kind of display has a text beside it), cells and notebook
    the metadata that grading needs. Templates write other metadata into pages as it is. Markdown
    is taken care of when it is shown, by ``pages.safe_markdown``.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Change ``nb`` in place."""
        nb.metadata = _only(nb.metadata, ("kernelspec", *OWN_METADATA))
        for cell in nb.cells:
            cell.metadata = _only(cell.metadata, OWN_METADATA)
            for output in cell.get("outputs", []):
                if "data" in output:
                    kept = {k: v for k, v in output.data.items() if isinstance(v, str)}
                    output.data = _only(kept, PASSIVE) or NotebookNode(NOTHING)
                    output.metadata = NotebookNode()
            if cell.cell_type == "raw":  # which is written into a page as it is
                cell.cell_type = "markdown"
        return nb, resources


def _only(entries: dict, names: Iterable[str]) -> NotebookNode:
    return NotebookNode({name: entries[name] for name in names if name in entries})
