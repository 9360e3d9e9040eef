"""What a keystroke takes on the page to write in, in Chromium.

    python benchmarks/keystrokes.py RUN TEXT

Types a part of TEXT into the page, at an even pace, after nothing and after 1,000 and 20,000
characters of it. For each key: the time until the character is drawn, and until the likely next words
for it are drawn. Needs Chromium and Playwright.
"""

import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

from machine import describe
from playwright.sync_api import sync_playwright
from server import serving

import charrnn

BEFORE = (0, 1_000, 20_000)  # characters
KEYS = 100
PACE = 120  # ms between two keys
# Both times end with the frame after the change: what a person sees.
WATCH = """() => {
    window.times = { character: [], words: [] };
    let pressed = 0;
    document.querySelector('#text').addEventListener('keydown', () => { pressed = performance.now(); }, true);
    const note = (name) => {
        const from = pressed;
        requestAnimationFrame(() => setTimeout(() => window.times[name].push(performance.now() - from)));
    };
    new MutationObserver(() => note('words')).observe(document.querySelector('#words'), { childList: true });
    document.querySelector('#text').addEventListener('input', () => note('character'));
}"""


def main() -> None:
    run, file = sys.argv[1:]
    text = Path(file).read_text(encoding="utf-8")
    print(describe())
    print(charrnn.load(run))
    with serving(run) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for before in BEFORE:
            measure(browser, url, text, before)
        browser.close()


def measure(browser: Any, url: str, text: str, before: int) -> None:
    """Print the times of keys after some characters."""
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#words button")
    if before:
        page.keyboard.insert_text(text[:before])
        page.wait_for_timeout(5000)
    page.evaluate(WATCH)
    page.locator("#text").press_sequentially(text[before : before + KEYS], delay=PACE)
    page.wait_for_timeout(500)
    times = page.evaluate("window.times")
    shown = []
    for name, values in times.items():
        ordered = sorted(values)
        late = ordered[int(0.95 * len(ordered))]
        shown.append(
            f"{name} {statistics.median(ordered):.0f} ms (95%: {late:.0f} ms, n = {len(ordered)})"
        )
    print(f"after {before:,} characters: {', '.join(shown)}", flush=True)
    context.close()


if __name__ == "__main__":
    main()
