"""The paper workbench: each colour, size and distance is the one that was decided, as the browser computes it."""

import pytest
from playwright.async_api import Page

from .sites import Sites

COLOURS = {  # light, dark
    "paper": ("#fbfaf7", "#14161a"),
    "surface": ("#ffffff", "#1b1e24"),
    "sunk": ("#f3f1ec", "#101216"),
    "rule": ("#e2ded5", "#2d323b"),
    "border": ("#8b8678", "#7d8494"),
    "ink": ("#1c1d21", "#e9e7e1"),
    "ink-2": ("#55565e", "#a9adb8"),
    "action": ("#3538cd", "#a4a8ff"),
    "app": ("#00735a", "#3fc79e"),
    "database": ("#0b62a8", "#68b5f5"),
    "cache": ("#a34700", "#f5a25d"),
    "event": ("#9a3476", "#ee9acb"),
    "bad": ("#b3261e", "#ff8f86"),
    "ok": ("#1a7036", "#6fd08c"),
}
DISTANCES = [4, 8, 12, 16, 24, 32, 48, 72]  # pixels
SECTIONS = [f"/lab/{number}" for number in range(1, 6)]
SECTIONS += ["/lab/test"]
PAGES = ["/", *SECTIONS, "/lab/glossary", "/lab/search?q=lag", "/lab/runs/"]

SEEN = """([selector, property]) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility())
  .map((one) => parseFloat(getComputedStyle(one)[property]))"""
COLOUR = """(name) => {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(--${name})`;
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return "#" + colour.match(/\\d+/g).map((part) => Number(part).toString(16).padStart(2, "0")).join("");
}"""
WIDEST_LINE = """() => {
  const text = "the quick brown fox jumps over the lazy dog ".repeat(3);
  const ruler = document.querySelector(".prose").appendChild(document.createElement("span"));
  ruler.style.whiteSpace = "pre";
  ruler.textContent = text;
  const letter = ruler.getBoundingClientRect().width / text.length;
  return Math.max(...[...document.querySelectorAll(".prose > p")].map((one) => one.clientWidth / letter));
}"""
MOVING = """() => [...document.querySelectorAll("*")].filter((one) => {
  const style = getComputedStyle(one);
  const animated = style.animationName !== "none" && parseFloat(style.animationDuration) > 0;
  return animated || parseFloat(style.transitionDuration) > 0;
}).length"""
SHADOWS = """() => [...document.querySelectorAll("main *")].map((one) => getComputedStyle(one).boxShadow)
  .filter((shadow) => / [1-9]\\d*px -?\\d+px(,|$)/.test(shadow.replace("inset", "")))"""


async def seen(page: Page, selector: str, prop: str = "fontSize") -> set[float]:
    """What the browser computed for all that can be seen of it, rounded to a tenth of a pixel."""
    values: list[float] = await page.evaluate(SEEN, [selector, prop])
    return {round(value, 1) for value in values}


@pytest.mark.parametrize(("number", "scheme"), [(0, "light"), (1, "dark")])
async def test_each_colour_is_the_one_that_was_decided(page: Page, sites: Sites, number: int, scheme: str) -> None:
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    await page.goto(sites.lab)

    assert {name: await page.evaluate(COLOUR, name) for name in COLOURS} == {
        name: both[number] for name, both in COLOURS.items()
    }


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("width", "title"), [(1440, 44), (390, 32)])
async def test_type_has_its_sizes(page: Page, sites: Sites, path: str, width: int, title: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto(sites.lab + path)

    assert await seen(page, "body") == {17.0}
    assert await seen(page, "body", "lineHeight") == {27.2}
    assert await seen(page, "main h1") == {title}
    assert await seen(page, ".part > h2, .part > header h2, .prose > h2") <= {26.0}
    assert await seen(page, ".button, .side nav a, .field label, .field legend, .find input") <= {14.0, 15.0, 17.0}
    assert all(28 <= size <= 36 for size in await seen(page, ".readouts dd:not(:has(.under))"))


@pytest.mark.parametrize("path", SECTIONS)
async def test_a_line_of_prose_has_about_66_letters(page: Page, sites: Sites, path: str) -> None:
    await page.goto(sites.lab + path)

    assert 60 <= await page.evaluate(WIDEST_LINE) <= 72


async def test_the_frame_has_its_measures(page: Page, sites: Sites) -> None:
    await page.set_viewport_size({"width": 1600, "height": 900})
    await page.goto(sites.lab)

    assert await seen(page, ".side", "width") == {240.0}
    assert await seen(page, ".frame", "width") == {1344.0}
    names = [f"--s{number}" for number in range(1, 9)]
    values = "names => names.map((one) => getComputedStyle(document.documentElement).getPropertyValue(one))"
    assert [16 * float(rem.removesuffix("rem")) for rem in await page.evaluate(values, names)] == DISTANCES


@pytest.mark.parametrize("path", PAGES)
async def test_nothing_moves_where_motion_is_not_wanted_and_nothing_throws_a_shadow(
    page: Page, sites: Sites, path: str
) -> None:
    await page.emulate_media(reduced_motion="reduce")
    await page.goto(sites.lab + path)

    assert await page.evaluate(MOVING) == 0
    assert await page.evaluate(SHADOWS) == []
