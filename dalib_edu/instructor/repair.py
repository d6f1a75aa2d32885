"""Give a submission back the cells that grading needs: a step before its run."""

from itertools import pairwise, takewhile
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor

from dalib_edu.instructor.cells import grade_id_of, without_hidden_tests
from dalib_edu.instructor.results import record

STUB = "YOUR ANSWER HERE"


class NotThisHomework(ValueError):
    """A notebook of something else; the message says why."""


class RepairCells(NbGraderPreprocessor):
    """Give a submission back the cells and metadata that grading needs.

    A copied cell makes nbgrader stop for the whole class, a deleted test cell leaves the grade
    empty, and stripped metadata gives no grade and no error. The gradebook knows what belongs
    where, so each can be mended. What was mended is written down in the notebook.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Repair ``nb`` in place.

        Raises:
            NotThisHomework: its cells are not those of the homework.
        """
        # A submission can carry an entry of its own making.
        nb.metadata["dalib_edu"] = NotebookNode()
        tagged = _drop_tags(nb)
        with Gradebook(resources["nbgrader"]["db_url"]) as gradebook:
            known = _known_cells(gradebook, resources)
        marked = _marked(nb)
        repairs = [
            *_restore_metadata(nb, known, self._release(resources)),
            *_drop_copies(nb, known),
            *_move_back(nb, known),
        ]
        _refuse_other_homework(nb, known, marked)
        repairs += _note_tagged_tests(tagged, known)
        repairs += _note_changed_tests(nb, known)
        repairs += _add_missing(nb, known)
        record(nb, repairs=repairs)
        return nb, resources

    def _release(self, resources: dict) -> list[NotebookNode]:
        """Return the cells of the released notebook; none where the course folder has no release.

        The gradebook does not know cells without a grade_id, such as the text of a question.
        """
        names = resources["nbgrader"]
        course = CourseDirectory(config=self.config)
        folder = course.format_path(course.release_directory, ".", names["assignment"])
        path = Path(folder) / f"{names['notebook']}.ipynb"
        return nbformat.read(path, as_version=4).cells if path.is_file() else []


def _marked(nb: NotebookNode) -> set[str]:
    """Return the grade_ids that a notebook was handed in with."""
    marks = [cell.metadata.get("nbgrader") for cell in nb.cells]
    names = [mark.get("grade_id") for mark in marks if isinstance(mark, dict)]
    return {name for name in names if isinstance(name, str)}


def _refuse_other_homework(
    nb: NotebookNode, known: dict[str, NotebookNode], marked: set[str]
) -> None:
    """Raise ``NotThisHomework`` where most cells are another's: some names are in several.

    Args:
        nb: with the metadata restored.
        known: the homework's cells.
        marked: the names of cells that the notebook had when it was handed in.
    """
    found = {grade_id_of(cell) for cell in nb.cells} - {None}
    others = len(marked - set(known))
    few = 4 * len(found) < len(known)  # all that a notebook without marks can be judged by
    if known and not found:
        raise NotThisHomework("no cell of the homework is in the notebook")
    if others > len(found) or (few and not marked):
        message = f"only {len(found)} of the homework's {len(known)} cells are in the notebook"
        raise NotThisHomework(f"{message}; is it another homework's?")


def _drop_tags(nb: NotebookNode) -> list[NotebookNode]:
    """Take the tags off every cell, and return the cells that had one.

    Tags say what to leave out: ``skip-execution`` keeps a test from running. What a grader would
    have written down goes, too.
    """
    for cell in nb.cells:
        cell.metadata.pop("dalib_edu", None)
    return [cell for cell in nb.cells if cell.metadata.pop("tags", None)]


def _note_tagged_tests(tagged: list[NotebookNode], known: dict[str, NotebookNode]) -> list[str]:
    """Name the test cells that had tags; none has one in the release."""
    return [
        f"tags were taken off cell {grade_id_of(cell)}"
        for cell in tagged
        if grade_id_of(cell) and known[grade_id_of(cell)].meta.locked
    ]


