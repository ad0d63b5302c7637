"""The designer in a real browser: what a reader does with mouse, finger and keys."""
import re

import pytest
from test_book import build  # noqa: F401  (a fixture)
from test_browser import WIDTHS, address, browser  # noqa: F401  (fixtures)
from test_designer import in_lrlib, js

EXAMPLE = "Cosine,start=0.1,end=0.01,steps=800,warmup=100"


@pytest.fixture(params=WIDTHS)
def page(request, browser, address):  # noqa: F811
    """The designer with a schedule in its address, on a desk and on a phone."""
    size = dict(zip(("width", "height"), WIDTHS[request.param], strict=True))
    context = browser.new_context(viewport=size, has_touch=request.param == "phone",
                                  permissions=["clipboard-read", "clipboard-write"])
    with context:
        page = context.new_page()
        page.goto(f"{address}/chapters/using/designer.html#{EXAMPLE}", wait_until="load")
        yield page


def state(page):
    """What the address says, once it is written."""
    page.wait_for_timeout(400)
    found = js("fromHash", page.url.split("#")[1])
    assert found["problem"] is None
    return found["state"]


def middle(page, handle):
    page.locator(".chart").scroll_into_view_if_needed()
    box = page.locator(f"[data-handle='{handle}'] circle:not(.hit)").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def peak(page):
    """The name of the handle where the warm-up ends."""
    handles = js("handles", state(page)["schedules"][0])
    return max(handles, key=lambda handle: handle["y"])["name"]


def test_an_address_is_drawn_as_it_says(page):
    schedule, = state(page)["schedules"]
    assert in_lrlib(schedule)(100) == 0.1
    assert page.locator("#lrd-kind").input_value() == "Cosine"
    assert page.locator("#lrd-start").input_value() == "0.1"
    assert "Cosine(start=0.1, end=0.01, steps=800).warmup(100)" in page.locator("#lrd-code").inner_text()


def test_a_handle_that_is_dragged_moves_the_schedule_and_the_curve(page):
    name = peak(page)
    curve = page.locator(".curve.c0").first.get_attribute("d")
    x, y = middle(page, name)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 15, y + 40, steps=4)
    page.mouse.up()
    after, = state(page)["schedules"]
    assert 0.04 < after["start"] < 0.09
    assert after["warmup"] > 100
    assert page.locator(".curve.c0").first.get_attribute("d") != curve
    assert float(page.locator("#lrd-start").input_value()) == after["start"]
    assert str(after["start"]) in page.locator("#lrd-code").inner_text()
    # the handle went where the pointer went
    found = middle(page, name)
    assert abs(found[0] - x - 15) < 3


def test_a_handle_moves_by_keys_and_keeps_the_focus(page):
    name = peak(page)
    before = state(page)["schedules"]
    page.locator(f"[data-handle='{name}']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.handle") == name
    assert state(page)["schedules"] != before


def test_a_number_that_is_wrong_is_refused_and_named(page):
    field = page.locator("#lrd-start")
    field.fill("99")
    field.blur()
    assert "got 99" in page.locator(".said").inner_text()
    assert field.input_value() == "0.1"
    assert state(page)["schedules"][0]["start"] == 0.1


def test_curves_are_kept_compared_and_removed(page):
    page.get_by_role("button", name="Keep this curve").click()
    page.locator("#lrd-kind").select_option("Linear")
    kinds = [schedule["kind"] for schedule in state(page)["schedules"]]
    assert kinds == ["Linear", "Cosine"]
    assert page.locator("tbody").count() == 2
    page.get_by_role("button", name=re.compile("^Remove Cosine")).click()
    assert [schedule["kind"] for schedule in state(page)["schedules"]] == ["Linear"]


@pytest.mark.parametrize(("tab", "word"), [("lrlib", "lrlib"), ("PyTorch", "torch"),
                                           ("Keras", "keras"), ("optax", "optax")])
def test_the_code_that_is_shown_is_copied(page, tab, word):
    page.get_by_role("tab", name=tab).click()
    page.get_by_role("button", name="Copy the code").click()
    shown = page.locator("#lrd-code").inner_text()
    assert word in shown
    assert page.evaluate("navigator.clipboard.readText()").strip() == shown.strip()
    assert page.locator(".said").inner_text() == "The code is copied."


def test_an_address_that_is_wrong_is_named_and_the_example_shown(page):
    page.evaluate("location.hash = 'Cosine,start=11'")
    page.wait_for_function("document.querySelector('lr-designer .said').textContent")
    assert "got 11" in page.locator(".said").inner_text()
    assert page.locator(".curve.c0").count() >= 1


@pytest.mark.parametrize(("name", "scripts"), [
    ("using/designer", {"designer.js"}), ("principles/step_size", {"quadratic.js"}),
    ("principles/decay", set())])
def test_the_components_are_loaded_only_where_they_are(page, address, name, scripts):  # noqa: F811
    page.goto(f"{address}/chapters/{name}.html", wait_until="load")
    loaded = set(page.evaluate("[...document.scripts].map((s) => s.src.split('/').pop().split('?')[0])"))
    assert loaded & {"designer.js", "quadratic.js"} == scripts
