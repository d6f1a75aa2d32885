"""A notebook's file, less all that grading does not read: outputs and most metadata.

A program, too, for large files: JSON can take fifty times its size in memory, so it is read by
a process that may take 2 GiB, ``python -I -S lean.py notebook.ipynb``. It needs no other package.
"""

import json
import sys
from typing import Any

LARGEST_MARK = 2_000  # characters of a cell's metadata for nbgrader


def lean(notebook: dict) -> dict:
    """Return what of a notebook is read; what is not valid stays so, but is small.

    Args:
        notebook: as JSON gave it. An older format than 4 only loses its outputs later.

    Raises:
        TypeError: it is no notebook.
    """
    if not isinstance(notebook, dict):
        raise TypeError("not a dictionary")
    if "cells" not in notebook:
        return notebook
    kept = {key: notebook[key] for key in ("nbformat", "nbformat_minor") if key in notebook}
    metadata, cells = notebook.get("metadata", {}), notebook["cells"]
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    kept["metadata"] = {"kernelspec": kernel} if _is_small(kernel) and kernel else {}
    return kept | {"cells": [_cell(cell) for cell in cells] if isinstance(cells, list) else 0}


def _cell(cell: Any) -> Any:
    if not isinstance(cell, dict):
        return 0
    kept = {key: cell[key] for key in ("cell_type", "id", "execution_count") if key in cell}
    kept = {key: value if isinstance(value, str | int | None) else 0 for key, value in kept.items()}
    if "source" in cell:
        source = cell["source"]
        lines = source if isinstance(source, list) else [source]
        kept["source"] = "".join(lines) if all(isinstance(each, str) for each in lines) else 0
    if "outputs" in cell:
        kept["outputs"] = []
    if isinstance(cell.get("attachments"), dict):
        kept["attachments"] = _pictures(cell["attachments"])
    metadata = cell.get("metadata", {})
    if isinstance(metadata, dict):
        names = ("nbgrader", "tags")
        kept["metadata"] = {
            n: metadata[n] for n in names if n in metadata and _is_small(metadata[n])
        }
    else:
        kept["metadata"] = 0
    return kept


def _pictures(attachments: dict) -> dict:
    return {
        name: {kind: data for kind, data in each.items() if isinstance(data, str)}
        for name, each in attachments.items()
        if isinstance(each, dict)
    }


def _is_small(value: Any) -> bool:
    return len(json.dumps(value)) <= LARGEST_MARK


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
    with open(sys.argv[1], encoding="utf-8-sig") as file:
        sys.stdout.write(json.dumps(lean(json.load(file))))
