"""The committed notebooks: fresh, giving nothing away, and giving the same results again.

nbval compares every output of an executed solution with a new run, text to the letter. It does not
compare pictures (``image/png``) but does notice a picture more or less, and any line on stderr.
Cells whose output cannot be the same on every machine carry the tag ``nbval-ignore-output``.
"""

import base64
import io
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

from dalib_edu.instructor.build import (
    build,
    homeworks_in,
    read_source,
    stale_copies,
)
from dalib_edu.instructor.cells import HIDDEN_MARKERS, SOLUTION_MARKERS, hidden_lines
from dalib_edu.instructor.kernels import kernel_environment

ROOT = Path(__file__).parents[1]
HOMEWORKS = homeworks_in(ROOT)
each = pytest.mark.parametrize("homework", HOMEWORKS, ids=lambda homework: homework.name)


def outputs_of(path):
    """Return (cell id, output) for every output of a notebook."""
    notebook = nbformat.read(path, as_version=4)
    return [(c.id, output) for c in notebook.cells for output in c.get("outputs", [])]


def words_of(output):
    data = output.get("data", {})
    texts = [str(value) for kind, value in data.items() if not kind.startswith("image/")]
    return "\n".join([*texts, str(output.get("text", ""))])


def region(source, markers):
    """Return the lines between two markers."""
    inside, lines = False, []
    for line in source.split("\n"):
        if markers[0] in line:
            inside = True
        elif markers[1] in line:
            inside = False
        elif inside:
            lines.append(line.strip())
    return lines


@each
def test_the_committed_copies_are_fresh(homework):
    assert stale_copies(homework, ROOT) == []


# --- what students get --------------------------------------------------------------------------


@each
def test_the_release_gives_nothing_away(homework):
    source = read_source(homework.source)
    secret, visible = set(), set()
    for cell in source.cells:
        solution = region(cell.source, SOLUTION_MARKERS)
        hidden = region(cell.source, HIDDEN_MARKERS)
        secret.update(line for line in (*solution, *hidden) if len(line) > 12)
        visible.update({line.strip() for line in cell.source.split("\n")} - {*solution, *hidden})
    secret -= visible
    assert len(secret) >= 2, "nothing to look for"
    released = nbformat.read(homework.release, as_version=4)
    shown = {line.strip() for cell in released.cells for line in cell.source.split("\n")}
    assert not secret & shown
    text = homework.release.read_text(encoding="utf-8")
    assert not [marker for marker in (*SOLUTION_MARKERS, *HIDDEN_MARKERS) if marker in text]


@each
def test_the_release_holds_no_hidden_seed(homework):
    cells = read_source(homework.source).cells
    seeds = {
        s for c in cells for line in hidden_lines(c.source) for s in re.findall(r"\d{3,}", line)
    }
    text = "\n".join(c.source for c in nbformat.read(homework.release, as_version=4).cells)
    assert seeds
    assert not [seed for seed in seeds if re.search(rf"\b{seed}\b", text)]


@each
def test_the_release_has_no_outputs(homework):
    cells = nbformat.read(homework.release, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert code
    assert not [cell.id for cell in code if cell.outputs or cell.execution_count]


@each
def test_every_stub_says_that_it_is_not_written(homework):
    cells = nbformat.read(homework.release, as_version=4).cells
    stubs = [c for c in cells if c.metadata.get("nbgrader", {}).get("solution")]
    assert stubs
    for cell in stubs:
        wanted = "raise NotImplementedError()" if cell.cell_type == "code" else "YOUR ANSWER HERE"
        assert wanted in cell.source, cell.id


# --- the executed solutions ---------------------------------------------------------------------


@each
def test_the_solution_was_executed_from_top_to_bottom(homework):
    cells = nbformat.read(homework.solution, as_version=4).cells
    counts = [c.execution_count for c in cells if c.cell_type == "code" and c.source.strip()]
    assert counts == list(range(1, len(counts) + 1))


@each
def test_the_solution_shows_no_fault_and_nothing_of_this_machine(homework):
    private = [str(ROOT), str(Path.home()) + "/", sys.prefix, "/tmp/", "site-packages", 'File "']
    clock = r"\b\d\d?:\d\d\b|\d it/s|\b20\d\d-\d\d-\d\d\b|\b\d+(\.\d+)? ?(s|sec|ms|seconds)\b"
    for cell_id, output in outputs_of(homework.solution):
        assert output.output_type != "error", cell_id
        assert output.get("name") != "stderr", cell_id
        words = words_of(output)
        assert not [path for path in private if len(path) > 2 and path in words], cell_id
        assert not re.search(clock, words), (cell_id, words[:200])


@each
def test_the_pictures_show_something(homework):
    from PIL import Image

    pictures = [
        (cell_id, output.data["image/png"])
        for cell_id, output in outputs_of(homework.solution)
        if "image/png" in output.get("data", {})
    ]
    assert pictures
    for cell_id, data in pictures:
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
        assert min(image.shape[:2]) >= 60, cell_id
        assert len(np.unique(image.reshape(-1, 3), axis=0)) > 20, cell_id
        assert image.std() > 5, cell_id


# --- again, and compared ------------------------------------------------------------------------


def run_nbval(notebook, folder, threads):
    """Run a copy of a solution under nbval in a folder of its own."""
    work = folder / "work"
    work.mkdir()
    copy = work / notebook.name
    copy.write_bytes(notebook.read_bytes())
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "-x"),
            *("-p", "no:cacheprovider", "-p", "no:xdist", "--nbval-cell-timeout=600"),
            *("--nbval-kernel-startup-timeout=120", "--rootdir", str(work), copy.name),
        ],
        cwd=work,
        env=kernel_environment(folder, "embedded", threads),
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )


@pytest.mark.slow
@each
def test_a_new_run_gives_the_same_outputs(homework, tmp_path):
    # The committed copy was made with two threads, so this compares one thread with two.
    done = run_nbval(homework.solution, tmp_path, threads=1)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize(
    ("old", "new", "fails"),
    [
        ("four: 4", "four: 4", False),
        ("four: 4", "four: 5", True),
        ('print("four:"', 'plt.plot([1]); print("four:"', True),
        ('print("four:"', 'import sys; sys.stderr.write("x"); print("four:"', True),
    ],
)
def test_nbval_sees_another_text_a_new_picture_and_stderr(old, new, fails, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nbval")
    source = folder / "course" / "source" / "hw0_plain.py"
    source.parent.mkdir(parents=True)
    source.write_text(
        '# %%\nimport matplotlib.pyplot as plt\n\n# %%\nprint("four:", 4)\n', encoding="utf-8"
    )
    build(root=folder)
    path = folder / "solutions" / "hw0_plain.ipynb"
    text = path.read_text()
    escaped = [part.replace('"', '\\"') for part in (old, new)]
    assert escaped[0] in text
    path.write_text(text.replace(*escaped))
    done = run_nbval(path, folder, 1)
    assert (done.returncode != 0) == fails, done.stdout[-2000:]


def test_the_sources_are_clean():
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "course/source"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
