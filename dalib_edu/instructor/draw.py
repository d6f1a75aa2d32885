"""Draws what homeworks show before their first exercise, so that submissions find it in the cache.

A submission can read the cache and not write it: without this, each would draw its pictures anew.
Run by ``draw_ahead`` in a process of its own, ``python -m dalib_edu.instructor.draw``, with
{homework: [cells]} as JSON on the standard input. The cells are the course's own.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from nbformat import NotebookNode
from tqdm import tqdm

from dalib_edu.instructor.build import Homework, read_source
from dalib_edu.instructor.kernels import kernel_environment
from dalib_edu.settings import show_progress


def draw_ahead(homeworks: list[Homework]) -> None:
    """Fill the cache for homeworks, and say so where that is not possible.

    Args:
        homeworks: those that draw nothing are left out.
    """
    cells = {homework.name: opening(read_source(homework.source)) for homework in homeworks}
    cells = {name: texts for name, texts in cells.items() if "dalib_edu.data" in "".join(texts)}
    if not cells:
        return
    with tempfile.TemporaryDirectory(prefix="dalib_edu_draw_") as folder:
        environment = kernel_environment(Path(folder), "grading", threads=1)
        subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(cells),
            text=True,
            stdout=subprocess.DEVNULL,
            env={
                **environment,
                "DALIB_EDU_PROGRESS": os.environ.get("DALIB_EDU_PROGRESS", "on"),
                "MPLBACKEND": "Agg",
                "TMPDIR": folder,
            },
            check=False,
        )


def opening(source: NotebookNode) -> list[str]:
    """Return the code cells before the first exercise of an instructor's notebook."""
    texts = []
    for cell in source.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            break
        if cell.cell_type == "code":
            texts.append(cell.source)
    return texts


def main(cells: dict[str, list[str]]) -> None:
    """Run the cells of each homework; a failure costs only the time that it would have saved."""
    hide = None if show_progress() else True
    for name, texts in tqdm(cells.items(), "pictures of the homeworks", disable=hide):
        names = {"__name__": "__main__"}
        try:
            for text in texts:
                exec(compile(text, name, "exec"), names)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            tqdm.write(f"{name}: no pictures ahead ({type(error).__name__}: {reason})", sys.stderr)


if __name__ == "__main__":
    main(json.loads(sys.stdin.read()))
