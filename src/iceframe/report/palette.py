"""Colours: safe for colour-blind readers, each with its twin for the dark theme.

Derived from the palette of Okabe and Ito (2008, https://jfly.uni-koeln.de/color/): one accent
(blue), its opposite (vermillion) for warnings and for the other sign, greys for all else. Figures
are drawn in the light colours; the page's script exchanges each for its twin.
"""

from __future__ import annotations

INK = "#1b2026"
SOFT = "#5b6670"
FAINT = "#97a1ab"
LINE = "#dde2e7"
PAPER = "#fffffe"
ACCENT = "#0072b2"
WARM = "#d55e00"
BAND = "rgba(0,114,178,0.09)"
HAZE = "rgba(91,102,112,0.28)"
ACCENT_HAZE = "rgba(0,114,178,0.32)"
WARM_HAZE = "rgba(213,94,0,0.42)"
SEQUENCE_LOW = "#dbe5ec"
SEQUENCE_MIDDLE = "#6fadd2"
SEQUENCE_HIGH = "#00568a"

SEQUENTIAL = ((0.0, SEQUENCE_LOW), (0.5, SEQUENCE_MIDDLE), (1.0, SEQUENCE_HIGH))
CATEGORIES = (ACCENT, WARM, "#009e73", "#cc79a7", "#b88700", "#56b4e9", "#6b5b95", "#4d4d4d")

DARK = {
    INK: "#e9edf0",
    SOFT: "#a4afba",
    FAINT: "#6d7883",
    LINE: "#2c343c",
    PAPER: "#13181d",
    ACCENT: "#5ab5ea",
    WARM: "#f0894a",
    BAND: "rgba(90,181,234,0.11)",
    HAZE: "rgba(164,175,186,0.30)",
    ACCENT_HAZE: "rgba(90,181,234,0.38)",
    WARM_HAZE: "rgba(240,137,74,0.48)",
    SEQUENCE_LOW: "#27333d",
    SEQUENCE_MIDDLE: "#3f83ad",
    SEQUENCE_HIGH: "#8fd0f6",
    "#009e73": "#35c49a",
    "#cc79a7": "#e0a0c4",
    "#b88700": "#e3b53c",
    "#56b4e9": "#9fd6f5",
    "#6b5b95": "#a898d0",
    "#4d4d4d": "#c0c0c0",
}
