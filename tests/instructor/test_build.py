"""The build: same bytes for the same text, one clear line for a fault, nothing half-written."""

import json
import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from dalib_edu.instructor import build as build_module
from dalib_edu.instructor.build import build, execute, find_root, homeworks_in, write_atomically
from dalib_edu.settings import UserError

FIXTURE = Path(__file__).parent / "fixture"
NAME = "hw0_tiny"


def files_in(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def edit(project):
    """Change the tiny homework's text."""

    def change(old, new):
        path = project / "course" / "source" / f"{NAME}.py"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


@pytest.fixture(scope="session")
def built_once(tmp_path_factory):
    root = tmp_path_factory.mktemp("built") / "project"
    shutil.copytree(FIXTURE, root)
    build(root=root)
    return root


@pytest.fixture
def built(project, built_once):
    return Path(shutil.copytree(built_once, project, dirs_exist_ok=True))


def read(root, kind):
    folder = {"release": f"course/release/{NAME}", "solution": "solutions"}[kind]
    return nbformat.read(root / folder / f"{NAME}.ipynb", as_version=4)


def test_writes_the_three_notebooks_and_nothing_else(project):
    before = set(files_in(project))
    build(root=project)
    assert set(files_in(project)) - before == {
        f"course/release/{NAME}/{NAME}.ipynb",
        f"course/source_notebooks/{NAME}/{NAME}.ipynb",
        f"solutions/{NAME}.ipynb",
    }


def test_release_shows_stubs_and_visible_tests_alone(built):
    notebook = read(built, "release")
    cells = {cell.id: cell for cell in notebook.cells}
    assert cells["double"].source == (
        'def double(x):\n    """Return twice x."""\n    # YOUR CODE HERE\n'
        "    raise NotImplementedError()"
    )
    assert cells["double_test"].source == 'assert double(2) == 4, "double(2) should be 4"'
    assert cells["why"].source.endswith("YOUR ANSWER HERE")
    assert cells["double_test"].metadata.nbgrader.points == 4
    assert cells["double_test"].metadata.editable is False
    text = nbformat.writes(notebook)
    for secret in ("result_of_doubling", "31337", "HIDDEN", "SOLUTION", "Rubric"):
        assert secret not in text
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_solution_is_the_whole_walkthrough_executed(built):
    notebook = read(built, "solution")
    cells = {cell.id: cell for cell in notebook.cells}
    assert cells["double"].source.endswith(
        "result_of_doubling = x + x\n    return result_of_doubling"
    )
    assert cells["double_test"].source == 'assert double(2) == 4, "double(2) should be 4"'
    assert "Rubric: 3" in cells["why"].source
    assert cells["cell-001"].outputs[0].text == "scale embedded\n"
    assert cells["cell-005"].outputs[0].text == "four: 4\n"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any("nbgrader" in cell.metadata for cell in notebook.cells)
    text = nbformat.writes(notebook)
    for leftover in ("HIDDEN", "SOLUTION", "31337", "iopub", str(built), "ipykernel_launcher"):
        assert leftover not in text
    assert "version" not in notebook.metadata.language_info


def test_rebuild_without_a_change_runs_nothing_and_gives_the_same_bytes(built, monkeypatch):
    before = files_in(built)
    monkeypatch.setattr(build_module, "execute", lambda *_: pytest.fail("executed again"))
    build(root=built)
    assert files_in(built) == before


def test_forced_rebuild_gives_the_same_bytes(built):
    before = files_in(built)
    build(root=built, force=True)
    assert files_in(built) == before


def test_check_accepts_what_was_built_and_writes_nothing(built):
    before = files_in(built)
    build(root=built, check=True)
    assert files_in(built) == before


@pytest.mark.parametrize(
    ("old", "new", "stale"),
    [
        ("# Two exercises and", "# Three exercises and", ["release/", "solutions/"]),
        ("result_of_doubling = x + x", "result_of_doubling = 2 * x", ["solutions/"]),
        ('"points": 4', '"points": 5', ["release/"]),
    ],
)
def test_check_names_what_is_stale(built, edit, old, new, stale):
    edit(old, new)
    before = files_in(built)
    with pytest.raises(UserError) as caught:
        build(root=built, check=True)
    parts = str(caught.value).split(";")
    assert len(parts) == len(stale)
    assert all(
        f"{name}" in part and "is stale" in part for name, part in zip(stale, parts, strict=True)
    )
    assert files_in(built) == before


def test_check_notices_hidden_tests_only_where_students_see_a_difference(built, edit):
    edit("-31337", "-31338")
    build(root=built, check=True)


def test_changed_prose_keeps_the_outputs_and_runs_nothing(built, edit, monkeypatch):
    before = read(built, "solution")
    edit("Rubric: 3", "Rubric: three")
    monkeypatch.setattr(build_module, "execute", lambda *_: pytest.fail("executed again"))
    build(["hw0"], root=built)
    after = read(built, "solution")
    assert "Rubric: three" in nbformat.writes(after)
    code = [[c for c in n.cells if c.cell_type == "code"] for n in (before, after)]
    assert code[0] == code[1]
    build(root=built, check=True)


def test_changed_prose_runs_a_solution_that_was_edited_by_hand(built, edit):
    path = built / "solutions" / f"{NAME}.ipynb"
    spoilt = path.read_text().replace("four: 4", "four: 5").replace("x + x", "x + x + 0")
    path.write_text(spoilt)
    edit("Rubric: 3", "Rubric: three")
    build(["hw0"], root=built)
    assert "four: 4" in path.read_text()


def test_check_says_what_is_missing(built):
    (built / "solutions" / f"{NAME}.ipynb").unlink()
    with pytest.raises(UserError, match="solutions/hw0_tiny.ipynb is missing"):
        build(root=built, check=True)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda nb: nb["cells"][1].update(source=["print('other')"]),
        lambda nb: nb["cells"][1].update(execution_count=None),
        lambda nb: nb["metadata"].pop("dalib_edu"),
        lambda nb: nb["cells"].pop(),
    ],
)
def test_check_notices_a_solution_that_was_edited_by_hand(built, spoil):
    path = built / "solutions" / f"{NAME}.ipynb"
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="solutions/hw0_tiny.ipynb is stale"):
        build(root=built, check=True)


