"""The same ranges everywhere, cheap imports, imports that run one way."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch"}


def ranges(requirements):
    """Return {name: the rest of the requirement}."""
    pairs = (re.match(r"([\w.-]+)(?:\[\w+\])?(.*)", line).groups() for line in requirements)
    return {CONDA_NAMES.get(name, name): rest.strip() for name, rest in pairs}


def environment():
    """Read environment.yml's two lists without a YAML library: one item a line."""
    conda, pip = [], []
    for line in (ROOT / "environment.yml").read_text().splitlines():
        if match := re.match(r"( +)- (.+)$", line):
            indent, item = match.groups()
            if item != "pip:" and "conda-forge" not in item:
                (pip if len(indent) > 2 else conda).append(item)
    return ranges(conda), ranges(line for line in pip if not line.startswith("-e")), pip


def test_conda_and_pip_ask_for_the_same_ranges():
    conda, pip, lines = environment()
    assert conda.pop("python") == PROJECT["requires-python"]
    assert conda.pop("pip") == ""
    wanted = ranges(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["course"])
    assert conda | pip == wanted
    assert "-e ." in lines


def test_no_exact_pins():
    every = PROJECT["dependencies"] + sum(PROJECT["optional-dependencies"].values(), [])
    assert [line for line in every if "==" in line] == []
    ours = [line for line in every if not line.startswith("dalib-edu")]
    assert [line for line in ours if ">=" not in line] == []


def test_importing_the_package_is_cheap():
    code = "import sys, dalib_edu, dalib_edu.settings; print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


# The floors of the house, lowest first; a module imports from its own floor or from below.
FLOORS = [
    {
        "settings",
        "jobs",
        "data",
        "nets",
        "reversal",
        "fit",
        "evaluate",
        "plot",
        "submit",
        "scoring",
        "validation",
    },
    {"dann", "dann_alexnet", "gta", "m3sda", "metric", "self_training"},
    {"check"},
    {"experiment", "instructor", "pretrain"},
    {"cli", "doctor"},
]
METHODS = FLOORS[1]


def floor_of(name):
    return next(i for i, rooms in enumerate(FLOORS) if name in rooms)


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dalib_edu"):
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("dalib_edu."))


@pytest.mark.parametrize("path", sorted((ROOT / "dalib_edu").rglob("*.py")), ids=str)
def test_imports_run_one_way(path):
    room = path.relative_to(ROOT / "dalib_edu").parts[0].removesuffix(".py")
    if room == "__init__":
        return
    for other in imported_rooms(path):
        if other != "__version__":
            assert floor_of(other) <= floor_of(room), f"{room} imports {other}, which is above it"
            assert other == room or not {other, room} <= METHODS, "methods do not import each other"


def test_training_steps_fit_on_a_page():
    for module in METHODS:
        for node in ast.parse((ROOT / "dalib_edu" / f"{module}.py").read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.endswith("_step"):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                assert node.end_lineno - body[0].lineno < 30, node.name


def test_nothing_committed_names_a_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    words = re.compile(rb"/(?:root|home/\w+|Users/\w+)/|files\.pythonhosted|\.pyenv")
    found = [
        name
        for name in listed.stdout.splitlines()
        if name != "tests/test_packaging.py" and words.search((ROOT / name).read_bytes())
    ]
    assert found == []
