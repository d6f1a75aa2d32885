"""The long forms of two tests of the grader: it is killed again and again, and it is attacked.

    python tests/benchmarks/bench_grading_robust.py [--kills 20] [--seed 0] [--no-attacks]

- Kills: a small class is graded with the command line, which is killed at random moments and gone
  on with (``--resume``), one at a time and two. In the end grades, records and gradebook are those
  of a run that nobody disturbed, and of no killed run has a process been left.
- Attacks: those of ``tests/instructor/test_attacks.py``, in forks of the warm process and then each
  in a kernel of its own, which is the way that plain nbgrader and the formgrader take.
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "instructor"))
import attackers  # noqa: E402

from dalib_edu.instructor import demo  # noqa: E402
from dalib_edu.instructor.build import read_source, release_text  # noqa: E402
from dalib_edu.instructor.cells import without_markers  # noqa: E402

PROJECT = ROOT / "tests" / "instructor" / "fixture"
NAME = "hw0_tiny"
KILLS_A_CLASS = 4
ENDS_WITHIN = 15  # seconds, for what a killed run had started


def hand_in(folder: Path) -> None:
    """Write a class of twelve: right, half right, leaving, misnamed, broken, in prose."""
    source = read_source(PROJECT / "course" / "source" / f"{NAME}.py")
    release = nbformat.reads(release_text(source, NAME), as_version=4)
    answers = {c.id: without_markers(c.source) for c in source.cells if c.id in ("double", "halve")}
    leaves = {**answers, "halve": "import os\nos._exit(1)"}
    prose = {**answers, "why": "**Question.** Because of inverses."}
    for number in range(2):
        kinds = {"right": answers, "half": {"double": answers["double"]}, "stub": {}}
        kinds |= {"leaves": leaves, "prose": prose, "broken": {}}
        for kind, texts in kinds.items():
            path = folder / f"{kind}_{number}" / NAME / f"{NAME}.ipynb"
            path.parent.mkdir(parents=True)
            text = nbformat.writes(demo.fill_in(release, texts))
            path.write_text("{" if kind == "broken" else text, encoding="utf-8")


def begin(folder: Path, out: Path, jobs: int) -> subprocess.Popen:
    """Start ``dalib-edu grade --resume`` in a session of its own."""
    command = [sys.executable, "-m", "dalib_edu.cli", "grade", str(folder), "--out", str(out)]
    return subprocess.Popen(
        [*command, "--jobs", str(jobs), "--resume"],
        cwd=PROJECT,
        env={**os.environ, "DALIB_EDU_PROGRESS": "off"},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill(process: subprocess.Popen) -> None:
    """Kill a run as the system does, and make sure that all that it started goes, too."""
    try:
        started = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        started = []
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, left = psutil.wait_procs(started, timeout=ENDS_WITHIN)
    if left:
        sys.exit(f"a killed run left {[p.cmdline()[:4] for p in left]}")


def outcome(out: Path) -> dict:
    """Return what must be the same after any number of kills."""
    records = {}
    for path in sorted(out.glob("results/*.json")):
        records[path.name] = json.loads(path.read_text(encoding="utf-8"))
        records[path.name]["result"]["seconds"] = None
    with sqlite3.connect(out / "gradebook.db") as book:
        (health,) = book.execute("PRAGMA integrity_check").fetchone()
        question = "SELECT auto_score, manual_score, needs_manual_grade FROM grade"
        grades = sorted(map(str, book.execute(question)))
    pages = sorted(str(p.relative_to(out)) for p in out.glob("feedback/*/*/*.html"))
    table = (out / "grades.csv").read_text(encoding="utf-8")
    return {"records": records, "health": health, "grades": grades, "pages": pages, "csv": table}


def killed_at_random(place: Path, kills: int, seed: int) -> None:
    """Kill a class's grading, go on, and compare; exits where anything differs."""
    hand_in(place / "in")
    whole, wanted = {}, None
    for jobs in (1, 2):
        begun, out = time.monotonic(), place / f"undisturbed_{jobs}"
        assert begin(place / "in", out, jobs).wait() == 0
        whole[jobs], wanted = time.monotonic() - begun, wanted or outcome(out)
        assert outcome(out) == wanted, "two at a time, other grades"
    assert len(wanted["records"]) == len(wanted["pages"]) == 12
    chance, runs = random.Random(seed), 0
    while kills > 0:
        out, runs, jobs = place / f"killed_{runs}", runs + 1, 1 + runs % 2
        here, kept = 0, 0
        while True:
            process = begin(place / "in", out, jobs)
            try:
                # Later than the start most of the time: that is where there is something to lose.
                left = kills > 0 and here < KILLS_A_CLASS
                process.wait(whole[jobs] * chance.triangular(0, 1, 0.7) if left else None)
                break
            except subprocess.TimeoutExpired:
                kill(process)
                kills, here = kills - 1, here + 1
                kept = max(kept, len(list(out.glob("results/*.json"))))
        if process.returncode or outcome(out) != wanted:
            sys.exit(f"other grades after {here} kills (seed {seed}, run {runs})")
        print(
            f"class of 12, {jobs} at a time: killed {here} times, up to {kept} results kept; the "
            "same grades",
            flush=True,
        )


def attacked(place: Path) -> None:
    """Grade the class of attackers in both ways; raises where one earns what it must not."""
    for warm in (True, False):
        root = place / f"warm_{warm}"
        attackers.hand_in_all(root)
        begun = time.monotonic()
        results = attackers.grade_all(root, warm=warm)
        for result in results.values():
            attackers.verify(result, root / "out")
        attackers.verify_outside(results, root / "out")
        how = "forks of the warm process" if warm else "kernels of their own"
        minutes = (time.monotonic() - begun) / 60
        number = len(results) - len(attackers.HONEST)
        print(f"{number} attacks in {how}: nothing gained ({minutes:.1f} minutes)", flush=True)


def main() -> None:
    """Run and print; see the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--attacks", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dalib_edu_bench_") as folder:
        place = Path(folder).resolve()
        killed_at_random(place, given.kills, given.seed)
        if given.attacks:
            attacked(place / "attacks")


if __name__ == "__main__":
    main()
