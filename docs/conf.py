"""Sphinx configuration; `make docs` builds the site."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from generate import generate

from nigiri import __version__

project = "Nigiri"
author = "the Nigiri contributors"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_generated", "results/README.md"]
html_theme = "furo"
html_title = "Nigiri"
html_static_path: list[str] = []

generate()
