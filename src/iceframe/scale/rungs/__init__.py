"""The rungs, one file each: a module here registers itself in ``RUNGS`` when it is imported."""
