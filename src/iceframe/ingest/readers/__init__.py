"""One file a format; each registers itself in :data:`iceframe.ingest.reader.READERS`."""
