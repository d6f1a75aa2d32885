"""Immediate feedback for each exercise, one module a homework."""

from dalib_edu.check.core import VISIBLE, Check, CheckFailed

__all__ = ["VISIBLE", "Check", "CheckFailed"]
