"""How sure an answer is: conformal intervals and sets, novelty, and scores of calibration.

Plain CV intervals, which every run uses, are in :mod:`iceframe.measure.conformal`.
"""
