"""Explainers and metrics: a fitted rung and data become Evidence. Imports only what is used."""
