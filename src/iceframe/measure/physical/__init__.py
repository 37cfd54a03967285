"""Explanations against exact physics: the truth, the agreement, and the solver as a model."""
