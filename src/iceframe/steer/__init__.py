"""Inference steering: what to answer, what to leave unanswered, and what to ask for."""
