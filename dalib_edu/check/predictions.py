"""What the checks of ``submission.csv`` share: they take the path of a file, not a function.

A case holds the true labels, its ``truth``. They are those of the embedded test pictures, which the
package can draw again; the grader puts in their place the labels that a teacher kept of pictures
that were handed out. Beside a notebook nobody knows these. There ``truth`` says unknown (-1, or an
empty name), and the form of the file is all that is judged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dalib_edu import scoring, submit
from dalib_edu.check.core import VISIBLE, Answer, Case, Check, CheckFailed, take
from dalib_edu.data import handed_out
from dalib_edu.data.images import ImageSet
from dalib_edu.settings import UserError


@dataclass(frozen=True, kw_only=True)
class Predictions(Check):
    """The check of a file of predictions.

    Attributes:
        homework: for example ``"hw2"``.
        unknown: returns the ``truth`` of pictures that were handed out.
    """

    homework: str
    unknown: Callable[[ImageSet], Any]

    def __call__(self, function: str | Path, seed: int = VISIBLE) -> None:
        """Check a file in place; by its form alone where pictures were handed out beside it."""
        given = handed_out.read(self.homework, Path(function).parent)
        if given is None:
            super().__call__(function, seed)
            return
        cases = self._with_truth(self.unknown(given))
        self.verdict(cases, self.answer(function, cases))
        print(f"{self.name}: {len(given)} predictions in the right form; your teacher scores them")

    def cases_by(self, labels: Path) -> list[Case]:
        """Return the cases with the true labels of a file, of the kind that ``score`` takes.

        Raises:
            UserError: the file is broken.
        """
        return self._with_truth(scoring.read_labels(self.homework, labels))

    def _with_truth(self, truth: Any) -> list[Case]:
        return [case | {"truth": truth} for case in self.cases(VISIBLE)]


def numbered(homework: str, enough: float, hint: str) -> Predictions:
    """Return the check of a file with the columns ``id`` and ``label``.

    Args:
        homework: ``"hw2"`` or ``"hw4"``.
        enough: the accuracy that is asked for, 0 to 1.
        hint: what to look at where it is not reached.
    """
    what = scoring.PICTURES[homework]

    def cases(seed: int) -> list[Case]:
        return [{"name": f"the test {what}", "truth": scoring.true_labels(homework)}]

    def probe(path: str | Path, case: Case) -> Answer:
        try:
            return {"labels": np.array(submit.read_submission(path), np.int64)}
        except UserError as error:
            raise CheckFailed("malformed_file", str(error)) from None

    def judge(case: Case, answer: Answer) -> None:
        truth, value = np.array(case["truth"]), answer.get("labels")
        if isinstance(value, np.ndarray) and value.shape != truth.shape and value.ndim == 1:
            message = f"the file has {len(value)} predictions for {len(truth)} {what}"
            raise CheckFailed("wrong_number", message)
        labels = take(answer, "labels", truth.shape, "the labels")
        if labels.min() < 0 or labels.max() > 9:
            raise CheckFailed("unknown_label", "labels go from 0 to 9; the file has others")
        accuracy = float((labels == truth).mean())
        if (truth < 0).all() or accuracy >= enough:
            return
        other = scoring.other_pictures(homework, labels.astype(int).tolist(), case["truth"])
        if other:
            raise CheckFailed("other_pictures", other)
        share = f"{accuracy:.1%} of the {what} are right; {enough:.0%} are asked for"
        question = scoring.doubt(homework, accuracy) or hint
        raise CheckFailed("too_few_right", f"{share}. {question}")

    return Predictions(
        name="submission",
        cases=cases,
        probe=probe,
        judge=judge,
        reference=submit.write_submission,
        homework=homework,
        unknown=lambda given: given.labels.tolist(),
    )
