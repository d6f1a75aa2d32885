"""Each command: help with an example, one line and a non-zero exit on bad input."""

import subprocess
import sys
from pathlib import Path

import pytest

from dalib_edu import cli
from dalib_edu.settings import UserError

COMMANDS = [
    ["start"],
    ["score"],
    ["doctor"],
    ["run"],
    ["validate"],
    ["build"],
    ["collect"],
    ["grade"],
    ["return"],
    ["demo"],
    ["data", "list"],
    ["data", "fetch"],
    ["data", "export"],
]


def call(*arguments, monkeypatch, capsys):
    """Run the command line in this process; return (exit status, stdout, stderr or message)."""
    monkeypatch.setattr(sys, "argv", ["dalib-edu", *map(str, arguments)])
    try:
        cli.main()
        status, said = 0, ""
    except SystemExit as exit_:
        status, said = exit_.code, ""
        if isinstance(status, str):
            status, said = 1, status
    out = capsys.readouterr()
    return status or 0, out.out, said + out.err


@pytest.fixture
def dalib(monkeypatch, capsys):
    return lambda *arguments: call(*arguments, monkeypatch=monkeypatch, capsys=capsys)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(dalib, command):
    status, out, _ = dalib(*command, "--help")
    assert status == 0
    assert "Example" in out
    assert f"dalib-edu {' '.join(command)}" in out


def test_every_command_is_in_the_list_above():
    names = {c.name or c.callback.__name__.replace("_", "-") for c in cli.app.registered_commands}
    names |= {f"data {c.name}" for c in cli.data_app.registered_commands}
    assert names == {" ".join(command) for command in COMMANDS}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "hw9"], "hw9"),
        (["run", "hw2", "--data", "nowhere", "--seeds", "1"], "nowhere"),
        (["run", "hw2", "--scale", "huge"], "huge"),
        (["run", "hw2", "--method", "magic"], "magic"),
        (["run", "hw2", "--source", "photo", "--source", "art"], "one source"),
        (["run", "hw2", "--jobs", "2", "--cluster", "local:none", "--steps", "1"], "local:none"),
        (["run", "hw3", "--set", "sise=96"], "sise"),
        (["run", "hw3", "--set", "size=large"], "size must be a whole number, not 'large'"),
        (["run", "hw3", "--set", "pretrained=perhaps"], "pretrained"),
        (["run", "hw1", "--set", "orders=3"], "orders"),
        (["score", "hw2", "nowhere.csv"], "nowhere.csv"),
        (["score", "hw1", "nowhere.csv"], "nowhere.csv"),
        (["score", "hw3", "nowhere.csv"], "hw3"),
        (["validate", "hw2"], "hw2"),
        (["validate", "hw3", "--data", "nowhere"], "nowhere"),
        (["validate", "hw3", "--scale", "huge"], "huge"),
        (["data", "export", "foo", "x"], "foo"),
        (["data", "fetch", "foo", "--data", "x"], "foo"),
        (["build", "hw99"], "hw99"),
        (["grade", "nowhere", "--out", "x"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(dalib, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, said = dalib(*arguments)
    assert status == 1
    assert said.startswith("dalib-edu: ")
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_unknown_option_is_a_usage_error(dalib):
    status, _, said = dalib("run", "hw2", "--bogus")
    assert status == 2
    assert "--bogus" in said
    assert "Traceback" not in said


def test_start_copies_and_never_overwrites(dalib, tmp_path):
    folder = tmp_path / "work"
    status, out, _ = dalib("start", folder)
    assert status == 0
    names = sorted(path.name for path in folder.iterdir())
    assert "hw0_start.ipynb" in names
    assert "hw2_dann_drawings.ipynb" in names
    mine = folder / "hw0_start.ipynb"
    mine.write_text("mine")
    status, out, _ = dalib("start", folder)
    assert status == 0
    assert "kept" in out
    assert mine.read_text() == "mine"


def test_start_into_a_file_is_one_line(dalib, tmp_path):
    (tmp_path / "file").write_text("x")
    status, _, said = dalib("start", tmp_path / "file")
    assert status == 1
    assert "file" in said


def test_score_against_labels_of_ones_own(dalib, tmp_path):
    (tmp_path / "truth.csv").write_text("id,label\n0,1\n1,2\n2,3\n3,4\n")
    (tmp_path / "mine.csv").write_text("id,label\n3,4\n0,1\n1,2\n2,0\n")
    status, out, _ = dalib(
        "score", "hw2", tmp_path / "mine.csv", "--labels", tmp_path / "truth.csv"
    )
    assert status == 0
    assert "75.0% of 4" in out


def test_a_bug_is_no_users_mistake(monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_users_mistakes_have_no_traceback(monkeypatch):
    def refuse(*_, **__):
        raise UserError("no")

    monkeypatch.setattr(cli, "app", refuse)
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == "dalib-edu: no"


def test_commands_that_are_stopped_or_fail_say_so_in_their_status(monkeypatch, dalib):
    from dalib_edu import doctor

    monkeypatch.setattr(doctor, "report", lambda say: False)
    assert dalib("doctor")[0] == 1

    def interrupted(say):
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "report", interrupted)
    status, out, said = dalib("doctor")
    assert (status, out, said.strip()) == (130, "", "dalib-edu: stopped")


def test_the_installed_script_runs():
    script = Path(sys.executable).with_name("dalib-edu")
    if not script.exists():
        pytest.skip("the package is not installed beside this Python")
    shown = subprocess.run([script, "data", "list"], capture_output=True, text=True)
    assert shown.returncode == 0
    assert "pictures" in shown.stdout
    assert "PACS" in shown.stdout
