"""The configuration of nbgrader that this course needs, said once.

``course/nbgrader_config.py``, the build and the grader all use it, so that plain ``nbgrader``
commands, the formgrader and ``dalib-edu`` do the same.
"""

import os
import sys
from pathlib import Path

from traitlets.config import Config

COURSE_ID = "dalib_edu"
# formgrader's Generate button reads notebooks; they are built from course/source/*.py
SOURCE_NOTEBOOKS = "source_notebooks"


def configure(c: Config) -> Config:
    """Set on ``c`` what makes a folder a course, and return it."""
    put_tools_on_path()
    c.CourseDirectory.course_id = COURSE_ID
    c.CourseDirectory.source_directory = SOURCE_NOTEBOOKS
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
