"""The report in a real browser: silent, offline, drawn, and within the screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_browser import Browser, executable, wait_for
from report_views import VIEWS

PLOT_COLOUR = "getComputedStyle(document.querySelector('.plot .ytick text')).fill"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = executable()
    if program is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on this machine")
    pytest.importorskip("websocket", reason="websocket-client speaks to the browser")
    with Browser(program, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(autouse=True)
def _silent_and_offline(browser: Browser) -> Iterator[None]:
    browser.requests.clear()
    browser.errors.clear()
    yield
    browser.value("1")  # events that are still on their way arrive first
    assert browser.errors == []
    assert [u for u in browser.requests if not u.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize(
    ("name", "width"), [(name, 420) for name in VIEWS] + [(name, 1280) for name in list(VIEWS)[:3]]
)
def test_verdict_and_plots_stand_on_every_screen(
    name: str, width: int, browser: Browser, report_files: dict[str, Path]
) -> None:
    browser.show(report_files[name], width)
    verdict = browser.value("document.querySelector('h1').getBoundingClientRect().toJSON()")
    assert 0 < verdict["top"] < 500
    assert verdict["left"] >= 0
    assert verdict["right"] <= width
    assert browser.value("document.documentElement.scrollWidth") <= width
    plots = browser.value(
        "[...document.querySelectorAll('.plot')].filter(p => p.clientWidth > 0)"
        ".map(p => [p.querySelector('.main-svg').clientWidth, p.clientWidth,"
        " p.querySelectorAll('.scatterlayer path, .barlayer path, .heatmaplayer image').length])"
    )
    assert plots
    for drawn, room, marks in plots:
        assert 0 < drawn <= room <= width
        assert marks > 0
    overflowing = browser.value(
        "[...document.querySelectorAll('main *')]"
        ".filter(e => !e.closest('.scroll, .plot, svg, [hidden]')"
        f" && e.getBoundingClientRect().right > {width} + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert overflowing == []


def test_hostile_text_stays_text(browser: Browser, report_files: dict[str, Path]) -> None:
    browser.show(report_files["hostile"], 1280)
    assert browser.value("document.querySelectorAll('img[src=x], b script').length") == 0
    assert "<script>alert(1)</script>" in browser.value("document.querySelector('h1').innerText")
    assert "<b>MPa</b>" in browser.value("document.querySelector('#plot-intervals').textContent")


def test_the_toggle_turns_page_and_plots(browser: Browser, report_files: dict[str, Path]) -> None:
    browser.show(report_files["regression-table"], 1280, theme="light")
    page = "getComputedStyle(document.body).backgroundColor"
    light = browser.value(page), browser.value(PLOT_COLOUR)
    browser.value("document.getElementById('theme').click()")
    wait_for(lambda: browser.value(PLOT_COLOUR) != light[1], "the dark plots")
    dark = browser.value(page), browser.value(PLOT_COLOUR)
    assert luminance(light[0]) > luminance(light[1])
    assert luminance(dark[0]) < luminance(dark[1])
    browser.value("document.getElementById('theme').click()")
    wait_for(lambda: browser.value(PLOT_COLOUR) == light[1], "the light plots")
    browser.value("localStorage.clear()")


def test_the_system_theme_is_followed(browser: Browser, report_files: dict[str, Path]) -> None:
    browser.show(report_files["regression-table"], 1280, theme="dark")
    assert luminance(browser.value("getComputedStyle(document.body).backgroundColor")) < 60
    assert luminance(browser.value(PLOT_COLOUR)) > 120


def luminance(colour: str) -> float:
    red, green, blue = map(float, re.findall(r"[\d.]+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_another_rung_can_be_chosen(browser: Browser, report_files: dict[str, Path]) -> None:
    browser.show(report_files["regression-table"], 1280)
    for family in ("predictions", "learned"):
        shown = (
            f"[...document.querySelectorAll('[data-panel={family}]:not([hidden])')].map(p => p.id)"
        )
        assert browser.value(shown) == [f"{family}-1"]
        browser.value(
            f"(s => {{ s.value = '{family}-3'; s.dispatchEvent(new Event('change')); "
            f"s.scrollIntoView(); }})(document.querySelector('[data-family={family}]'))"
        )
        assert browser.value(shown) == [f"{family}-3"]
    wait_for(
        lambda: browser.value("document.querySelector('#predictions-3 .plot .main-svg') !== null"),
        "the plot of the other rung",
    )


def test_a_word_is_explained_where_it_stands(
    browser: Browser, report_files: dict[str, Path]
) -> None:
    browser.show(report_files["regression-table"], 420)
    browser.call("Emulation.setFocusEmulationEnabled", enabled=True)
    browser.value(
        "[...document.querySelectorAll('.numbers [data-tip]')]"
        ".find(e => e.innerText === 'Complexity').focus()"
    )
    wait_for(lambda: not browser.value("document.getElementById('bubble').hidden"), "the meaning")
    box = browser.value("document.getElementById('bubble').getBoundingClientRect().toJSON()")
    assert box["width"] > 100
    assert box["left"] >= 0
    assert box["right"] <= 420
    assert "memorises everything" in browser.value("document.getElementById('bubble').textContent")


def test_paper_is_light_open_and_uncut(browser: Browser, report_files: dict[str, Path]) -> None:
    browser.show(report_files["regression-table"], 1280, theme="dark")
    pdf = browser.paper()
    assert pdf.startswith(b"%PDF")
    assert 6 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 20
    # What was done for the paper is undone on the screen.
    assert browser.value("document.documentElement.className") == ""
    assert browser.value("document.querySelectorAll('details[open]').length") == 0
    browser.value("dispatchEvent(new Event('beforeprint'))")
    try:
        assert browser.value("document.querySelectorAll('details:not([open])').length") == 0
        assert luminance(browser.value("getComputedStyle(document.body).backgroundColor")) > 240
        widths = browser.value(
            "[...document.querySelectorAll('.plot')].filter(p => p.clientWidth > 0)"
            ".map(p => p.querySelector('.main-svg').clientWidth)"
        )
        assert widths
        assert max(widths) <= 680
    finally:
        browser.value("dispatchEvent(new Event('afterprint'))")
