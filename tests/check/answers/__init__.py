"""Answers to the exercises: typical wrong ones and honest right ones, as cells of a notebook.

``answers/<homework>/<exercise>.py`` holds all answers to one exercise. What stands above the first
marker belongs to each of them. A marker begins an answer:

    # mutant NAME: CAUSE      wrong; the check must fail, with this ``CheckFailed.cause``
    # mutant NAME             wrong, but the judge cannot tell why
    # alternative NAME        right, and written differently

An answer's source, the common part included, can stand in a notebook cell as it is.
"""

import linecache
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
MARKER = re.compile(r"^# (mutant|alternative) ([^:\n]+)(?:: (\w+))?\n", re.MULTILINE)


class Answer(NamedTuple):
    """One answer to an exercise."""

    source: str
    cause: str | None = None  # only of a mutant

    def function(self, exercise: str) -> Callable:
        """Run the source and return the function that it defines."""
        name = f"<answer {hash(self.source)}>"
        linecache.cache[name] = (len(self.source), None, self.source.splitlines(True), name)
        namespace = {"__name__": "answer"}
        exec(compile(self.source, name, "exec"), namespace)
        return namespace[exercise]


Table = dict[str, dict[str, dict[str, Answer]]]


def load(homework: str) -> Table:
    """Return ``{exercise: {"mutants": {name: Answer}, "alternatives": {name: Answer}}}``."""
    table: Table = {}
    for path in sorted((FOLDER / homework).glob("*.py")):
        head, *rest = MARKER.split(path.read_text())
        answers: dict[str, dict[str, Answer]] = {"mutants": {}, "alternatives": {}}
        for kind, name, cause, body in zip(*(rest[i::4] for i in range(4)), strict=True):
            assert name not in answers[f"{kind}s"], f"{path.name}: two answers named {name!r}"
            answers[f"{kind}s"][name] = Answer(head + body.rstrip() + "\n", cause)
        table[path.stem] = answers
    return table
