"""Light and dark in a real Chromium: as the system asks, at once, and readable in both."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from browser.conftest import OpenPage, Scheme

pytestmark = pytest.mark.browser

expect.set_options(timeout=30_000)
# The least that text of this size needs, by the Web Content Accessibility Guidelines.
READABLE = 4.5


def colour(page: Page, token: str) -> tuple[float, float, float]:
    """Return a colour of the palette, red, green and blue from 0 to 1."""
    text = page.evaluate(
        "name => { const e = document.createElement('i'); e.style.color = `var(--${name})`;"
        " document.body.append(e); const c = getComputedStyle(e).color; e.remove(); return c }",
        token,
    )
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", text)[:3])
    return red, green, blue


def luminance(channels: tuple[float, float, float]) -> float:
    """Return how light a colour is, from 0 to 1."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(page: Page, text: str, ground: str) -> float:
    """Return the ratio of two colours of the palette."""
    low, high = sorted(luminance(colour(page, name)) for name in (text, ground))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_text_can_be_read(open_page: OpenPage, scheme: Scheme) -> None:
    """Each colour of text is far enough from each ground that it stands on."""
    page = open_page(scheme=scheme)
    expect(page.get_by_test_id("chart")).to_have_attribute("data-phase", "ready")
    texts = ("text", "muted", "faint", "accent", "up", "down")
    ratios = {pair: contrast(page, *pair) for pair in product(texts, ("surface", "canvas"))}
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < READABLE} == {}


def test_a_change_is_followed_at_once(open_page: OpenPage) -> None:
    """The page and what is drawn on canvases change with the system, and the chart goes on."""
    page = open_page(scheme="dark")
    expect(page.get_by_test_id("chart")).to_have_attribute("data-phase", "ready")
    ground = (
        "() => { const drawn = document.querySelector('.plot canvas'); if (!drawn) return -1;"
        " const copy = document.createElement('canvas').getContext('2d');"
        " copy.drawImage(drawn, 0, 0); return copy.getImageData(1, 1, 1, 1).data[0] }"
    )
    page.wait_for_function(f"(at => at >= 0 && at < 60)(({ground})())")
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"({ground})() > 200")
    assert luminance(colour(page, "canvas")) > 0.8
    price = page.get_by_test_id("close")
    expect(price).not_to_have_text(price.inner_text())
