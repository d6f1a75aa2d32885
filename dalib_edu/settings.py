"""The few choices that come from the environment, read in this one place."""

import os
from pathlib import Path
from typing import Literal, get_args

Scale = Literal["embedded", "full", "grading"]


class UserError(Exception):
    """A mistake that the user can mend: shown as one line, without a traceback."""


def scale() -> Scale:
    """Return the scale to work at: ``DALIB_EDU_SCALE``, by default ``"embedded"``.

    ``"grading"`` is the embedded scale cut to a few steps, which an autograder sets.

    Raises:
        UserError: the variable holds anything else.
    """
    value = os.environ.get("DALIB_EDU_SCALE", "embedded")
    if value not in get_args(Scale):
        raise UserError(f"DALIB_EDU_SCALE is {value!r}; it must be one of {get_args(Scale)}")
    return value


def data_folder() -> Path | None:
    """Return the folder of real data, ``DALIB_EDU_DATA``, or None where it is not set."""
    value = os.environ.get("DALIB_EDU_DATA")
    return Path(value).expanduser() if value else None


def cache_folder() -> Path:
    """Return the folder for what can be made again: ``DALIB_EDU_CACHE`` or the user's cache."""
    value = os.environ.get("DALIB_EDU_CACHE")
    if value:
        return Path(value).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "dalib_edu"


def show_progress() -> bool:
    """Return whether to draw progress bars; ``DALIB_EDU_PROGRESS=off`` keeps outputs clean."""
    return os.environ.get("DALIB_EDU_PROGRESS", "on") != "off"
