"""Takes the pictures of the README from a running demo: `python -m tests.browser.screenshots`."""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
from playwright.sync_api import Page, sync_playwright

from service.embedded import dying_with_parent, free_port
from tests.browser.conftest import CHROMIUM

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "images"
READY_S: Final = 90
WINDOW, TV = (1280, 800), (1920, 1080)
PICTURES: Final = {
    "wallboard.png": ("?theme=dark", WINDOW),
    "wallboard-zh.png": ("?theme=light&lang=zh", WINDOW),
    "agents.png": ("?theme=light&view=agents", WINDOW),
    "tv.png": ("?theme=dark&tv=1", TV),
}
"""File -> what the page is asked for, and on which screen."""


def take(page: Page, address: str) -> None:
    """Every picture, once the page shows queues and their day."""
    FOLDER.mkdir(exist_ok=True)
    for name, (query, (width, height)) in PICTURES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.goto(address + query)
        page.locator(".spark .day, tr[data-agent]").first.wait_for(state="attached", timeout=60_000)
        page.wait_for_timeout(1_500)
        page.screenshot(path=FOLDER / name)
        sys.stdout.write(f"{FOLDER / name}\n")


def main() -> None:
    """Run the demo for the pictures alone."""
    if CHROMIUM is None:
        sys.exit("chromium is not installed (Debian: apt-get install chromium)")
    if not subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=True).stdout:
        sys.exit("no font here has Chinese characters (Debian: apt-get install fonts-noto-cjk)")
    port = free_port()
    command = [sys.executable, "-m", "service.main", "demo", "--port", str(port)]
    demo = subprocess.Popen(dying_with_parent(command), cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        until_ready(demo, f"http://127.0.0.1:{port}/readyz")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            take(browser.new_page(locale="en-GB"), f"http://127.0.0.1:{port}/")
            browser.close()
    finally:
        demo.terminate()
        demo.wait(30)


def until_ready(demo: subprocess.Popen[bytes], address: str) -> None:
    """Wait until the demo answers there; exit with a sentence if it ends, or is not ready in time."""
    deadline = time.monotonic() + READY_S
    while not ready(address):
        if time.monotonic() > deadline:
            sys.exit(f"the demo is not ready after {READY_S} s")
        with suppress(subprocess.TimeoutExpired):
            sys.exit(f"the demo ended with {demo.wait(0.5)}")


def ready(address: str) -> bool:
    """Whether the demo says so."""
    try:
        return httpx.get(address, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main()