def _known_cells(gradebook: Gradebook, resources: dict) -> dict[str, NotebookNode]:
    """Return the homework's cells by grade_id in their order, as the gradebook has them."""
    names = resources["nbgrader"]
    notebook = gradebook.find_notebook(names["notebook"], names["assignment"])
    points = {cell.name: cell.max_score for cell in (*notebook.grade_cells, *notebook.task_cells)}
    graded = {cell.name for cell in notebook.grade_cells}
    tasks = {cell.name for cell in notebook.task_cells}
    solutions = {cell.name for cell in notebook.solution_cells}
    known = {}
    for cell in notebook.source_cells:
        meta = {
            "grade": cell.name in graded,
            "grade_id": cell.name,
            "locked": cell.locked,
            "schema_version": 3,
            "solution": cell.name in solutions,
            "task": cell.name in tasks,
            "cell_type": cell.cell_type,
            "checksum": cell.checksum,
        }
        if cell.name in points:
            meta["points"] = points[cell.name]
        entry = {"meta": meta, "source": cell.source, "cell_type": cell.cell_type}
        known[cell.name] = nbformat.from_dict(entry)
    return known


def _released(source: str) -> str:
    """Return a cell's text as students see it, less what editors change at line ends."""
    return "\n".join(line.rstrip() for line in without_hidden_tests(source).split("\n")).strip()


def _is_manual(entry: NotebookNode) -> bool:
    """Return whether a person grades what the student writes in this cell."""
    return bool(entry.meta.grade and entry.meta.solution)


def _leave_to_a_person(cell: NotebookNode) -> None:
    """Make an untouched answer cell differ from the release: nbgrader gives 0 where it does not.

    The answer can stand in another cell, and only a person can tell.
    """
    note = "This answer cell had been lost. Look for the answer in the cells around it."
    cell.source += f"\n\n# {note}" if cell.cell_type == "code" else f"\n\n*{note}*"


def _restore_metadata(
    nb: NotebookNode, known: dict[str, NotebookNode], release: list[NotebookNode]
) -> list[str]:
    """Set every cell's nbgrader metadata to what the gradebook says; return what was restored."""
    for cell in nb.cells:
        meta = cell.metadata.get("nbgrader")
        if not isinstance(meta, dict):
            cell.metadata.pop("nbgrader", None)
        grade_id = grade_id_of(cell)
        if grade_id in known:
            cell.metadata["nbgrader"] = NotebookNode(known[grade_id].meta)
        else:
            cell.metadata.pop("nbgrader", None)
    present = {grade_id_of(cell) for cell in nb.cells} - {None}
    restored: list[NotebookNode] = []

    def claim(cell: NotebookNode, grade_id: str | None) -> None:
        if grade_id in known and grade_id not in present and not grade_id_of(cell):
            cell.metadata["nbgrader"] = NotebookNode(known[grade_id].meta)
            present.add(grade_id)
            restored.append(cell)

    # The surest sign first: a stub alone could be the answer to any question.
    for cell in nb.cells:
        claim(cell, cell.get("id"))
    for cell, grade_id in _answers_behind_questions(nb, known, present, release):
        claim(cell, grade_id)
    for cell in nb.cells:
        claim(cell, _recognise(cell, known, present))
    repairs = [f"metadata of {len(restored)} cells restored"] if restored else []
    for cell in restored:
        entry = known[grade_id_of(cell)]
        if _is_manual(entry):
            if _released(cell.source) == _released(entry.source):
                _leave_to_a_person(cell)
            repairs.append(f"answer {grade_id_of(cell)} is left to a person")
    return repairs


def _recognise(cell: NotebookNode, known: dict[str, NotebookNode], present: set) -> str | None:
    """Return the missing grade_id that the text of a cell without metadata belongs to."""
    text = _released(cell.source)
    for grade_id, entry in known.items():
        if grade_id in present or entry.cell_type != cell.cell_type or not text:
            continue
        released = _released(entry.source)
        if _is_manual(entry):
            question = released.split(STUB)[0].strip()
            found = len(question) > 20 and text.startswith(question)
        else:
            found = text == released
        if found:
            return grade_id
    return None


