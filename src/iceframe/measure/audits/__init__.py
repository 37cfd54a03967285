"""Audits of a run: is what the models learned the material, and does it hold elsewhere?

One file a kind of audit. Each is pure over predictions, latents and images; which of them, and of
which run, is said in :mod:`iceframe.workflow.auditing`.
"""
