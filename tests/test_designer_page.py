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


# what has nothing to do with the width is tried at one
desk = pytest.mark.parametrize("page", ["desk"], indirect=True)


def state(page):
    return page.evaluate("document.querySelector('lr-designer').state")


def written(page):
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
    after, = written(page)["schedules"]
    assert 0.04 < after["start"] < 0.09
    assert after["warmup"] > 100
    assert page.locator(".curve.c0").first.get_attribute("d") != curve
    assert float(page.locator("#lrd-start").input_value()) == after["start"]
    assert str(after["start"]) in page.locator("#lrd-code").inner_text()
    # the handle went where the pointer went
    found = middle(page, name)
    assert abs(found[0] - x - 15) < 3


@desk
def test_a_handle_moves_by_keys_and_keeps_the_focus(page):
    name = peak(page)
    before = state(page)["schedules"]
    page.locator(f"[data-handle='{name}']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.handle") == name
    assert state(page)["schedules"] != before


@pytest.mark.parametrize(("key", "update"), [("Home", 0), ("End", 800)])
@desk
def test_home_and_end_move_a_handle_to_the_ends_of_the_run(page, key, update):
    show(page, "Constant,warmup=100&run=800")
    page.locator("[data-handle='rate']").focus()
    page.keyboard.press(key)
    assert state(page)["schedules"][0]["warmup"] == update


@desk
def test_the_right_button_drags_nothing(page):
    before = state(page)
    page.mouse.move(*middle(page, "end"))
    page.mouse.down(button="right")
    page.mouse.move(100, 100)
    page.mouse.up(button="right")
    assert state(page) == before


@desk
def test_a_drag_past_other_numbers_and_back_leaves_no_trace(page):
    show(page, "Linear,steps=700,warmup=100&run=800")
    x, y = middle(page, "start")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 150, y, steps=3)
    page.mouse.move(x, y, steps=3)
    page.mouse.up()
    after, = state(page)["schedules"]
    assert js("length", after) == 800
    assert abs(after["warmup"] - 100) <= 5


# Numbers that are typed --------------------------------------------------------------------------

def show(page, hash):
    page.evaluate("hash => { location.hash = hash }", hash)
    page.wait_for_function("kind => document.querySelector('#lrd-kind').value === kind",
                           arg=hash.split(",")[0].split("&")[0])


def retype(page, field, text):
    page.locator(f"#lrd-{field}").select_text()
    page.keyboard.type(text)


@pytest.mark.parametrize(("hash", "field", "typed", "name"), [
    ("Cosine", "run", "2000000", "Updates of the run"), ("Cosine", "run", "7820.5", "Updates"),
    ("Cosine", "run", "", "Updates"), ("Cosine", "start", "1e-8", "Start"),
    ("Cosine", "start", "20", "Start"), ("multi_step,milestones=50:75", "milestones-0", "80",
                                         "Milestone 1 must be a whole number from 1 to 74, got 80")])
@desk
def test_a_number_that_is_refused_leaves_nothing_behind(page, hash, field, typed, name):
    show(page, hash)
    before, control = state(page), page.locator(f"#lrd-{field}")
    shown = control.input_value()
    retype(page, field, typed or "5")
    if not typed:
        page.keyboard.press("Backspace")
    assert control.get_attribute("aria-invalid") == "true"
    page.keyboard.press("Tab")
    assert state(page) == before
    assert control.input_value() == shown
    assert control.get_attribute("aria-invalid") == "false"
    said = page.locator(f"#{control.get_attribute('aria-describedby')}")
    assert name in said.inner_text()
    assert said.is_visible()
    field_box, said_box = control.bounding_box(), said.bounding_box()
    assert 0 < said_box["y"] - field_box["y"] < 150
    page.get_by_role("tab", name="Keras").click()
    assert page.locator(".refused").count() == 0
    assert control.get_attribute("aria-describedby") is None


@desk
def test_a_refused_number_gives_way_to_the_last_that_was_entered(page):
    retype(page, "start", "0.3")
    page.keyboard.press("Enter")
    retype(page, "start", "30")
    page.keyboard.press("Enter")
    assert state(page)["schedules"][0]["start"] == 0.3


@desk
def test_no_digit_on_the_way_leaves_a_trace(page):
    show(page, "Cosine&run=1000")
    page.locator("#lrd-steps").fill("1000")
    retype(page, "warmup", "500")
    page.keyboard.press("Tab")
    after, = state(page)["schedules"]
    assert after["warmup"] == 500
    assert js("length", after) == 1_000
    retype(page, "run", "2000")                             # by way of 20, less than the warm-up
    page.keyboard.press("Tab")
    after = state(page)
    assert after["run"] == 2_000
    assert after["schedules"][0]["warmup"] == 500
    assert js("length", after["schedules"][0]) == 2_000


@desk
def test_the_run_by_arrow_keys_stretches_from_where_it_began(page):
    show(page, "Step,every=25&run=100")
    page.locator("#lrd-run").focus()
    for _ in range(8):
        page.keyboard.press("ArrowUp")
    assert state(page)["run"] == 108
    assert state(page)["schedules"][0]["every"] == 27


@desk
def test_two_sliders_in_turn_keep_what_each_has_set(page):
    for name in ("start", "steps"):
        page.locator(f"[type=range][data-field={name}]").focus()
        page.keyboard.press("ArrowLeft")
    after, = state(page)["schedules"]
    assert after["start"] < 0.1
    assert after["steps"] < 800


def test_the_updates_of_epochs_are_counted(page):
    page.locator("summary", has_text="Count them from epochs").click()
    for label, number in (("Epochs", "20"), ("Examples", "50000"), ("Batch size", "128")):
        page.get_by_label(label).click()
        page.keyboard.type(number)
    assert page.locator("#lrd-run").input_value() == "7820"
    assert state(page)["run"] == 7_820
    page.get_by_label("Epochs").fill("20000")
    page.keyboard.press("Tab")
    assert "Updates of the run must be" in page.locator(".refused").inner_text()
    assert state(page)["run"] == 7_820


