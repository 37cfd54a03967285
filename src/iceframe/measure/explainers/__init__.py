"""Ways to explain: one file each (see :mod:`iceframe.measure.explainer`)."""
