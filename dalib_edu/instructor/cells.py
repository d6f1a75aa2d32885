"""What a homework's cells hold: regions that students do not see, and names."""

from nbformat import NotebookNode

SOLUTION_MARKERS = ("BEGIN SOLUTION", "END SOLUTION")
HIDDEN_MARKERS = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")


def without_hidden_tests(source: str) -> str:
    """Return a cell's text less its hidden regions."""
    return "\n".join(_parted(source)[0]).rstrip("\n")


def hidden_lines(source: str) -> list[str]:
    """Return the lines of a cell's hidden regions that say something, without indentation."""
    return [line.strip() for line in _parted(source)[1] if len(line.strip()) > 3]


def _parted(source: str) -> tuple[list[str], list[str]]:
    """Return the lines that students see and those that they do not, without the markers."""
    seen, hidden = [], []
    here = seen
    for line in source.split("\n"):
        if HIDDEN_MARKERS[0] in line:
            here = hidden
        elif HIDDEN_MARKERS[1] in line:
            here = seen
        else:
            here.append(line)
    return seen, hidden


def without_markers(source: str) -> str:
    """Return a cell's text less the lines that mark a solution."""
    lines = source.split("\n")
    return "\n".join(line for line in lines if not any(m in line for m in SOLUTION_MARKERS))


def grade_id_of(cell: NotebookNode) -> str | None:
    """Return the name that nbgrader knows a cell by; None for a cell without one."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")
