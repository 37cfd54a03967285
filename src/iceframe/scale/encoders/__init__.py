"""Learned encoders, one file each; every module here registers itself in ``ENCODERS``."""
