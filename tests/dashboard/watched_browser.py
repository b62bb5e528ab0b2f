"""A browser that tells what a page did wrong, and a shop behind TLS that two workers serve."""

from __future__ import annotations

import shutil
import ssl
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import trustme
from playwright.sync_api import sync_playwright
from shop_project import SECRET

from started_server import free_port, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--no-sandbox", "--disable-component-update", "--disable-sync"]
VIOLATIONS = """\
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


@contextmanager
def installed_browser() -> Iterator[Browser | None]:
    """The browser of this machine; None: it has none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()


class ServedShop:
    """`millpond start` with two workers, and HTTPS."""

    def __init__(self, folder: Path, address: str, context: ssl.SSLContext) -> None:
        self.folder, self.address = folder, address
        self.client = httpx2.Client(base_url=address, verify=context, trust_env=False)


@contextmanager
def served_shop(folder: Path, log: Path, environment: dict[str, str]) -> Iterator[ServedShop]:
    """Serve a project that has been built."""
    authority = trustme.CA()
    papers = authority.issue_cert("127.0.0.1")
    certificate = log.with_name("both.pem")
    papers.private_key_and_cert_chain_pem.write_to_path(certificate)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    port = free_port()
    command = [sys.executable, "-m", "millpond", "start", "--workers", "2", "--dir", str(folder), "--port", str(port)]
    command += ["--ssl-certfile", str(certificate)]
    with started(command, port, log, env={**environment, "DASHBOARD_SECRET": SECRET}):
        shop = ServedShop(folder, f"https://127.0.0.1:{port}", context)
        with shop.client:
            yield shop


class Visit:
    """Somebody who looks at the dashboard, with an eye on what the browser complains about."""

    def __init__(self, browser: Browser, shop: ServedShop, **options: Any) -> None:
        self._address = f"{shop.address}/_millpond"
        self.context: BrowserContext = browser.new_context(ignore_https_errors=True, **options)
        self.context.add_init_script(VIOLATIONS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def go(self, path: str = "") -> Page:
        """Open a page of the dashboard."""
        answer = self.page.goto(f"{self._address}/{path}".rstrip("/"))
        assert answer is not None
        assert answer.status == 200, (path, answer.status)
        return self.page

    def log_in(self, name: str = "ops") -> None:
        """Fill in the form."""
        page = self.go("login")
        page.get_by_label("Your name").fill(name)
        page.get_by_label("Secret").fill(SECRET)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(self._address)

    def wrong(self) -> list[str]:
        """What the browser has complained about so far, and what the page's policy has forbidden."""
        violations: list[str] = self.page.evaluate("window.violations")
        return [*self.complaints, *violations]

    def widest(self) -> str:
        """What stands out of the window sideways; empty: nothing does."""
        found: str = self.page.evaluate(
            """() => {
              const most = document.documentElement.clientWidth;
              if (document.documentElement.scrollWidth <= most) return "";
              const out = [...document.querySelectorAll("body *")].filter((each) =>
                each.getBoundingClientRect().right > most + 1 && !each.closest("pre"));
              return out.slice(0, 3).map((each) => each.outerHTML.slice(0, 120)).join(" | ") || "something";
            }"""
        )
        return found

    def focused(self) -> str:
        """What has the focus: its text or its name."""
        found: str = self.page.evaluate(
            """() => { const each = document.activeElement;
              return (each.getAttribute("aria-label") || each.id || each.textContent || each.name || "").trim(); }"""
        )
        return found
