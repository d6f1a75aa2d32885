"""The class at a glance: one HTML file for the teacher, and who wrote the same as whom."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from html import escape
from itertools import combinations
from pathlib import Path
from statistics import mean, median

import nbformat

from dalib_edu.instructor.build import Homework, read_source
from dalib_edu.instructor.cells import without_markers
from dalib_edu.instructor.results import Result

ALIKE = 0.6  # share of a homework's exercises from which two submissions are named
NEAR = 0.8  # share of their pieces that two nearly equal answers have in common
MOST_PAIRS = 50
LONG = 40  # pieces, about four lines; shorter answers are compared as a whole alone
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .2rem .8rem; text-align: left }
td.n { text-align: right } tr:nth-child(even) { background: #f3f3f3 }
.bar { fill: #0072b2 } svg text { font: 12px system-ui, sans-serif }
"""


def class_report(results: list[Result], out: Path, known: dict[str, Homework]) -> str:
    """Return the report on a class, as one HTML page without anything to load.

    Args:
        results: of all submissions.
        out: the folder with the graded notebooks.
        known: the homeworks by name.
    """
    parts = []
    for name in sorted({result.assignment for result in results}):
        own = [result for result in results if result.assignment == name]
        parts += [f"<h1>{escape(name)}</h1>", _statuses(own), _distribution(own), _exercises(own)]
        parts += [_times(own)]
        if name in known:
            parts.append(_alike(own, out, known[name]))
    body = "\n".join(part for part in parts if part)
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>Class report</title>"
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _table(head: Iterable[str], rows: Iterable[Iterable]) -> str:
    def cell(value) -> str:
        number = isinstance(value, int | float)
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        return f"<td class='n'>{text}</td>" if number else f"<td>{escape(text)}</td>"

    lines = ["<tr>" + " ".join(f"<th>{escape(each)}</th>" for each in head) + "</tr>"]
    lines += ["<tr>" + " ".join(map(cell, row)) + "</tr>" for row in rows]
    return "<table>" + "\n".join(lines) + "</table>"


def _statuses(results: list[Result]) -> str:
    counts = Counter(result.status for result in results)
    waiting = sum(result.manual_points > 0 for result in results)
    text = f"<p>{len(results)} submissions; {waiting} have answers that a person grades.</p>"
    odd = [(r.student, r.status, r.reason) for r in results if r.status != "graded"]
    named = _table(("student", "status", "reason"), odd) if odd else ""
    return f"<h2>How the runs ended</h2>{text}{_table(('status', 'number'), counts.items())}{named}"


def _distribution(results: list[Result]) -> str:
    """Draw the shares of the points that tests can give, in ten bars."""
    shares = [
        result.score / (result.max_score - result.manual_points)
        for result in results
        if result.score is not None and result.max_score and result.max_score > result.manual_points
    ]
    if not shares:
        return ""
    counts = Counter(min(int(10 * share), 9) for share in shares)
    tallest, bars = max(counts.values()), []
    for bin_ in range(10):
        height, x = 120 * counts[bin_] / tallest, 60 * bin_
        bars.append(
            f"<rect class='bar' x='{x + 4}' y='{140 - height:.1f}' width='52' "
            f"height='{height:.1f}'/>"
            f"<text x='{x + 30}' y='{134 - height:.1f}' text-anchor='middle'>{counts[bin_]}</text>"
            f"<text x='{x + 30}' y='156' text-anchor='middle'>{10 * bin_}-{10 * bin_ + 10}%</text>"
        )
    return (
        f"<h2>Points</h2><p>Share of the points that are not waiting for a person: mean "
        f"{mean(shares):.0%}, median {median(shares):.0%}.</p>"
        f"<svg width='600' height='165' role='img' aria-label='submissions by share of the points'>"
        f"{''.join(bars)}</svg>"
    )


