"""Distillation: a glass box learns from the answers of a model that nobody can read.

A *teacher* (any rung) is fitted inside the training samples; a *student* (a glass box that reads
the table) is fitted to its answers instead of, or beside, the measured targets, and on further
samples that only the teacher has labelled. References: Bucilă, Caruana & Niculescu-Mizil 2006,
https://doi.org/10.1145/1150402.1150464; Hinton, Vinyals & Dean 2015,
https://arxiv.org/abs/1503.02531; trees: Breiman & Shang 1996 (born again trees).
"""
