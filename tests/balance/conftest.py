"""Lets the tests of this folder import the plant that lies beside them.

Tests are imported by file (``--import-mode=importlib``), which leaves their folder off the path.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
