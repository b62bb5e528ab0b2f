"""The example shop's metadata files: read back with parsers, and looked at in a browser where one is installed."""

from __future__ import annotations

import io
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import PIL.Image
import pytest
from example_shop import TOKEN, RunningShop, cache_of, is_stored, running_shop
from lxml import etree  # type: ignore[import-untyped]
from playwright.sync_api import sync_playwright
from protego import Protego

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2
    from playwright.sync_api import Browser, Page

SITE = "https://shop.example"
SCHEMA = Path(__file__).parents[1] / "metadata" / "schema" / "sitemap.xsd"
LOC = "{http://www.sitemaps.org/schemas/sitemap/0.9}loc"
NAMES = {
    "long-name": "Height-adjustable standing desk in smoked oak with two drawers and a cable tray underneath",
    "too-long-name": "A lamp with a long, long, really long and winding name " * 4,
    "long-word": "Donaudampfschifffahrtsgesellschaftskapitänsmützenständer",
    "wide-word": "W" * 40,
    "cyrillic": "Деревянный стул ручной работы",
    "greek": "Καρέκλα από ξύλο βελανιδιάς",
    "tokyo": "オーク材の椅子と松の机と真鍮のランプ" * 4,
}
"""Products that the tests add: names that are hard to fit on a card."""
FEATURED = ["oak-chair", "paper-lamp", "pine-desk"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--no-sandbox", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningShop]:
    env = {"SHOP_ADMIN_TOKEN": TOKEN, "SHOP_URL": f"{SITE}/"}
    with running_shop(tmp_path_factory.mktemp("metadata_shop"), env) as running:
        with sqlite3.connect(running.database) as database:
            rows = [(slug, name, "desks", 134_900, 0, 0) for slug, name in NAMES.items()]
            database.executemany("INSERT INTO product VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.close()
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, shop: RunningShop) -> Iterator[Page]:
    """A product's page; what the page's tags say of SITE is the shop that runs here."""
    page = browser.new_page(base_url=str(shop.client.base_url))
    page.goto("/products/oak-chair")
    yield page
    page.close()


def picture(answer: httpx2.Response) -> PIL.Image.Image:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    return PIL.Image.open(io.BytesIO(answer.content)).convert("RGB")


def darkest(card: PIL.Image.Image) -> int:
    """Of 255; the least that any pixel has of any colour."""
    return min(min(band.tobytes()) for band in card.split())


@pytest.mark.parametrize(
    "path",
    [
        *("/favicon.ico", "/icon.svg", "/icon/192", "/icon/512", "/apple-icon", "/opengraph-image", "/robots.txt"),
        *("/manifest.webmanifest", "/sitemap.xml", "/products/sitemap/0.xml", "/products/sitemap/1.xml"),
        *(f"/products/{slug}/{kind}-image" for slug in FEATURED for kind in ("opengraph", "twitter")),
    ],
)
def test_a_metadata_file_is_rendered_at_build_and_revalidated_by_its_etag(shop: RunningShop, path: str) -> None:
    answer = shop.client.get(path)
    assert (answer.status_code, is_stored(answer)) == (200, True)
    assert answer.headers["cache-control"] == "public, max-age=0, must-revalidate"
    again = shop.client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_robots_leads_to_every_sitemap_and_those_to_every_product(shop: RunningShop) -> None:
    robots = Protego.parse(shop.client.get("/robots.txt").text)
    assert robots.can_fetch(f"{SITE}/products/oak-chair", "any")
    assert not robots.can_fetch(f"{SITE}/api/products/oak-chair", "any")
    schema = etree.XMLSchema(file=str(SCHEMA))
    found = []
    for url in robots.sitemaps:
        tree = etree.fromstring(shop.client.get(urlsplit(url).path).content)
        schema.assertValid(tree)
        found += [loc.text for loc in tree.iter(LOC)]
    products = ["ash-stool", "brass-lamp", "oak-chair", "paper-lamp", "pine-desk", "walnut-desk"]
    assert found == [f"{SITE}/", *(f"{SITE}/products/{slug}" for slug in products)]
    assert {shop.client.get(urlsplit(url).path).status_code for url in found} == {200}


def test_a_part_that_the_sitemap_does_not_have_is_404(shop: RunningShop) -> None:
    assert shop.client.get("/products/sitemap/99.xml").status_code == 404


def test_a_changed_price_draws_the_card_again_and_no_other(shop: RunningShop) -> None:
    def cards(slug: str) -> list[httpx2.Response]:
        return [shop.client.get(f"/products/{slug}/{kind}-image") for kind in ("opengraph", "twitter")]

    before, others = cards("pine-desk"), cards("paper-lamp")
    assert shop.set_price("pine-desk", 35_900).status_code == 200
    after = cards("pine-desk")
    assert [cache_of(answer) for answer in after] == ["MISS", "MISS"]
    assert all(new.content != old.content for new, old in zip(after, before, strict=True))
    assert [(is_stored(new), new.headers["etag"]) for new in cards("paper-lamp")] == [
        (True, old.headers["etag"]) for old in others
    ]
    shop.set_price("pine-desk", 34_900)
    again = cards("pine-desk")
    assert [answer.content for answer in again] == [answer.content for answer in before]
    assert [answer.headers["etag"] for answer in again] == [answer.headers["etag"] for answer in before]


def test_a_card_of_what_is_not_sold_is_404(shop: RunningShop) -> None:
    assert shop.client.get("/products/no-such-thing/opengraph-image").status_code == 404


@pytest.mark.parametrize("kind", ["opengraph", "twitter"])
@pytest.mark.parametrize("slug", [*NAMES, "oak-chair"])
def test_no_name_runs_into_the_edge_of_its_card(shop: RunningShop, slug: str, kind: str) -> None:
    card = picture(shop.client.get(f"/products/{slug}/{kind}-image"))
    width, height = card.size
    assert (width, height) == (1200, {"opengraph": 630, "twitter": 600}[kind])
    margin = 40
    edges = [(0, 0, width, margin), (0, 0, margin, height)]
    edges += [(0, height - margin, width, height), (width - margin, 0, width, height)]
    assert min(darkest(card.crop(edge)) for edge in edges) > 210  # the ground, and the pale rings on it
    assert darkest(card) < 60


def test_every_link_and_image_of_a_page_s_head_answers(shop: RunningShop) -> None:
    head = etree.HTML(shop.client.get("/products/oak-chair").text)
    links = [str(url) for url in head.xpath("//link/@href")]
    images = [str(url) for url in head.xpath("//meta[@property='og:image' or @name='twitter:image']/@content")]
    assert images == [f"{SITE}/products/oak-chair/{kind}-image" for kind in ("opengraph", "twitter")]
    assert len(links) == 6
    answers = [shop.client.get(urlsplit(url).path) for url in links + images]
    assert {answer.status_code for answer in answers} == {200}


def test_a_browser_takes_the_manifest(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert urlsplit(manifest["url"]).path == "/manifest.webmanifest"
    assert manifest["manifest"]["name"] == "The Millpond shop"
    problems = [each["errorId"] for each in session.send("Page.getInstallabilityErrors")["installabilityErrors"]]
    assert set(problems) <= {"in-incognito"}  # as every page of a test is


def test_a_browser_shows_the_icons_in_the_size_that_they_are_said_to_have(page: Page) -> None:
    icons = page.eval_on_selector_all(
        "link[rel~=icon], link[rel=apple-touch-icon]", "links => links.map(link => [link.href, link.sizes.value])"
    )
    assert [urlsplit(href).path for href, _ in icons] == [
        *("/favicon.ico", "/icon/192", "/icon/512", "/icon.svg", "/apple-icon")
    ]
    for href, sizes in icons:
        width, height = natural_size(page, href)
        assert width > 0
        assert sizes in ("any", f"{width}x{height}")


def test_a_browser_shows_the_card_on_the_page_and_in_the_size_that_networks_are_told(page: Page) -> None:
    card = page.locator("img")
    assert card.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])") == [1200, 630]
    shown = PIL.Image.open(io.BytesIO(card.screenshot())).convert("RGB")
    assert len(shown.getcolors(1 << 20) or ()) > 100  # letters and rings, and not a broken picture's frame
    for name, attribute in (("og:image", "property"), ("twitter:image", "name")):
        said = [page.get_attribute(f"meta[{attribute}='{name}{end}']", "content") for end in ("", ":width", ":height")]
        size = natural_size(page, urlsplit(str(said[0])).path)
        assert [str(side) for side in size] == said[1:]


def natural_size(page: Page, url: str) -> list[int]:
    """What the browser makes of a picture; an error when it can't be shown."""
    load = """async url => {
        const image = new Image(); image.src = url; await image.decode();
        return [image.naturalWidth, image.naturalHeight];
    }"""
    size: Any = page.evaluate(load, url)
    return list(size)
