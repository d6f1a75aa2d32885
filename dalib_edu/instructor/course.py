"""The configuration of nbgrader that this course needs, said once.

``course/nbgrader_config.py``, the build and the grader all use it, so that plain ``nbgrader``
commands, the formgrader and ``dalib-edu`` do the same. nbgrader turns a submission into a grade and
a page by lists of steps (preprocessors). Five of them are ours:

- ``repair.RepairCells`` mends a submission's cells (copied, deleted, moved, without metadata);
- ``execute.GradingExecute`` runs it within limits and survives a dead kernel;
- ``tidy.TidyTestOutputs`` keeps warnings and odd results from changing a grade;
- ``tidy.RemoveActive`` leaves nothing that would run in a reader's browser;
- ``pages.HideTests`` takes what is hidden out of the feedback.
"""

import os
import sys
from pathlib import Path

from traitlets.config import Config

from dalib_edu.instructor.folders import SOURCE_NOTEBOOKS

COURSE_ID = "dalib_edu"
VALIDATE_FIRST = (
    "import os; os.environ.update(DALIB_EDU_SCALE='grading', DALIB_EDU_PROGRESS='off'); del os"
)


def configure(c: Config) -> Config:
    """Set on ``c`` what makes a folder a working nbgrader course, and return it."""
    from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
    from nbgrader import preprocessors as theirs

    from dalib_edu.instructor.execute import GradingExecute
    from dalib_edu.instructor.pages import FeedbackPages, HideTests, safe_markdown
    from dalib_edu.instructor.repair import RepairCells
    from dalib_edu.instructor.tidy import RemoveActive, TidyTestOutputs

    put_tools_on_path()
    c.CourseDirectory.course_id = COURSE_ID
    c.CourseDirectory.source_directory = SOURCE_NOTEBOOKS
    # The release is committed, so it is always there; without force nbgrader skips the homework
    # and a new gradebook stays empty.
    c.GenerateAssignment.force = True
    c.OverwriteCells.add_missing_cells = True
    c.Autograde.sanitize_preprocessors = [
        theirs.ClearOutput,
        RepairCells,
        theirs.DeduplicateIds,
        theirs.OverwriteKernelspec,
        theirs.OverwriteCells,
        theirs.CheckCellMetadata,
    ]
    c.Autograde.autograde_preprocessors = [
        GradingExecute,
        theirs.LimitOutput,
        TidyTestOutputs,
        RemoveActive,
        theirs.SaveAutoGrades,
        theirs.AssignLatePenalties,
        theirs.CheckCellMetadata,
    ]
    c.GenerateFeedback.exporter_class = FeedbackPages
    c.GenerateFeedback.preprocessors = [
        theirs.GetGrades,
        HideTests,
        CSSHTMLHeaderPreprocessor,
    ]
    c.HTMLExporter.filters = {"markdown2html": safe_markdown}  # of the formgrader, too
    c.ExecutePreprocessor.shutdown_kernel = "immediate"
    # Validate in JupyterLab holds up the whole server while it runs, so it runs at grading scale
    # too. Its kernel takes no environment of its own, but does take a line to begin with.
    c.Execute.timeout = 120
    c.Execute.extra_arguments = [f"--IPKernelApp.exec_lines={VALIDATE_FIRST}"]
    return c


def put_tools_on_path() -> None:
    """Put this interpreter's programs on ``PATH``.

    nbgrader calls the program ``alembic`` to make a new gradebook, and fails with a
    FileNotFoundError where the virtual environment has not been activated.
    """
    tools = str(Path(sys.executable).parent)
    paths = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if tools not in paths:
        os.environ["PATH"] = os.pathsep.join([tools, *paths])
