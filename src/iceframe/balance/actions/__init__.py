"""The actions, one file each: a module here registers itself in ``ACTIONS`` when it is imported."""
