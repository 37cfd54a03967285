"""Architectural scaling: representations, rungs and their training."""
