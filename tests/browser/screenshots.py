"""Takes the pictures of the README from a running demo: `python -m tests.browser.screenshots`."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import httpx
from playwright.sync_api import Page, sync_playwright

from service.embedded import free_port

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "images"
READY_S: Final = 90
PICTURES: Final = {
    "wallboard.png": "?theme=dark",
    "wallboard-zh.png": "?theme=light&lang=zh",
    "agents.png": "?theme=light&view=agents",
    "tv.png": "?theme=dark&tv=1",
}
"""File -> what the page is asked for."""


def take(page: Page, address: str) -> None:
    """Every picture, once the page shows queues and their day."""
    FOLDER.mkdir(exist_ok=True)
    for name, query in PICTURES.items():
        page.goto(address + query)
        page.locator(".spark .day, tr[data-agent]").first.wait_for(state="attached", timeout=60_000)
        page.wait_for_timeout(1_500)
        page.screenshot(path=FOLDER / name)
        sys.stdout.write(f"{FOLDER / name}\n")


def main() -> None:
    """Run the demo for the pictures alone."""
    port = free_port()
    command = [sys.executable, "-m", "service.main", "demo", "--port", str(port)]
    demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        transport = httpx.HTTPTransport(retries=READY_S)
        with httpx.Client(transport=transport, timeout=READY_S) as client, sync_playwright() as playwright:
            while client.get(f"http://127.0.0.1:{port}/readyz").status_code != 200 and demo.poll() is None:
                demo_ended(demo)
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            take(browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB"), f"http://127.0.0.1:{port}/")
            browser.close()
    finally:
        demo.terminate()
        demo.wait(30)


def demo_ended(demo: subprocess.Popen[bytes], within_s: float = 0.5) -> None:
    """Give the demo a moment."""
    try:
        demo.wait(within_s)
    except subprocess.TimeoutExpired:
        return


if __name__ == "__main__":
    main()
