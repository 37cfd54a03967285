"""Metrics of maps over images that need no physics: one module a family."""
