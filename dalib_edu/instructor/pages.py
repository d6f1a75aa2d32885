"""Notebooks as pages: feedback for students, and what the formgrader shows.

A submission is a stranger's text, and both are read in a browser, the formgrader even with the
rights of the person who grades. So nothing of it may run there: ``preprocessors.RemoveActive``
leaves plain outputs, and ``safe_markdown`` plain HTML.
"""

import functools
from html import escape
from typing import Any

import bleach
from jinja2 import BytecodeCache, Environment, pass_context
from jinja2.bccache import Bucket
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "details", "div", "dl", "dt"),
    *("em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li", "ol", "p", "pre", "s"),
    *("span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr"),
    *("u", "ul"),
}
PICTURES = tuple(f"data:image/{kind};base64," for kind in ("png", "jpeg", "gif"))


@pass_context
def safe_markdown(context: Any, source: str) -> str:
    """Return Markdown as HTML in which nothing runs: nbconvert's filter, and then bleach.

    Args:
        context: of the template; its cell may have attachments.
        source: the Markdown.
    """
    attachments = context.get("cell", {}).get("attachments")
    if attachments:
        return _rendered(source, attachments)
    return _remembered(source)


def _rendered(source: str, attachments: dict) -> str:
    renderer = IPythonRenderer(escape=False, attachments=attachments, anchor_link_text="¶")
    try:
        html = MarkdownWithMath(renderer=renderer).render(source)
    except Exception:  # an attachment that is not there, for one
        html = f"<pre>{escape(source)}</pre>"
    return bleach.clean(html, TAGS, _is_allowed, {"http", "https", "mailto", "data"})


@functools.lru_cache(maxsize=1024)  # most cells of a class are the homework's own
def _remembered(source: str) -> str:
    return _rendered(source, {})


def _is_allowed(tag: str, name: str, value: str) -> bool:
    """Return whether an attribute stays; bleach looks at the kind of an address, too."""
    if name == "href":
        return tag == "a" and not value.lower().lstrip().startswith("data:")
    if name == "src":
        # None from elsewhere, which would tell its owner when the page is read.
        return tag == "img" and value.startswith(PICTURES)
    return name in ("alt", "align", "class", "colspan", "id", "rowspan", "title")


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
