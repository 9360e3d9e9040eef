"""The pictures of the README: a surprise map, the losses of two runs, and the page to write in.

    python benchmarks/pictures.py

Trains a model of the fables for a minute, and one with more dropout; renders the page of `charrnn
score` and the one of `charrnn serve` with Chromium, if it and Playwright are installed. Writes
docs/images/surprise.png, losses.svg and page.png.
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe
from server import serving

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
LINES = 12  # of the held-out text on the map
SIZE = "760,418"  # pixels, before doubling
PAGE_SIZE = {"width": 1140, "height": 640}
# What the map shows: the end of the fables, with two mistakes.
MISTAKES = (("the", "tne"), ("said", "sajd"))


def main() -> None:
    print(describe())
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        charrnn(home, "train", "--example", "fables", "--minutes", "1", "--name", "fables")
        charrnn(home, "train", "--example", "fables", "--minutes", "1", "--name", "dropout-0.5", "--dropout", "0.5")  # fmt: skip
        charrnn(home, "plot", "fables", "dropout-0.5", "--output", str(IMAGES / "losses.svg"))
        text = (ROOT / "corpora" / "fables.txt").read_text(encoding="utf-8")
        lines = "\n".join(text.rstrip().split("\n")[-LINES:]) + "\n"
        for right, wrong in MISTAKES:
            lines = lines.replace(f" {right} ", f" {wrong} ", 1)
        (home / "new.txt").write_text(lines, encoding="utf-8")
        print(charrnn(home, "score", "fables", "new.txt", "--html", "new.html", "--places", "5"))
        picture(home / "new.html", IMAGES / "surprise.png")
        page_to_write_in(home, IMAGES / "page.png")


def charrnn(home: Path, *words: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-m", "charrnn", *words],
        cwd=home, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    return finished.stdout


def picture(page: Path, path: Path) -> None:
    """Show a page in Chromium, and save what it shows."""
    browser = shutil.which("chromium")
    if browser is None:
        print(f"{path} was not written: Chromium is not installed")
        return
    subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--disable-background-networking", f"--user-data-dir={page.parent / 'profile'}",
            "--force-device-scale-factor=2", f"--window-size={SIZE}", f"--screenshot={path}",
            page.as_uri(),
        ],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    print(f"wrote {path}")


def page_to_write_in(home: Path, path: Path) -> None:
    """Write with a model in Chromium, and save what the page shows."""
    browser = shutil.which("chromium")
    if browser is None or importlib.util.find_spec("playwright") is None:
        print(f"{path} was not written: Chromium and Playwright are needed")
        return
    from playwright.sync_api import sync_playwright

    with serving("fables", home) as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport=PAGE_SIZE, device_scale_factor=2)
        page.goto(url)
        page.wait_for_selector("#words button")
        page.fill("#temperature", "0.5")
        page.select_option("#until", "sentence")
        page.locator("#text").press_sequentially("The miller's cat sat by the door. ")
        for seed in (4, 5):
            page.fill("#seed", str(seed))
            page.press("#text", "Control+Enter")
            page.wait_for_timeout(1000)
        page.locator("#text").press_sequentially(' "I have ')
        page.wait_for_selector("#phrases button")
        page.wait_for_timeout(1000)
        page.evaluate("scrollTo(0, 0); document.querySelector('aside').scrollTo(0, 0)")
        page.screenshot(path=path)
        chromium.close()
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
