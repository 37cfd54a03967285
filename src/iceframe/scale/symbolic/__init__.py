"""Symbolic regression: a formula that is found in data, with units, and can be read.

:func:`fit_formula` is the way in; the rung ``symbolic`` builds on it.
"""

from iceframe.scale.symbolic.formula import Formula, Point, fit_formula

__all__ = ["Formula", "Point", "fit_formula"]
