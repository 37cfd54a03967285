"""One file a generator; each registers itself in :data:`iceframe.physics.generator.GENERATORS`."""
