"""Feedback pages as nbconvert makes them, whose templates are compiled once a process."""

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket
from nbconvert.exporters import HTMLExporter


class Compiled(BytecodeCache):
    """Templates in the memory of this process; Jinja looks whether their text has changed."""

    def __init__(self) -> None:
        self.code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill ``bucket``, if it is known."""
        if bucket.key in self.code:
            bucket.bytecode_from_string(self.code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what is in ``bucket``."""
        self.code[bucket.key] = bucket.bytecode_to_string()


class FeedbackPages(HTMLExporter):
    """nbconvert's exporter, which would compile its templates for each page anew."""

    _compiled = Compiled()

    def _create_environment(self) -> Environment:
        environment = super()._create_environment()
        environment.bytecode_cache = self._compiled
        return environment
