"""The dashboard in Debian's chromium: each page and each act, by mouse and keyboard, on a desk and on a phone."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from shop_project import CONFIG, PRICES, TICK
from watched_browser import ServedShop, Visit, installed_browser, served_shop

from cli_project import execute
from engines import Engine, settle, soon
from millpond.dashboard.acting.subject import entry_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

PLACES = [
    *("", "timeline", "timeline?kind=failures", "crons", "hosts"),
    *("confirm/tag?of=prices", "confirm/route?of=/items/[id]", "confirm/path?of=/items/1", "confirm/path?of=/none"),
    "crons/run?path=/tick&schedule=0+0+1+1+*&timezone=UTC",
]
FAILING = "dynamic = 'force-static'\n\n\ndef generate_static_params():\n    return []\n\n\n" + (
    'def GET(id: str):\n    raise RuntimeError("the supplier at https://ada:hunter2@supplier.example is away")\n'
)
CONTRAST = """\
() => {
  const channel = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parsed = (text) => {
    const numbers = text.match(/[\\d.e-]+/g).map(Number);
    const scale = text.startsWith("rgb") ? 255 : 1;
    return [numbers[0] / scale, numbers[1] / scale, numbers[2] / scale, numbers[3] ?? 1];
  };
  const over = (top, below) => [0, 1, 2].map((n) => top[n] * top[3] + below[n] * (1 - top[3])).concat(1);
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const colour = parsed(getComputedStyle(each).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [1, 1, 1, 1]);
  };
  const light = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest("svg, .hidden, option")) continue;
    const below = ground(element), text = over(parsed(getComputedStyle(element).color), below);
    const [a, b] = [light(text), light(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.tagName} ${element.textContent.slice(0, 40)}`);
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with installed_browser() as browser:
        if browser is None:
            pytest.skip("no browser is installed")
        yield browser


def built_shop(folder: Path, config: str = CONFIG) -> Path:
    """A project with a route that fails, built."""
    files = {
        "app/items/[id]/route.py": PRICES,
        "app/tick/route.py": TICK,
        "app/failing/[id]/route.py": FAILING,
        "millpond.toml": config,
        "price.txt": "10",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    built = execute("build", "--dir", str(folder), DASHBOARD_SECRET="x" * 32)
    assert built.code == 0, built.err
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedShop]:
    folder = built_shop(tmp_path_factory.mktemp("shop"))
    log = tmp_path_factory.mktemp("log") / "server.log"
    with served_shop(folder, log, dict(os.environ)) as shop:
        for path in ("/items/1", "/items/1", "/items/2", "/failing/1", "/tick"):
            shop.client.get(path)
        yield shop


@pytest.fixture
def visit(browser: Browser, shop: ServedShop) -> Iterator[Visit]:
    visit = Visit(browser, shop)
    visit.log_in()
    yield visit
    wrong = visit.wrong()
    visit.context.close()
    assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_on_every_page_can_be_read(browser: Browser, shop: ServedShop, scheme: str) -> None:
    visit = Visit(browser, shop, color_scheme=scheme)
    visit.log_in()
    try:
        for place in PLACES:
            assert visit.go(place).evaluate(CONTRAST) == [], place
        assert visit.wrong() == []
    finally:
        visit.context.close()


@pytest.mark.parametrize("width", [320, 390, 600, 960, 1440])
def test_nothing_scrolls_sideways(browser: Browser, shop: ServedShop, width: int) -> None:
    visit = Visit(browser, shop, viewport={"width": width, "height": 800})
    visit.log_in()
    try:
        for place in PLACES:
            visit.go(place)
            assert visit.widest() == "", place
    finally:
        visit.context.close()


def test_the_skip_link_is_first_and_leads_to_the_content(visit: Visit) -> None:
    page = visit.go("timeline")
    page.keyboard.press("Tab")
    assert visit.focused() == "To the content"
    page.keyboard.press("Enter")
    assert visit.focused() == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "route"


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(visit: Visit) -> None:
    page = visit.go("confirm/path?of=/items/1")
    order: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, pre[tabindex]")]
          .filter((each) => each.type !== "radio" || each.checked)
          .map((each) => (each.getAttribute("aria-label") || each.id || each.textContent || each.name || "").trim())"""
    )
    seen = []
    for _ in order:
        page.keyboard.press("Tab")
        seen.append(visit.focused())
    assert seen == order


def test_a_refresh_by_keyboard_alone_ends_at_the_content_of_the_timeline(visit: Visit, shop: ServedShop) -> None:
    (shop.folder / "price.txt").write_text("12")
    page = visit.go("confirm/tag?of=prices")
    page.get_by_label("Why, for the log").focus()
    page.keyboard.type("prices corrected")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("timeline"))
    assert page.get_by_role("status").inner_text().strip().startswith("Done.")
    assert "2 answers rendered · “prices corrected”" in page.locator(".timeline li").first.inner_text()
    assert shop.client.get("/items/1").json()["price"] == 12
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "route", "the focus begins at the content"


@pytest.mark.parametrize(
    ("how", "cache", "says"),
    [
        ("Invalidate softly", "STALE", "/items/1 invalidated softly (max)"),
        ("Invalidate hard", "MISS", "/items/1 invalidated hard"),
        ("Purge", "MISS", "Purged /items/1"),
    ],
)
def test_each_act_reaches_both_workers(visit: Visit, shop: ServedShop, how: str, cache: str, says: str) -> None:
    shop.client.get("/items/1")
    page = visit.go("confirm/path?of=/items/1")
    page.get_by_role("radio", name=how).check()
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(re.compile("timeline"))
    assert says in page.locator(".timeline li").first.inner_text()
    assert shop.client.get("/items/1").headers["x-nextjs-cache"] == cache


def test_what_was_typed_wrong_is_said_at_the_field(visit: Visit) -> None:
    page = visit.go("confirm/tag?of=prices")
    page.get_by_role("radio", name="Invalidate hard").check()
    page.get_by_label("To invalidate hard or purge, type prices").fill("price")
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(re.compile("again=no"))
    assert "nothing was done" in page.get_by_role("alert").inner_text()
    assert page.get_by_role("radio", name="Invalidate hard").is_checked()
    assert page.get_by_label("type prices").get_attribute("aria-invalid") == "true"


def test_an_entry_is_purged(visit: Visit, shop: ServedShop) -> None:
    shop.client.get("/items/2")
    key = "\0".join(("response", "app/items/[id]/route.py", "/items/2", ""))
    page = visit.go(f"confirm/entry?of={entry_id(key)}")
    page.get_by_role("radio", name="Purge").check()
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(re.compile("timeline"))
    assert shop.client.get("/items/2").headers["x-nextjs-cache"] == "MISS"


def test_a_cron_is_run_now(visit: Visit) -> None:
    page = visit.go("crons")
    page.get_by_role("link", name="Run now").click()
    page.get_by_role("button", name="Run it now").click()
    page.wait_for_url(re.compile("timeline"))
    assert "Ran the cron /tick by hand: ok, status 200" in page.locator(".timeline li").first.inner_text()
    assert "ok, 200" in visit.go("crons").locator("tbody").inner_text()


def test_the_timeline_is_filtered(visit: Visit) -> None:
    page = visit.go("timeline")
    page.get_by_label("What").select_option("failures")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url(re.compile("kind=failures"))
    text = page.locator("main").inner_text()
    assert "RuntimeError in /failing/[id]" in text
    assert "app/failing/[id]/route.py:9" in text
    assert "hunter2" not in page.content()


def test_without_javascript_everything_is_there(browser: Browser, shop: ServedShop) -> None:
    visit = Visit(browser, shop, java_script_enabled=False)
    visit.log_in()
    try:
        page = visit.go("confirm/path?of=/items/1")
        page.get_by_role("button", name="Confirm").click()
        page.wait_for_url(re.compile("timeline"))
        assert "Refreshed /items/1" in page.locator("main").inner_text()
    finally:
        visit.context.close()


def test_what_happens_arrives_while_somebody_looks(visit: Visit, shop: ServedShop) -> None:
    page = visit.go()
    before = page.locator("#updated").inner_text()
    page.wait_for_function("(before) => document.getElementById('updated').innerText !== before", arg=before)
    shop.client.get("/failing/2")
    page.wait_for_function("document.getElementById('alerts').innerText.includes('RuntimeError')")


def test_a_part_that_is_in_use_is_left_alone(visit: Visit) -> None:
    page = visit.go()
    page.locator("#requests summary").click()
    before = page.locator("#updated").inner_text()
    page.wait_for_function("(before) => document.getElementById('updated').innerText !== before", arg=before)
    assert page.locator("#requests details").get_attribute("open") is not None


def test_a_stream_that_breaks_is_said_after_a_while(browser: Browser, shop: ServedShop) -> None:
    visit = Visit(browser, shop)
    visit.log_in()
    try:
        visit.page.clock.install()
        visit.context.route("**/_millpond/live*", lambda route: route.abort())
        page = visit.go()
        page.wait_for_function("window.EventSource !== undefined")
        page.wait_for_timeout(300)
        page.clock.run_for(11_000)
        page.wait_for_function("document.getElementById('updated').innerText.startsWith('not live since ')")
        assert page.locator("#updated").get_attribute("class") == "status error"
    finally:
        visit.context.close()


def test_logging_out_ends_the_session(browser: Browser, shop: ServedShop) -> None:
    visit = Visit(browser, shop)
    visit.log_in()
    try:
        visit.page.get_by_role("button", name="Log out").click()
        visit.page.wait_for_url(re.compile("login"))
        visit.page.goto(f"{shop.address}/_millpond/timeline")
        assert visit.page.url.endswith("/login")
    finally:
        visit.context.close()


def test_with_a_shared_store_each_worker_is_a_process_of_it_and_sees_what_is_done(
    browser: Browser, tmp_path: Path
) -> None:
    with Engine() as engine:
        settle(engine.client(), "shop")
        config = f'[cache]\nstore = "{engine.url}"\nprefix = "shop"\n{CONFIG}'
        folder = built_shop(tmp_path / "shop", config)
        with served_shop(folder, tmp_path / "server.log", dict(os.environ)) as shop:
            visit = Visit(browser, shop)
            visit.log_in()
            page = visit.page
            assert soon(lambda: "2 processes share the store" in visit.go("hosts").locator("main").inner_text())
            assert (visit.widest(), page.evaluate(CONTRAST)) == ("", [])
            (folder / "price.txt").write_text("15")
            page = visit.go("confirm/tag?of=prices")
            page.get_by_role("button", name="Confirm").click()
            page.wait_for_url(re.compile("timeline"))
            assert {shop.client.get("/items/1").json()["price"] for _ in range(8)} == {15}
            assert visit.wrong() == []
            visit.context.close()