def _exercises(results: list[Result]) -> str:
    """List the exercises, the hardest first, each with the commonest causes of lost points.

    Questions that a person has not graded for all are left out: so far they have the points of
    those who wrote nothing.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    causes: dict[str, Counter] = defaultdict(Counter)
    waiting = {name for r in results for name, score in r.exercises.items() if score is None}
    for result in results:
        for name, score in result.exercises.items():
            if name not in waiting:
                scores[name].append(score)
        for name, cause in result.causes.items():
            causes[name][cause] += 1
    if not scores:
        return ""
    most = {name: max(values) for name, values in scores.items()}
    rows = [
        (
            name,
            mean(values),
            sum(value == 0 for value in values),
            ", ".join(f"{cause} ({number})" for cause, number in causes[name].most_common(4)),
        )
        for name, values in scores.items()
    ]
    rows.sort(key=lambda row: row[1] / (most[row[0]] or 1))
    head = ("exercise", "mean points", "with none", "commonest causes")
    left_out = f"<p>Not graded yet: {escape(', '.join(sorted(waiting)))}.</p>" if waiting else ""
    return "<h2>Exercises, the hardest first</h2>" + _table(head, rows) + left_out


def _times(results: list[Result]) -> str:
    timed = sorted((r.seconds, r.student) for r in results if r.seconds is not None)
    if not timed:
        return ""
    longest = [(student, seconds) for seconds, student in reversed(timed[-5:])]
    middle = median(seconds for seconds, _ in timed)
    text = f"<p>Median {middle:.3g} s a submission. The longest:</p>"
    return f"<h2>Run times</h2>{text}{_table(('student', 'seconds'), longest)}"


# --- who wrote the same -------------------------------------------------------------------------


def _alike(results: list[Result], out: Path, homework: Homework) -> str:
    """List submissions whose answers are the same code, also that of the course's own solution."""
    source = read_source(homework.source)
    answers = {"the course's solution": _shapes(source.cells)}
    untouched = _shapes(_stubs(out, homework))
    for result in results:
        path = out / "submitted" / result.student / homework.name / f"{homework.name}.ipynb"
        if path.is_file():
            cells = nbformat.read(path, as_version=4).cells
            shapes = _shapes(cells, set(answers["the course's solution"]))
            answers[result.student] = {
                name: shape for name, shape in shapes.items() if untouched.get(name) != shape
            }
    number = len(answers["the course's solution"])
    rows = [
        (one, other, same, near, number)
        for one, other, same, near in _pairs(answers, untouched)
        if same + near >= max(2, ALIKE * number)
    ]
    if not rows:
        return ""
    rows.sort(key=lambda row: (-row[2] - row[3], -row[2]))
    text = (
        "<p>The same: but for names, comments and layout. Nearly: long answers that differ in a "
        "line or two. Short answers are often the same by chance; this costs nobody a point, and "
        "is for you to look at.</p>"
    )
    if len(rows) > MOST_PAIRS:
        text += f"<p>{len(rows)} pairs; the {MOST_PAIRS} that have most in common:</p>"
    head = ("one", "other", "exercises the same", "nearly", "of")
    return "<h2>Alike</h2>" + text + _table(head, rows[:MOST_PAIRS])


def _stubs(out: Path, homework: Homework) -> list:
    path = out / "release" / homework.name / f"{homework.name}.ipynb"
    return nbformat.read(path, as_version=4).cells if path.is_file() else []


def _pairs(
    answers: dict[str, dict[str, str]], untouched: dict[str, str]
) -> Iterator[tuple[str, str, int, int]]:
    """Yield two names, and in how many exercises they are the same and nearly the same."""
    given = {exercise: _pieces(shape) for exercise, shape in untouched.items()}
    pieces = {
        name: {e: _pieces(shape) - given.get(e, set()) for e, shape in shapes.items()}
        for name, shapes in answers.items()
    }
    for one, other in combinations(answers, 2):
        common = answers[one].keys() & answers[other].keys()
        same = {each for each in common if answers[one][each] == answers[other][each]}
        near = sum(_near(pieces[one][each], pieces[other][each]) for each in common - same)
        if same or near:
            yield one, other, len(same), near


def _pieces(shape: str) -> set[tuple[str, ...]]:
    """Return all runs of five words of a shape, in which all local names are one."""
    words = re.findall(r"\w+", re.sub(r"'v\d+'", "'v'", shape))
    return {tuple(words[place : place + 5]) for place in range(len(words) - 4)}


def _near(one: set, other: set) -> bool:
    """Return whether two answers are long and share most of their pieces."""
    few, many = sorted((len(one), len(other)))
    if few < LONG or few < NEAR * many:
        return False
    common = len(one & other)
    return common >= NEAR * (few + many - common)


def _shapes(cells: list, names: set[str] | None = None) -> dict[str, str]:
    """Return the shape of each answer in code, by its grade_id."""
    found = {}
    for cell in cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id") or cell.get("id")
        solution = cell.metadata.get("nbgrader", {}).get("solution")
        if cell.cell_type == "code" and (solution if names is None else name in names):
            shape = shape_of(without_markers(cell.source))
            if shape:
                found[name] = shape
    return found


def shape_of(code: str) -> str:
    """Return code less comments, layout, texts that document, and the choice of local names.

    Empty where it is no Python.
    """
    try:
        return _shape_of_tree(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def _shape_of_tree(tree: ast.Module) -> str:
    given: dict[str, str] = {}
    bound = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound |= {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            del body[0]
        for field in ("id", "arg"):
            name = getattr(node, field, None)
            if name in bound and not isinstance(node, ast.keyword):
                setattr(node, field, given.setdefault(name, f"v{len(given)}"))
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)
