"""Sphinx settings. The build needs no network and treats every warning as an error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

import iceframe

project = "ICEFrame"
author = "The ICEFrame developers"
copyright = "2026, The ICEFrame developers"
release = version = iceframe.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "docstrings",
    "mathml",
    "registry_table",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Class attributes", "params_style")]

html_theme = "furo"
html_title = "ICEFrame"
html_static_path = ["_static"]
html_css_files = ["iceframe.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
# The console prompt is not part of what a reader wants to paste.
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
