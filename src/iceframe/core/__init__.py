"""The values, protocols, registry, errors and the storage of runs. Knows no framework."""
