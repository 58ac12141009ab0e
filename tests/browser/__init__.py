"""A real, headless Chromium for the pages: where it is found, how it is started, how it gets onto a machine."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# No look-ups of its own: a page that needs the network has to be seen to.
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
)


def found() -> str | None:
    """The browser of the machine; one that was named in BROWSER_PATH comes first."""
    named = os.environ.get("BROWSER_PATH")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def start(playwright: Playwright) -> Browser:
    """A browser without a window: that of the machine, or the one that playwright installed.

    Raises:
        Error: there is none.
    """
    # As root Chromium starts without its own sandbox only; the pages are ours.
    sandbox = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    own = playwright.chromium.executable_path
    path = found() or (own if Path(own).exists() else None)
    if path is None:
        raise Error("no Chromium on this machine: `make browser` installs one")
    return playwright.chromium.launch(executable_path=path, args=[*QUIET, *sandbox])


@contextmanager
def browser() -> Iterator[Browser]:
    """One browser for some pages."""
    with sync_playwright() as playwright:
        opened = start(playwright)
        try:
            yield opened
        finally:
            opened.close()
