"""Feedback pages: as nbconvert makes them, faster."""

import nbformat
from jinja2 import Environment
from nbconvert.exporters import HTMLExporter

from dalib_edu.instructor.course import configure
from dalib_edu.instructor.pages import FeedbackPages


def test_pages_are_nbconverts_and_templates_are_compiled_once(monkeypatch):
    from traitlets.config import Config

    assert configure(Config()).GenerateFeedback.exporter_class is FeedbackPages
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# Text", id="a"),
            nbformat.v4.new_code_cell("1", id="b"),
        ]
    )
    wanted, _ = HTMLExporter().from_notebook_node(notebook)
    assert FeedbackPages().from_notebook_node(notebook)[0] == wanted
    monkeypatch.setattr(Environment, "compile", None)
    assert FeedbackPages().from_notebook_node(notebook)[0] == wanted