def test_check_takes_a_half_written_solution_as_stale(built):
    path = built / "solutions" / f"{NAME}.ipynb"
    path.write_text(path.read_text()[:100])
    with pytest.raises(UserError, match="is stale"):
        build(root=built, check=True)


def test_a_changed_source_is_executed_again(built, edit):
    edit('print("four:", double(2))', 'print("eight:", double(4))')
    build(["hw0"], root=built)
    assert "eight: 8\n" in nbformat.writes(read(built, "solution")).replace("\\n", "\n")
    build(root=built, check=True)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("return x / 0", r"hw0_tiny, cell-007 halve_test .*ZeroDivisionError: division by zero"),
        ("import os; os._exit(1)", r"hw0_tiny, cell-007 halve_test .*the kernel died"),
        ("import sys; print('oh', file=sys.stderr); return x / 2", r"halve_test.* stderr: oh"),
        ("print(object()); return x / 2", r"halve_test.*memory address"),
        ("import os; print(os.getcwd()); return x / 2", r"halve_test.*path of this machine"),
    ],
)
def test_a_bad_cell_stops_the_build_and_leaves_the_old_files(built, edit, new, message):
    before = files_in(built)
    edit("return x / 2", new)
    changed = f"course/source/{NAME}.py"
    before[changed] = files_in(built)[changed]
    with pytest.raises(UserError, match=message) as caught:
        build(root=built)
    assert "\n" not in str(caught.value)
    assert files_in(built) == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"grade_id": "halve"', '"grade_id": "double"', "'double' stands there twice"),
        ('"points": 4, ', "", r"double_test.*has no points"),
        ('"points": 4', '"points": "4"', r"double_test.*has no points"),
        ('"task": false}\ndef double', "\ndef double", "no valid JSON"),
        (
            '"schema_version": 3, "solution": true, "task": false}\ndef d',
            '"solution": true, "task": false}\ndef d',
            "no 'schema_version'",
        ),
        (
            '    ### END SOLUTION\n\n\n# %% nbgrader={"grade": true, "grade_id": "double_test"',
            '\n\n# %% nbgrader={"grade": true, "grade_id": "double_test"',
            "do not pair up",
        ),
        ("### END HIDDEN TESTS\n\n# %%\ntry", "\n# %%\ntry", "BEGIN HIDDEN TESTS and END"),
        ("passed = double(2) == 4", "### BEGIN HIDDEN TESTS", "cell without nbgrader metadata"),
        ('"grade_id": "halve"', '"grade_id": "to halve"', "is not 1 to 64 letters"),
        (
            '"grade": true, "grade_id": "why"',
            '"grade": false, "grade_id": "why"',
            "markdown cell must",
        ),
    ],
)
def test_a_fault_in_the_source_gives_one_line_and_changes_nothing(project, edit, old, new, message):
    edit(old, new)
    before = files_in(project)
    with pytest.raises(UserError, match=message) as caught:
        build(root=project)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{NAME}.py: ")
    assert files_in(project) == before


