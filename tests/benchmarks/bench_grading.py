"""Grading a class: nbgrader as it comes, beside this package's grader with its sandbox.

    python tests/benchmarks/bench_grading.py [--number 200] [--jobs 2] [--trivial 20] [--no-table]

- Speed: a notebook that only imports torch and answers two small exercises. *nbgrader* is
  ``autograde`` with its own settings, without a sandbox and without feedback pages; *here* is
  ``dalib-edu grade``, with both. The ratio is of the time for each submission beyond the first.
- Accuracy: every answer of the tables, honest and wrong, to every exercise of every homework, in
  notebooks without the training. The confusion table must be perfect.
- A class of 200 with known answers (the course's, honest others, typical wrong ones, stubs) over
  all homeworks, graded with one command. Its confusion table must be perfect, too.
- Memory of all processes together, early and late in the class: it must not grow.
"""

import argparse
import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import nbformat
import psutil
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "instructor"))
import generated  # noqa: E402

from dalib_edu.instructor import demo, grade, sandbox  # noqa: E402
from dalib_edu.instructor.build import (  # noqa: E402
    homeworks_in,
    quiet_nbgrader,
    read_source,
    release_text,
)
from dalib_edu.instructor.cells import without_markers  # noqa: E402
from dalib_edu.instructor.course import put_tools_on_path  # noqa: E402

TRIVIAL = ROOT / "tests" / "instructor" / "fixture_attack"
NAME = "hw0_attack"
FLAT = 1.2  # memory late in a class of 100 or more, as a multiple of that early in it


def hand_in(folder: Path, number: int) -> None:
    """Write ``number`` solved copies of the trivial homework."""
    source = read_source(TRIVIAL / "course" / "source" / f"{NAME}.py")
    release = nbformat.reads(release_text(source, NAME), as_version=4)
    answers = {n: c.source for c in source.cells for n in demo.answer_cells(source) if c.id == n}
    notebook = demo.fill_in(release, {n: without_markers(text) for n, text in answers.items()})
    for place in range(number):
        path = folder / f"s{place:03d}" / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(nbformat.writes(notebook), encoding="utf-8")


def plain_seconds(folder: Path, number: int) -> float:
    """Return the seconds that nbgrader takes for each submission beyond the first."""
    hand_in(folder / "submitted", number)
    text = nbformat.writes(read_source(TRIVIAL / "course" / "source" / f"{NAME}.py"))
    path = folder / "source" / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    put_tools_on_path()
    config = Config()
    config.CourseDirectory.root, config.CourseDirectory.course_id = str(folder), "bench"
    config.ExecutePreprocessor.timeout = 600
    marks = []
    with quiet_nbgrader():
        api = NbGraderAPI(CourseDirectory(config=config), config=config)
        assert api.generate_assignment(NAME, force=True)["success"]
        for place in range(number):
            answer = api.autograde(NAME, f"s{place:03d}")
            assert answer["success"], answer
            marks.append(time.perf_counter())
    return (marks[-1] - marks[0]) / (number - 1)


def our_seconds(folder: Path, number: int, jobs: int) -> float:
    """Return the seconds that this grader takes for each submission beyond the first ``jobs``."""
    hand_in(folder / "in", number)
    marks: list[float] = []
    with after_each(lambda: marks.append(time.perf_counter())):
        results = grade.grade(folder / "in", folder / "out", root=TRIVIAL, jobs=jobs)
    assert {(r.status, r.score) for r in results} == {("graded", 100)}, results
    return (marks[number - 1] - marks[jobs - 1]) / (number - jobs)


@contextlib.contextmanager
def after_each(function: Callable[[], None]) -> Iterator[None]:
    """Call a function whenever a submission has been graded."""
    write = grade.write_atomically

    def written(path: Path, text: str) -> None:
        write(path, text)
        if path.name == "grades.csv":
            function()

    with mock.patch.object(grade, "write_atomically", written):
        yield


def in_use() -> float:
    """Return the memory of this process and of all that it started, in MiB."""
    own = psutil.Process().memory_info().rss
    return (own + sandbox.usage(os.getpid(), sys.maxsize)[0]) / 2**20


def main() -> None:
    """Measure and print; see the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--trivial", type=int, default=20)
    parser.add_argument("--homeworks", nargs="*", default=None)
    parser.add_argument("--table", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dalib_edu_bench_") as folder:
        place = Path(folder).resolve()
        if given.trivial:
            plain = plain_seconds(place / "plain", max(3, given.trivial // 4))
            for jobs in sorted({1, given.jobs}):
                ours = our_seconds(place / f"ours{jobs}", given.trivial, jobs)
                print(
                    f"trivial notebook: nbgrader {plain:.2f} s, here {ours:.2f} s a submission "
                    f"({jobs} at a time): {plain / ours:.1f} times as many a minute; aimed at: 10"
                )
        homeworks = homeworks_in(ROOT, given.homeworks)
        for homework in homeworks if given.table else ():
            folder = place / homework.name
            number = generated.most_answers(homework)
            students = generated.generate(folder / "in", [homework], number, whole=False)
            grade_class(folder, students, given.jobs)
        if given.number:
            students = generated.generate(place / "class" / "in", homeworks, given.number)
            grade_class(place / "class", students, given.jobs)


def grade_class(place: Path, students: list[generated.Student], jobs: int) -> None:
    """Grade a generated class and print its table."""
    begun, memory = time.perf_counter(), []
    with contextlib.redirect_stdout(io.StringIO()), after_each(lambda: memory.append(in_use())):
        results = grade.grade(place / "in", place / "out", root=ROOT, jobs=jobs)
    minutes = (time.perf_counter() - begun) / 60
    counts, faults = generated.confusion(students, results)
    fifth = max(1, len(memory) // 5)
    early, late = (statistics.median(part) for part in (memory[fifth:][:fifth], memory[-fifth:]))
    print(
        f"\n{len(students)} submissions in {minutes:.1f} minutes; memory in the second fifth of "
        f"them {early:.0f} MiB, in the last {late:.0f} MiB"
    )
    print(generated.confusion_table(counts), flush=True)
    if faults:
        sys.exit("misjudged:\n" + "\n".join(faults))
    if len(students) >= 100 and late > FLAT * early:
        sys.exit("memory grows with the class")
    wrong = [f"{s.name}: {r}" for s, r in zip(students, results, strict=True) if s.score != r.score]
    if wrong:
        sys.exit("other scores than they must have:\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
