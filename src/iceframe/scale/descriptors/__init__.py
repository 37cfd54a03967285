"""Descriptors, one file each; every module here registers itself in ``DESCRIPTORS``."""