# The chart and the curves ------------------------------------------------------------------------

def test_a_schedule_that_outlasts_the_run_is_named_and_the_run_set_to_it(page):
    show(page, "Linear,steps=7820&run=100")
    assert "ends at update 7820, the run at 100" in page.locator(".beyond").inner_text()
    assert page.locator("[data-handle]").evaluate_all("all => all.map((a) => a.dataset.handle)") == ["start"]
    page.get_by_role("button", name="Set the run to 7820").click()
    after = state(page)
    assert after["run"] == 7_820
    assert after["schedules"][0]["steps"] == 7_820
    assert not page.locator(".beyond").is_visible()
    assert page.locator("[data-handle=end]").count() == 1


def test_curves_are_kept_compared_edited_and_removed(page):
    page.get_by_role("button", name="Keep this curve").click()
    page.locator("#lrd-kind").select_option("Linear")
    kinds = [schedule["kind"] for schedule in state(page)["schedules"]]
    assert kinds == ["Linear", "Cosine"]
    assert page.locator("tbody").count() == 2
    retype(page, "start", "0.3")
    page.get_by_role("button", name=re.compile("^Edit Cosine")).click()      # at once
    assert [schedule["start"] for schedule in state(page)["schedules"]] == [0.1, 0.3]
    assert page.locator("#lrd-kind").input_value() == "Cosine"
    assert page.evaluate("document.activeElement.ariaLabel").startswith("Edit Linear")
    assert page.locator(".handles").get_by_role("slider").count() >= 2
    page.get_by_role("button", name=re.compile("^Remove Linear")).click()
    assert [schedule["kind"] for schedule in state(page)["schedules"]] == ["Cosine"]


@desk
def test_a_title_with_quotes_is_whole(page):
    show(page, "wsd&wsd")
    assert page.get_by_role("button", name='shape="1-sqrt", end=0.0)').count() == 2


@desk
def test_a_place_on_the_page_is_found_and_the_state_stays_in_the_address(page):
    before = state(page)
    page.evaluate("document.querySelector('a[href=\"#link-to-a-schedule\"]').click()")
    assert written(page) == before                             # reads the address
    top = page.locator("#link-to-a-schedule").evaluate("one => one.getBoundingClientRect().top")
    assert 0 <= top < 800
    page.evaluate("location.hash = ''")
    assert written(page) == before
    page.reload()
    assert page.locator("#lrd-start").input_value() == "0.1"
    assert page.locator("#lrd-steps").input_value() == "800"


@desk
def test_a_page_that_opens_at_a_place_stays_there(page, address):  # noqa: F811
    page.goto("about:blank")
    page.goto(f"{address}/chapters/using/designer.html#link-to-a-schedule", wait_until="load")
    page.wait_for_timeout(400)
    top = page.locator("#link-to-a-schedule").evaluate("one => one.getBoundingClientRect().top")
    assert 0 <= top < 800
    assert page.locator(".said").inner_text() == ""


@pytest.mark.parametrize(("tab", "word"), [("lrlib", "lrlib"), ("PyTorch", "torch"),
                                           ("Keras", "keras"), ("optax", "optax")])
def test_the_code_that_is_shown_is_copied(page, tab, word):
    page.get_by_role("tab", name=tab).click()
    page.get_by_role("button", name="Copy the code").click()
    shown = page.locator("#lrd-code").inner_text()
    assert word in shown
    assert page.evaluate("navigator.clipboard.readText()").strip() == shown.strip()
    assert page.locator("[data-do=copy]").inner_text() == "Copied"
    assert page.locator(".said").inner_text() == "Copied"


@desk
def test_the_button_says_again_what_it_does(page):
    page.get_by_role("button", name="Copy the code").click()
    page.get_by_role("button", name="Copied").wait_for()
    page.get_by_role("button", name="Copy the code").wait_for(timeout=4_000)


@desk
def test_the_tabs_are_reached_by_keys(page):
    page.get_by_role("tab", name="lrlib").focus()
    for key, name in (("End", "optax"), ("ArrowRight", "lrlib"), ("ArrowLeft", "optax"),
                      ("Home", "lrlib")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.textContent") == name
        assert page.locator("[role=tab][aria-selected=true]").inner_text() == name


def test_without_javascript_only_what_can_be_done_is_said(browser, address):  # noqa: F811
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{address}/chapters/using/designer.html", wait_until="load")
        assert page.locator("noscript p").first.is_visible()
        assert not page.get_by_text("The quickest way").is_visible()


@desk
def test_an_address_that_is_wrong_is_named_and_the_example_shown(page):
    page.evaluate("location.hash = 'Cosine,start=11'")
    page.wait_for_function("document.querySelector('lr-designer .said').textContent")
    assert "got 11" in page.locator(".said").inner_text()
    assert page.locator(".curve.c0").count() >= 1
    page.wait_for_timeout(400)
    assert page.url.endswith("#Cosine,start=11")             # to be repaired


@pytest.mark.parametrize(("name", "scripts"), [
    ("using/designer", {"designer.js"}), ("principles/step_size", {"quadratic.js"}),
    ("principles/decay", set())])
def test_the_components_are_loaded_only_where_they_are(page, address, name, scripts):  # noqa: F811
    page.goto(f"{address}/chapters/{name}.html", wait_until="load")
    loaded = set(page.evaluate("[...document.scripts].map((s) => s.src.split('/').pop().split('?')[0])"))
    assert loaded & {"designer.js", "quadratic.js"} == scripts