def test_a_solution_cell_without_markers_would_be_given_away(project, edit):
    edit("    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION", "    return x / 2")
    with pytest.raises(UserError, match="students would be given all of it"):
        build(root=project)


def test_a_graded_cell_needs_a_solution_cell_before_it(project, edit):
    edit(
        '"grade_id": "double", "locked": false, "schema_version": 3, "solution": true',
        '"grade_id": "double", "locked": true, "schema_version": 3, "solution": false',
    )
    edit("    ### BEGIN SOLUTION\n    result", "    result")
    edit("return result_of_doubling\n    ### END SOLUTION", "return result_of_doubling")
    with pytest.raises(UserError, match="double_test: a graded cell without a solution cell"):
        build(root=project)


def test_points_must_sum_to_100_but_for_the_warm_up(project):
    path = project / "course" / "source" / f"{NAME}.py"
    path.rename(path.with_name("hw7_real.py"))
    with pytest.raises(UserError, match="hw7_real.py: the points sum to 10, not 100"):
        build(root=project)


def test_unknown_homework_and_missing_source(project, tmp_path):
    with pytest.raises(UserError, match="no homework 'hw9'; there are: hw0_tiny"):
        build(["hw9"], root=project)
    with pytest.raises(UserError, match="no hw"):
        build(root=tmp_path / "nowhere")
    assert [h.name for h in homeworks_in(project, ["hw0", NAME])] == [NAME]


def test_root_is_found_from_inside_the_project(project, monkeypatch):
    monkeypatch.chdir(project / "course" / "source")
    assert find_root() == project


def test_the_kernel_is_this_interpreter_whatever_is_installed(project, monkeypatch, tmp_path):
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    wrong = {"argv": ["/bin/false"], "display_name": "wrong", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(wrong))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    from jupyter_client.kernelspec import KernelSpecManager

    assert KernelSpecManager().get_kernel_spec("python3").argv[0] == "/bin/false"
    build(root=project)
    assert read(project, "solution").metadata.kernelspec.display_name == "Python 3 (ipykernel)"


def test_the_environment_of_the_kernel_is_not_the_users(project, edit, monkeypatch, tmp_path):
    startup = tmp_path / "startup.py"
    startup.write_text("print('from the startup file')")
    monkeypatch.setenv("PYTHONSTARTUP", str(startup))
    monkeypatch.setenv("DALIB_EDU_SCALE", "full")
    monkeypatch.setenv("DALIB_EDU_DATA", str(tmp_path))
    edit(
        'os.environ.get("DALIB_EDU_SCALE")',
        'sorted(k for k in os.environ if "DALIB_EDU_D" in k), os.environ["DALIB_EDU_SCALE"]',
    )
    build(root=project)
    assert read(project, "solution").cells[1].outputs[0].text == "scale [] embedded\n"
    assert os.environ["DALIB_EDU_SCALE"] == "full"


def test_pictures_are_kept_and_tags_too(project, edit):
    edit(
        "# %%\nimport os\n",
        '# %% tags=["nbval-ignore-output"]\nimport matplotlib.pyplot as plt\nimport os\n'
        "plt.plot([0, 1]);\n",
    )
    build(root=project)
    cell = read(project, "solution").cells[1]
    assert cell.metadata.tags == ["nbval-ignore-output"]
    kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
    assert "image/png" in kinds
    assert not re.search("0x[0-9a-f]{8}", json.dumps(cell.outputs))


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_cell_that_never_ends_is_stopped(monkeypatch):
    monkeypatch.setattr(build_module, "CELL_TIMEOUT", 2)
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("while True: pass", id="a")]
    )
    with pytest.raises(UserError, match="it took more than 2 s"):
        execute(notebook, "endless")
