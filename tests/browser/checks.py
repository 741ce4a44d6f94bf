"""What is asserted of every page, each as a list of what is wrong. Sizes and counts only: no check depends on time."""

from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

LEAST_CONTROL = 40  # pixels; half a pixel of rounding is forgiven
MOST_SHIFT = 0.02
LIKE_THE_OTHERS = ["tbody tr:nth-child(n + 8)"]  # rows look like those above them
EVERYTHING = {"include": [["html"]], "exclude": [LIKE_THE_OTHERS]}
BUT_LISTINGS = {"include": [["html"]], "exclude": [LIKE_THE_OTHERS, [".source"]]}
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
PAPER = {"width": 680, "height": 960}  # A4 within margins of 15 mm, in CSS pixels

# What may be pressed or typed into. Links within sentences, and rows that unfold inside a table, are text.
LOW_CONTROLS = """least => [...document.querySelectorAll(
  "button, select, input:not([type=hidden], [type=radio], [type=checkbox]), a.button, nav li a, " +
  "details.more > summary, label:has(> input[type=radio], > input[type=checkbox])")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < least - 0.5)
  .map((one) => `${one.getBoundingClientRect().height} px high: ${one.outerHTML.slice(0, 120)}`)"""

# Wider than the window, and not inside a part that scrolls by itself.
TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const scrolls = (one) => one && (getComputedStyle(one).overflowX !== "visible" || scrolls(one.parentElement));
  return [...document.body.querySelectorAll("*")]
    .filter((one) => one.getBoundingClientRect().right > width + 1 && !scrolls(one.parentElement))
    .slice(0, 5).map((one) => `beyond ${width} px: ${one.outerHTML.slice(0, 120)}`)
    .concat(`the page is ${document.documentElement.scrollWidth} px wide in a window of ${width}`);
}"""

# Paper does not scroll: no text may end beyond its edge, or beyond the edge of a part that hides what overflows.
CUT_OFF = """() => {
  const limit = (one) => {
    let right = document.documentElement.clientWidth;
    for (let over = one; over; over = over.parentElement)
      if (getComputedStyle(over).overflowX !== "visible") right = Math.min(right, over.getBoundingClientRect().right);
    return right;
  };
  const found = [];
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode, range = document.createRange();
    if (!text.data.trim() || !text.parentElement.checkVisibility({ contentVisibilityAuto: true })) continue;
    if (text.parentElement.closest(".visually-hidden, svg")) continue;
    range.selectNodeContents(text);
    if (range.getBoundingClientRect().right > limit(text.parentElement) + 1) found.push(`cut off: ${text.data.trim()}`);
  }
  return found.slice(0, 5);
}"""

SHIFT = """() => new Promise((answer) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((one) => { if (!one.hadRecentInput) sum += one.value; }))
    .observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => answer(sum)));
})"""


async def too_wide(page: Page) -> list[str]:
    found: list[str] = await page.evaluate(TOO_WIDE)
    return found


async def low_controls(page: Page) -> list[str]:
    found: list[str] = await page.evaluate(LOW_CONTROLS, LEAST_CONTROL)
    return found


async def layout_shift(page: Page) -> list[str]:
    shift: float = await page.evaluate(SHIFT)
    return [f"moved by {shift:.3f} after it was first painted"] if shift > MOST_SHIFT else []


async def inaccessible(page: Page, *, listings: bool = True) -> list[str]:
    """What axe finds: each rule that is broken, with the elements that break it.

    Code listings, whose words are coloured one by one, are most of the work: leave them out of a page that another
    state of it has shown already.
    """
    return await _axe(page, EVERYTHING if listings else BUT_LISTINGS, {})


async def illegible(page: Page, *, listings: bool = True) -> list[str]:
    """The rules of axe that another set of colours can break."""
    return await _axe(page, EVERYTHING if listings else BUT_LISTINGS, {"runOnly": COLOUR_RULES})


async def _axe(page: Page, part: dict[str, Any], options: dict[str, Any]) -> list[str]:
    results = await Axe().run(page, context=part, options={"resultTypes": ["violations"], **options})
    return [_told(violation) for violation in results.response["violations"]]


def _told(violation: dict[str, Any]) -> str:
    nodes = [f"{' '.join(map(str, node['target']))}: {node['html'][:120]}" for node in violation["nodes"][:3]]
    return f"axe {violation['id']} ({violation['impact']}), {len(violation['nodes'])} times, at {'; '.join(nodes)}"


async def unprintable(page: Page) -> list[str]:
    """What paper would lack: text beyond the edge, the heading or a result; or what has no place there: the sidebar."""
    window = page.viewport_size
    await page.emulate_media(media="print")
    await page.set_viewport_size(PAPER)  # type: ignore[arg-type]
    found: list[str] = await page.evaluate(CUT_OFF)
    for selector, wanted in [("h1", True), ("#result", True), (".side", False), (".controls", False)]:
        for one in await page.locator(selector).all():
            if await one.is_visible() is not wanted:
                found.append(f"{selector} is {'missing from' if wanted else 'on'} the paper")
    await page.emulate_media(media="null")
    if window:
        await page.set_viewport_size(window)
    return found
