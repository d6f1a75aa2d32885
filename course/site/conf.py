"""The web site: the executed walkthroughs, the guide and the API. `make site` builds it."""

import shutil
import warnings
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

project = "dalib_edu"
author = "the dalib_edu authors"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = "dalib_edu"
nb_execution_mode = "off"  # the notebooks carry their outputs
myst_enable_extensions = ["dollarmath"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
suppress_warnings = ["myst.header", "myst.xref_missing", "mystnb.unknown_mime_type"]
exclude_patterns = ["README.md"]
warnings.filterwarnings("ignore", category=DeprecationWarning)


def copy_pages(app):
    """Bring what lies elsewhere in the project into the site's folder, which ignores it in git."""
    pages = HERE / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir()
    for path in (*sorted((ROOT / "solutions").glob("*.ipynb")), ROOT / "course" / "glossary.md"):
        shutil.copy(path, pages)


def setup(app):
    app.connect("builder-inited", copy_pages)
