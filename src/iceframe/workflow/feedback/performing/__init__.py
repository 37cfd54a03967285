"""One file an action: how it is carried out."""