def _answers_behind_questions(
    nb: NotebookNode, known: dict[str, NotebookNode], present: set, release: list[NotebookNode]
) -> list[tuple[NotebookNode, str]]:
    """Return cells that follow an unchanged question, each with the grade_id that is missing there.

    In the release an answer cell stands right behind the text cell with its question. Here the
    answer is the first text cell behind the question in which the student wrote something.
    """
    texts = {_released(cell.source) for cell in release if not grade_id_of(cell)}

    def may_be_answer(cell: NotebookNode) -> bool:
        plain = cell.cell_type == "markdown" and not grade_id_of(cell)
        return plain and _released(cell.source) not in texts

    found = []
    for question, answer in pairwise(release):
        grade_id, text, stub = (
            grade_id_of(answer),
            *map(_released, (question.source, answer.source)),
        )
        missing = grade_id in known and grade_id not in present and _is_manual(known[grade_id])
        if not missing or {question.cell_type, answer.cell_type} != {"markdown"}:
            continue
        places = [i for i, cell in enumerate(nb.cells) if _released(cell.source) == text]
        if not text or grade_id_of(question) or len(places) != 1:
            continue
        behind = list(takewhile(may_be_answer, nb.cells[places[0] + 1 :]))
        written = [cell for cell in behind if _released(cell.source) not in ("", stub)]
        found += [(cell, grade_id) for cell in (written or behind)[:1]]
    return found


def _drop_copies(nb: NotebookNode, known: dict[str, NotebookNode]) -> list[str]:
    """Leave one cell for each grade_id; the copies stay as ordinary cells."""
    places: dict[str, list[int]] = {}
    for index, cell in enumerate(nb.cells):
        if grade_id_of(cell):
            places.setdefault(grade_id_of(cell), []).append(index)
    repairs = []
    for grade_id, indices in places.items():
        if len(indices) == 1:
            continue
        keep = _which_copy(nb, known[grade_id], indices, places, list(known))
        for index in indices:
            if index != keep:
                del nb.cells[index].metadata["nbgrader"]
        places[grade_id] = [keep]
        repairs.append(f"cell {grade_id} was there {len(indices)} times")
    return repairs


def _which_copy(
    nb: NotebookNode,
    entry: NotebookNode,
    indices: list[int],
    places: dict[str, list[int]],
    order: list[str],
) -> int:
    """Return which copy counts.

    Of a test, the first behind the cell that stands before it in the homework: a later one would
    test what the notebook put in the student's place. Of an answer, the last that was written in.
    """
    if entry.meta.solution:
        written = [i for i in indices if _released(nb.cells[i].source) != _released(entry.source)]
        return (written or indices)[-1]
    position = order.index(entry.meta.grade_id)
    before = [places[name][-1] for name in order[:position] if name in places]
    behind = [i for i in indices if not before or i > before[-1]]
    return (behind or indices)[0]


def _move_back(nb: NotebookNode, known: dict[str, NotebookNode]) -> list[str]:
    """Put tests that stand before their answer right behind it; return what was moved.

    A test belongs to the last answer in code before it in the homework.
    """
    repairs, answer = [], None

    def place(grade_id: str) -> int | None:
        return next((i for i, c in enumerate(nb.cells) if grade_id_of(c) == grade_id), None)

    for grade_id, entry in known.items():
        if entry.meta.solution and entry.cell_type == "code":
            answer = grade_id
        if answer is None or not (entry.meta.grade and entry.meta.locked):
            continue
        here, there = place(grade_id), place(answer)
        if here is not None and there is not None and here < there:
            nb.cells.insert(there, nb.cells.pop(here))
            repairs.append(f"cell {grade_id} stood before its answer")
    return repairs


def _note_changed_tests(nb: NotebookNode, known: dict[str, NotebookNode]) -> list[str]:
    """Name the locked cells whose text was changed; nbgrader's next step puts it back."""
    return [
        f"cell {grade_id_of(cell)} had been changed"
        for cell in nb.cells
        if grade_id_of(cell)
        and known[grade_id_of(cell)].meta.locked
        and _released(cell.source) != _released(known[grade_id_of(cell)].source)
    ]


def _add_missing(nb: NotebookNode, known: dict[str, NotebookNode]) -> list[str]:
    """Put graded cells that were deleted back behind the cell that they followed."""
    repairs, last = [], -1
    for grade_id, entry in known.items():
        index = next((i for i, cell in enumerate(nb.cells) if grade_id_of(cell) == grade_id), None)
        if index is not None:
            last = index
            continue
        if not (entry.meta.grade or entry.meta.task):
            continue
        cell = getattr(nbformat.v4, f"new_{entry.cell_type}_cell")(entry.source)
        cell.metadata["nbgrader"] = NotebookNode(entry.meta)
        last += 1
        nb.cells.insert(last, cell)
        repairs.append(f"cell {grade_id} was missing")
        if _is_manual(entry):
            _leave_to_a_person(cell)
            repairs[-1] += " and is left to a person"
    return repairs
