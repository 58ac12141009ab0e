"""Bring a Chromium onto this machine if there is none: by the package manager, or by playwright."""

import os
import shutil
import subprocess
import sys

from playwright.sync_api import Error

from tests.browser import browser


def say(text: str) -> None:
    """One line to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def works() -> bool:
    """Whether a browser starts."""
    try:
        with browser() as opened:
            page = opened.new_page()
            page.set_content("<p>here</p>")
            return page.inner_text("p") == "here"
    except Error:
        return False


def run(*command: str) -> bool:
    """Whether a command could be run to its end."""
    say(f"+ {' '.join(command)}")
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0


def install() -> None:
    """Try what there is, in turn."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if shutil.which("apt-get") and is_root:
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        run("apt-get", "update", "-qq")
        if run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium") and works():
            return
    run(sys.executable, "-m", "playwright", "install", "chromium")


if __name__ == "__main__":
    if not works():
        install()
        if not works():
            say("No Chromium to be had: the tests of the page are left out, and say so.")
