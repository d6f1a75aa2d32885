"""What a cell shows: outputs that strangers' processes sent, and those of the grader's own."""

from typing import Any

import nbformat
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode

from dalib_edu.check import CheckFailed


def whole(value: Any) -> Any:
    """Return text, and what holds text, with ``?`` for characters that no file can hold."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [whole(each) for each in value]
    if isinstance(value, dict):
        return {whole(key): whole(each) for key, each in value.items()}
    return value


def size_of(output: dict) -> int:
    """Return the characters of an output."""
    parts = [output.get("text", ""), output.get("evalue", ""), *output.get("traceback", [])]
    parts += output.get("data", {}).values()
    return sum(len(part if isinstance(part, str) else str(part)) for part in parts)


def cut_end(output: dict, text: dict, limit: int) -> None:
    """Cut a result or an error that is too long."""
    if "data" in output:
        text["data"] = {"text/plain": str(output["data"].get("text/plain", ""))[:limit]}
    else:
        text["evalue"] = str(output.get("evalue", ""))[:limit]
        text["traceback"] = ["".join(map(str, output.get("traceback", [])))[-limit:]]


def add_output(outputs: list[NotebookNode], output: dict) -> None:
    """Append an output that came from a student's process, joined to a stream that goes on.

    What is no output is left out.
    """
    try:
        kind = output["output_type"]
        if kind == "stream":
            last = outputs[-1] if outputs else {}
            if last.get("output_type") == "stream" and last["name"] == output["name"]:
                last["text"] += output["text"]
                return
        if kind not in ("stream", "display_data", "execute_result", "error"):
            raise ValueError(kind)
        fresh = nbformat.v4.new_output(**output)
        nbformat.validate(fresh, ref=kind, version=4)
    except Exception:
        return
    outputs.append(fresh)


def error_output(name: str, text: str) -> NotebookNode:
    """Return the output of an exception without frames."""
    return nbformat.v4.new_output(
        "error", ename=name, evalue=text, traceback=[f"{name}: {text}" if text else name]
    )


def failed_output(failed: CheckFailed) -> NotebookNode:
    """Return the output of a check that failed, as it looks in the student's notebook."""
    output = error_output("CheckFailed", whole(str(failed)))
    output.traceback = [whole(f"Not yet: {failed}")]
    return output


def one_line(error: NotebookNode) -> str:
    text = " ".join(strip_ansi(f"{error.ename} {error.evalue}").split())
    return text[:200] or error.ename
