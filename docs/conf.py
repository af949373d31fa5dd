"""Configuration of the documentation. `scripts/docs.sh` builds it."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before autodoc imports TensorFlow
os.environ.setdefault("COLUMNS", "100")  # of the usage lines that argparse formats

from nmt.about import VERSION  # noqa: E402

project = "nmt"
author = copyright = "the nmt authors"
version = release = VERSION

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "mathml",
    "nmt_reference",
    "notebooks",
]
exclude_patterns = ["_build", "_ext", "**/.ipynb_checkpoints"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4  # links to headings are checked
nb_execution_mode = "off"  # their outputs are committed: scripts/run_notebooks.py
nb_merge_streams = True

default_role = "code"  # of single backquotes in docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = f"nmt {VERSION}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_show_copyright = False
pygments_style = "default"
pygments_dark_style = "monokai"
html_theme_options = {"navigation_with_keys": True}
