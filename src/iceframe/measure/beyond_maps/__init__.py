"""Explanations that are not heat maps: concepts, counterfactuals, directions, prototypes."""
