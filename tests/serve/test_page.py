"""The page to write in, in a real browser: Chromium, driven by Playwright."""

import asyncio
import json
import re
import runpy
import shutil
import socket
import threading
import time
import urllib.request

import pytest
import uvicorn
from starlette.testclient import TestClient

from charrnn.serve import app
from charrnn.serve.connection import Connection
from tests.serve.conftest import make_model

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

LETTERS = "abcdefghijklmnopqrstuvwxyzABC .,!?\n"
OTHERS = "\u05d0\u05d1\u05d2\u05e9\u05dc\u05d5\u05dd\u65e5\u672c\u8a9e\u306b\u307b\u3093"  # Hebrew, Japanese
PAUSE = 20_000  # ms, the most that anything may take here


class Running:
    """A server in a thread, which can be stopped and started again."""

    def __init__(self, **settings) -> None:
        self.models = {
            "plain": make_model(LETTERS + OTHERS),
            "names": make_model("abcde", records=True),
        }
        self.settings = settings
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        config = uvicorn.Config(
            app(self.models, **self.settings), port=self.port, log_level="error", lifespan="off",
            http=Connection, ws="none", timeout_graceful_shutdown=1,
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)

    def stop(self) -> None:
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join(10)

    def post(self, path: str, **body: object) -> dict:
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), head)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def server():
    running = Running()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        # Playwright's loop belongs to this thread only; pytest's other tests begin their own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
    asyncio.set_event_loop(None)


# Seeds that are the same in each run; the ids of steps stay random.
SEEDS = """(() => {
    const random = crypto.getRandomValues.bind(crypto);
    let seed = 0;
    crypto.getRandomValues = (array) => {
        if (array.length > 1) return random(array);
        seed += 1;
        return array.fill(seed);
    };
})()"""


@pytest.fixture
def context(browser, server):
    context = browser.new_context(viewport={"width": 1200, "height": 800}, bypass_csp=True)
    context.add_init_script(SEEDS)
    context.set_default_timeout(PAUSE)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    yield context
    context.close()


@pytest.fixture
def page(context, server):
    """The page; at the end, nothing may have gone wrong, nor been asked of another server."""
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "request",
        lambda request: (
            wrong.append(request.url) if not request.url.startswith((server.url, "blob:")) else None
        ),
    )
    begin(opened, server.url)
    yield opened
    assert wrong == []


def begin(page, url: str) -> None:
    page.goto(url)
    page.wait_for_function(
        "document.querySelector('#words button') || !document.querySelector('.listing').hidden"
    )


def write(page, text: str) -> None:
    page.locator("#text").press_sequentially(text)


def text_of(page) -> str:
    return page.input_value("#text")


def ghost(page) -> str:
    """The suggestion in grey, once it is there."""
    page.wait_for_selector(".ghost")
    return page.text_content(".ghost").removeprefix("\u200b")


def by_model(page) -> str:
    return "".join(page.locator(".ink .by-model").all_text_contents())


def write_on(page, **settings: str) -> str:
    """Let the model write, and return what it wrote."""
    before = text_of(page)
    for name, value in settings.items():
        page.select_option(f"#{name}", value)
    page.press("#text", "Control+Enter")
    page.wait_for_function(
        "before => document.querySelector('#text').value.length > before", arg=len(before)
    )
    page.wait_for_function("document.querySelector('#write').textContent === 'Write on'")
    return text_of(page)[len(before) :]


def test_nothing_breaks_the_policy_of_the_page(browser, server) -> None:
    context = browser.new_context()  # the others bypass it, since Playwright evaluates strings
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda line: wrong.append(line.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(server.url)
    page.wait_for_selector("#words button")
    page.keyboard.type("abc")
    page.wait_for_selector("#phrases button")
    page.keyboard.press("Alt+KeyS")
    page.wait_for_selector("[class*=unlikely]")
    with page.expect_download():
        page.click("#export")
    page.select_option("#model", "names")
    page.click("#more")
    page.wait_for_selector("#records li")
    context.close()
    assert wrong == []


def test_a_suggestion_is_taken_by_words_and_characters_and_dismissed(page) -> None:
    write(page, "abc")
    offered = ghost(page)
    page.keyboard.press("Tab")
    taken = text_of(page)[3:]
    assert offered.startswith(taken)
    assert taken
    assert by_model(page) == taken
    page.wait_for_selector(".ghost")
    rest = ghost(page)
    page.keyboard.press("ArrowRight")
    assert text_of(page) == f"abc{taken}{rest[0]}"
    ghost(page)
    page.keyboard.press("Escape")
    assert page.locator(".ghost").count() == 0
    page.keyboard.press("Tab")  # without a suggestion it leaves the text
    assert page.evaluate("document.activeElement.id") != "text"
    assert text_of(page) == f"abc{taken}{rest[0]}"


def test_a_click_puts_the_cursor_there_and_a_tap_on_the_suggestion_takes_a_word(page) -> None:
    page.keyboard.insert_text("first line\nsecond line")
    offered = ghost(page)
    line = page.locator(".ink > div").first.bounding_box()
    page.mouse.click(line["x"] + 1, line["y"] + line["height"] / 2)
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("a ")
    assert text_of(page) == "a first line\nsecond line"
    page.keyboard.press("Control+End")
    offered = ghost(page)
    box = page.locator(".ghost").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    taken = text_of(page).removeprefix("a first line\nsecond line")
    assert taken
    assert offered.startswith(taken)


def test_the_placeholder_makes_room_for_the_suggestion(page) -> None:
    assert ghost(page)
    colour = "getComputedStyle(document.querySelector('#text'), '::placeholder').color"
    assert page.evaluate(colour) == "rgba(0, 0, 0, 0)"
    page.keyboard.press("Escape")
    assert page.evaluate(colour) != "rgba(0, 0, 0, 0)"


def test_typing_what_is_suggested_keeps_the_suggestion(page) -> None:
    write(page, "abc")
    offered = ghost(page)
    asked: list[str] = []
    page.on(
        "request",
        lambda request: asked.append(request.url) if "completions" in request.url else None,
    )
    page.keyboard.insert_text(offered[0])
    assert ghost(page) == offered[1:]
    assert asked == []


TEXTS = """async () => {
    const text = await import('./page/text.js');
    return [
        text.firstCharacter('e\\u0301x'), text.firstCharacter('\\u0915\\u094d\\u0937a'), text.firstCharacter('\\u{1f468}\\u200d\\u{1f469}!'),
        text.firstWord(' the king, who'), text.firstWord(' king, who'), text.firstWord('\\n\\nROMEO'), text.firstWord('...'),
        text.firstWord('\\u65e5\\u672c\\u8a9e\\u306e\\u672c').length < 5,
        text.endsRightToLeft('abc \\u05d0\\u05d1 .'), text.endsRightToLeft('\\u05d0\\u05d1 abc 1'), text.endsRightToLeft(''),
        JSON.stringify(text.changeBetween('a\\u{1f600}b', 'a\\u{1f601}b', 3)), JSON.stringify(text.changeBetween('aaa', 'aa', 1)),
        text.phraseOf('one\\ntwo three', 0), text.phraseOf('one\\ntwo three fo', 5), text.phraseOf('word', 5),
    ];
}"""


def test_characters_words_and_changes_in_several_scripts(page) -> None:
    assert page.evaluate(TEXTS) == [
        "e\u0301", "\u0915\u094d\u0937", "\U0001f468\u200d\U0001f469",
        " the", " king,", "\n", "...",
        True,
        True, False, False,
        '{"at":1,"removed":"\U0001f600","inserted":"\U0001f601"}', '{"at":1,"removed":"a","inserted":""}',
        "one", "one\ntwo three", "word",
    ]  # fmt: skip


def test_words_and_phrases_are_those_of_the_server_and_are_inserted_by_a_click(
    page, server
) -> None:
    write(page, "ab ")
    words = server.post("/v1/words", prompt="ab ", k=5)["data"]
    page.wait_for_function("document.querySelector('#phrases button')")
    shown = page.locator("#words button").all_text_contents()
    assert len(shown) == len([word for word in words if word["probability"] >= 0.005])
    page.locator("#words button").first.click()
    assert text_of(page) == f"ab {words[0]['text']}"
    assert page.evaluate("document.activeElement.id") == "text"
    page.wait_for_selector("#phrases:not(.stale) li:nth-child(3) button")
    before = text_of(page)
    page.keyboard.press("Alt+Digit2")
    assert text_of(page).startswith(before)
    assert len(text_of(page)) > len(before)


def test_undo_redo_and_branches(page) -> None:
    write(page, "abc ")
    first = write_on(page, until="sentence")
    page.click("#undo")
    assert text_of(page) == "abc "
    page.click("#redo")
    assert text_of(page) == f"abc {first}"
    page.press("#text", "Control+z")
    second = write_on(page)  # a branch
    assert second != first
    page.click("#again")  # another one
    page.wait_for_function(
        "text => { const now = document.querySelector('#text').value; return now.length > 4 && now !== text }",
        arg=f"abc {second}",
    )
    page.wait_for_function("document.querySelector('#write').textContent === 'Write on'")
    third = text_of(page)[4:]
    page.click("#history summary")
    page.wait_for_selector("#tree [data-step]")
    steps = page.locator("#tree [data-step]")
    assert steps.locator(".who").all_text_contents() == ["start", "you", "model", "model", "model"]
    assert page.locator("#tree ul").count() == 3
    for index, expected in ((2, first), (3, second), (4, third)):
        steps.nth(index).click()
        assert text_of(page) == f"abc {expected}"
        assert steps.nth(index).get_attribute("aria-current") == "step"
    steps.nth(1).click()
    assert text_of(page) == "abc "
    assert by_model(page) == ""
    steps.nth(0).click()
    assert text_of(page) == ""


def test_typing_is_undone_by_the_sentence_and_deletions_at_once(page) -> None:
    long = "aaa bbb ccc aaa bbb ccc aaa bbb ccc aaa "
    write(page, f"{long}ccc\nab")
    for _ in range(3):
        page.press("#text", "Backspace")
    page.click("#undo")
    assert text_of(page) == f"{long}ccc\nab"
    for left in (f"{long}ccc\n", long, ""):
        page.click("#undo")
        assert text_of(page) == left
    assert page.get_attribute("#undo", "aria-disabled") == "true"
    for _ in range(4):
        page.click("#redo")
    assert text_of(page) == f"{long}ccc"


def test_the_error_of_a_constraint_is_next_to_its_field(page) -> None:
    page.click("#form summary")
    page.fill("#contains", "abc\n\u0416")
    page.click("#write")
    error = page.locator("#contains ~ .error")
    assert "has not seen" in error.text_content()
    assert page.get_attribute("#contains", "aria-describedby") == error.get_attribute("id")
    page.fill("#contains", "abc")
    assert error.count() == 0
    page.fill("#lines", "2")
    page.fill("#line_to", "12")
    written = write_on(page)
    lines = written.split("\n")
    assert len(lines) == 2
    assert all(1 <= len(line) <= 12 for line in lines)
    assert "abc" in written
    page.click("#originality summary")
    page.fill("#max_copy", "20")
    page.click("#write")
    assert "charrnn originality plain" in page.locator("#max_copy ~ .error").text_content()


def test_lines_begin_in_a_line_of_their_own_and_words_can_end_with_a_sentence(page, server) -> None:
    write(page, "abc")
    page.click("#form summary")
    page.fill("#acrostic", "ab")
    page.fill("#line_to", "20")
    written = write_on(page)
    assert re.fullmatch(r"\na.{0,19}\nb.{0,19}", written)
    assert by_model(page) == written.removeprefix("\n").replace("\n", "")
    page.click("#undo")
    page.click("#undo")
    page.fill("#acrostic", "")
    page.fill("#line_to", "")
    page.fill("#contains", "def")
    written = write_on(page, until="sentence")
    assert re.fullmatch(r"[^.!?]*def[^.!?]*[.!?]+", written) or re.fullmatch(
        r"[^.!?]*def[.!?]+", written
    )


def test_messages_use_the_names_of_the_page(page) -> None:
    page.evaluate(
        "for (const panel of document.querySelectorAll('aside details')) panel.open = true"
    )
    page.fill("#line_from", "50")
    page.fill("#line_to", "20")
    page.click("#write")
    error = page.locator("#line_from ~ .error")
    assert error.text_content().startswith("Length of a line must give the smaller number first")
    page.fill("#line_from", "")
    assert error.count() == 0
    page.select_option("#model", "names")
    page.fill("#beginning", "\u0416")
    page.press("#beginning", "Enter")
    page.wait_for_selector("#list-error:not([hidden])")
    assert page.text_content("#list-error").endswith("leave it out")


WRONG = {
    "top_k": "0", "top_p": "2", "min_p": "many", "dry": "-1", "seed": "1.5", "match": "(", "exact_length": "x",
    "acrostic": "\u0416", "line_from": "9",
}  # fmt: skip


def test_every_wrong_value_is_reported_next_to_its_field(page) -> None:
    page.evaluate(
        "for (const panel of document.querySelectorAll('aside details')) panel.open = true"
    )
    page.fill("#line_to", "5")
    for field, value in WRONG.items():
        page.fill(f"#{field}", value)
        page.click("#write")
        page.wait_for_selector(f".field:has(#{field}) .error")
        page.fill(f"#{field}", "")


def test_a_reload_keeps_the_work(page) -> None:
    write(page, "abc ")
    written = write_on(page, until="line")
    page.fill("#top_k", "7") if page.is_visible("#top_k") else page.evaluate(
        "document.querySelector('#top_k').closest('details').open = true"
    )
    page.fill("#top_k", "7")
    page.click("#undo")
    page.reload()
    page.wait_for_selector("#words button")
    assert text_of(page) == "abc "
    assert page.input_value("#until") == "line"
    assert page.input_value("#top_k") == "7"
    page.press("#text", "Control+Shift+z")
    assert text_of(page) == f"abc {written}"
    assert by_model(page) == written.replace("\n", "")


def test_two_tabs_show_the_same_page(page, context, server) -> None:
    other = context.new_page()
    begin(other, server.url)
    write(page, "abc def")
    other.wait_for_function("document.querySelector('#text').value === 'abc def'")


def test_what_two_tabs_write_at_the_same_time_is_kept_as_branches(page, context, server) -> None:
    other = context.new_page()
    other.add_init_script(
        "addEventListener('storage', (event) => event.stopImmediatePropagation())"
    )
    begin(other, server.url)
    write(page, "abc")
    write(other, "def")
    page.evaluate("dispatchEvent(new Event('pagehide'))")  # both save, one after the other
    other.evaluate("dispatchEvent(new Event('pagehide'))")
    page.bring_to_front()  # frames are rare in a tab behind another one
    page.reload()
    page.wait_for_selector("#words button")
    page.click("#history summary")
    page.wait_for_selector("#tree ul")
    said = page.locator("#tree .what").all_text_contents()
    assert sorted(said) == ["", "abc", "def"]
    for expected in ("abc", "def"):
        page.locator(f"#tree .what:text-is('{expected}')").click()
        assert text_of(page) == expected


def test_the_keyboard_is_enough(page) -> None:
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("abc")
    ghost(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")
    page.wait_for_function("document.querySelector('#text').value.length > 20")
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelector('#write').textContent === 'Write on'")
    page.keyboard.press("Alt+KeyS")
    page.wait_for_selector("[class*=unlikely]")
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('#details').textContent.startsWith('b: ')")
    page.keyboard.press("Alt+KeyS")
    reached = set()
    page.keyboard.press("Escape")
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.id || document.activeElement.parentElement.id")
        )
    assert {
        "write",
        "undo",
        "new",
        "temperature",
        "until",
        "seed",
        "form",
        "history",
        "export",
        "help",
        "model",
    } <= reached
    for control in page.locator("button, input, select, textarea").all():
        name = control.evaluate(
            "node => node.labels?.[0]?.textContent || node.getAttribute('aria-label') || node.textContent"
        )
        assert name.strip()


def test_nothing_is_asked_during_a_composition(page, context) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    keyboard = context.new_cdp_session(page)
    page.wait_for_selector("#phrases:not(.stale) button")
    asked.clear()
    for text in ("\u306b", "\u306b\u307b", "\u306b\u307b\u3093"):
        keyboard.send(
            "Input.imeSetComposition",
            {"text": text, "selectionStart": len(text), "selectionEnd": len(text)},
        )
        page.wait_for_timeout(100)
        assert page.text_content(".ink").startswith(text)
    page.wait_for_timeout(700)
    assert asked == []
    assert page.locator(".ghost").count() == 0
    keyboard.send("Input.insertText", {"text": "\u65e5\u672c"})
    page.wait_for_function("document.querySelector('#text').value === '\u65e5\u672c'")
    ghost(page)
    assert asked
    page.click("#undo")
    assert text_of(page) == ""


def test_right_to_left_text_begins_at_the_right_and_takes_to_the_left(page) -> None:
    word = "\u05e9\u05dc\u05d5\u05dd"
    page.keyboard.insert_text(word)
    ghost(page)
    page.keyboard.press("ArrowLeft")
    assert len(text_of(page)) == 5
    box = page.locator(".ink span").first.bounding_box()
    sheet = page.locator(".sheet").bounding_box()
    assert box["x"] > sheet["x"] + sheet["width"] / 2


LONG = (
    "a b c d e f g, " * 60
    + "\n\n  "
    + "\u65e5\u672c\u8a9e" * 90
    + "\n"
    + "\u05e9\u05dc\u05d5\u05dd " * 60
    + "\n"
    + "abc" * 90
    + "\n"
)


@pytest.mark.parametrize("width", [1200, 320])
def test_the_drawn_text_lies_under_the_one_that_is_edited(width: int, page) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    page.keyboard.insert_text(LONG)
    heights = page.evaluate("""() => {
        const area = document.querySelector('#text');
        const copy = area.cloneNode(); copy.value = area.value; copy.style.height = '0';
        area.parentElement.append(copy);
        const needed = copy.scrollHeight;
        copy.remove();
        return [needed, document.querySelector('.ink').scrollHeight, area.clientHeight];
    }""")
    needed, drawn, room = heights
    assert abs(needed - drawn) <= 2
    assert room >= needed - 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_width_of_320_pixels_is_enough(scheme: str, page) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 320, "height": 600})
    write(page, "abc ")
    page.wait_for_selector("#phrases button")
    page.evaluate(
        "for (const panel of document.querySelectorAll('aside details')) panel.open = true"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.select_option("#model", "names")
    page.click("#more")
    page.wait_for_selector("#records li:nth-child(5)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == {"light": "rgb(241, 238, 231)", "dark": "rgb(20, 21, 26)"}[scheme]  # fmt: skip


def test_a_server_that_goes_away_and_returns(browser) -> None:
    server = Running()
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(15_000)
    begin(page, server.url)
    write(page, "abc")
    server.stop()
    write(page, " d")
    page.wait_for_function(
        "document.querySelector('#status').textContent.startsWith('The server does not answer')"
    )
    write(page, "ef")
    server.start()
    page.wait_for_function("document.querySelector('#status').textContent === ''")
    ghost(page)
    assert text_of(page) == "abc def"
    context.close()
    server.stop()


def test_what_is_exported_can_be_replayed_with_its_branches(page, server, tmp_path) -> None:
    write(page, "abc ")
    ghost(page)
    page.keyboard.press("Tab")
    ghost(page)
    page.keyboard.press("Tab")
    write_on(page, until="sentence")
    page.wait_for_selector("#phrases button")
    page.keyboard.press("Alt+Digit1")
    write(page, " d\U0001f600e")  # two units of UTF-16 in the browser
    page.click("#undo")
    page.click("#undo")
    write_on(page)  # a branch
    with page.expect_download() as saved:
        page.click("#export")
    saved.value.save_as(tmp_path / "page.json")
    content = json.loads((tmp_path / "page.json").read_text())
    assert content["text"] == text_of(page)
    replay = runpy.run_path("examples/replay_page.py")["replay"]
    count, same = replay(content, server.url)
    assert count == same >= 4


def caret_is_in_sight(page) -> bool:
    return page.evaluate("""() => {
        const range = document.createRange();
        const lines = document.querySelectorAll('.ink > div');
        const area = document.querySelector('#text');
        const before = area.value.slice(0, area.selectionStart).split('\\n').length - 1;
        const box = lines[before].getBoundingClientRect();
        const end = document.querySelector('.writing .toolbar').getBoundingClientRect().top;
        return box.top >= 0 && box.bottom <= end + 1;
    }""")


def test_the_line_of_the_cursor_stays_in_sight(page) -> None:
    page.set_viewport_size({"width": 1100, "height": 500})
    for _ in range(25):
        page.keyboard.insert_text("abc")
        page.keyboard.press("Enter")
    assert caret_is_in_sight(page)
    page.keyboard.press("Control+Home")
    page.wait_for_timeout(50)
    assert caret_is_in_sight(page)
    for _ in range(20):
        page.keyboard.press("ArrowDown")
    page.wait_for_timeout(50)
    assert caret_is_in_sight(page)
    page.keyboard.press("Control+z")
    assert caret_is_in_sight(page)


def test_a_key_never_takes_a_suggestion_that_is_not_shown(page) -> None:
    page.keyboard.insert_text("abc\ndef")
    page.keyboard.press("Control+Home")
    page.keyboard.press("End")
    for _ in range(4):
        page.wait_for_timeout(300)
        is_shown = page.locator(".ghost").count() > 0
        before = text_of(page)
        page.keyboard.press("ArrowRight")
        assert (text_of(page) != before) == is_shown
        if not is_shown:
            break
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+Home")
        page.keyboard.insert_text("a")
        page.keyboard.press("End")


def test_phrases_for_another_text_are_not_taken(page) -> None:
    write(page, "abc ")
    page.wait_for_selector("#phrases button")
    page.keyboard.insert_text("d")
    page.keyboard.press("Alt+Digit1")
    assert text_of(page) == "abc d"
    assert page.locator("#phrases.stale").count() == 1


def test_a_composition_stops_the_model_and_is_kept(page, context) -> None:
    page.keyboard.press("Control+Enter")
    page.wait_for_function("document.querySelector('#text').value.length > 10")
    keyboard = context.new_cdp_session(page)
    keyboard.send(
        "Input.imeSetComposition", {"text": "\u306b", "selectionStart": 1, "selectionEnd": 1}
    )
    page.wait_for_timeout(100)
    keyboard.send("Input.insertText", {"text": "\u706b\u6c34"})  # the model does not know these
    page.wait_for_selector("#write:text-is('Write on')")
    assert "\u706b\u6c34" in text_of(page)
    assert "\u706b" not in by_model(page)


def test_who_wrote_a_repeated_letter_is_told_apart_by_the_cursor(page) -> None:
    write(page, "hello")
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    page.keyboard.insert_text("l")
    page.wait_for_timeout(1200)  # it is saved
    step = page.evaluate("JSON.parse(localStorage.getItem('charrnn /')).history.steps.at(-1)")
    assert (step["at"], step["inserted"]) == (3, [{"text": "l", "by": "you"}])


def test_an_error_while_typing_is_shown_once_and_moves_nothing(page) -> None:
    page.set_viewport_size({"width": 400, "height": 700})
    page.evaluate(
        "for (const panel of document.querySelectorAll('aside details')) panel.open = true"
    )
    page.fill("#top_p", "2")
    page.wait_for_selector("#top_p ~ .error")
    page.locator("#text").focus()
    page.evaluate("scrollTo(0, 0)")
    page.keyboard.type("abcde")
    page.wait_for_timeout(300)
    assert page.locator("#top_p ~ .error").count() == 1
    assert page.evaluate("scrollY") == 0
    page.fill("#top_p", "0,9")  # as some phones have it
    page.wait_for_timeout(500)
    assert page.locator("#top_p ~ .error").count() == 0


def test_option_types_letters_on_a_mac(browser, server) -> None:
    context = browser.new_context(bypass_csp=True)
    context.add_init_script(
        "Object.defineProperty(navigator, 'platform', { get: () => 'MacIntel' })"
    )
    page = context.new_page()
    begin(page, server.url)
    write(page, "abc ")
    page.wait_for_selector("#phrases button")
    page.keyboard.press("Alt+KeyS")
    assert page.get_attribute("#surprise", "aria-pressed") == "false"
    page.keyboard.press("Control+Alt+KeyS")
    assert page.get_attribute("#surprise", "aria-pressed") == "true"
    assert page.text_content("#phrases kbd") == "\u2303\u2325+1"
    context.close()


def test_a_full_storage_keeps_the_page_and_its_redo(page) -> None:
    page.evaluate("localStorage.setItem('other', 'x'.repeat(5_215_000))")
    page.keyboard.insert_text("a b c d " * 500)
    page.click("#undo")
    for _ in range(12):
        page.keyboard.insert_text("e f g h " * 500)
        page.click("#undo")
    page.wait_for_function(
        "document.querySelector('#status').textContent.includes('storage is full')"
    )
    page.click("#redo")
    assert text_of(page) == "e f g h " * 500
    page.click("#undo")
    page.reload()
    page.wait_for_selector("#words button")
    page.click("#redo")
    assert text_of(page) == "e f g h " * 500


def test_another_model_stops_the_one_that_writes(page) -> None:
    page.keyboard.press("Control+Enter")
    page.wait_for_function("document.querySelector('#text').value.length > 10")
    page.select_option("#model", "names")
    page.wait_for_selector(".listing:not([hidden])")
    before = text_of(page)
    page.wait_for_timeout(200)
    assert text_of(page) == before


def test_a_list_that_is_cleared_while_it_grows_can_come_back(page) -> None:
    page.select_option("#model", "names")
    page.click("#more")
    page.wait_for_selector("#records li:nth-child(10)")
    names = page.locator("#records .record").all_text_contents()
    page.evaluate(
        "document.querySelector('#more').click(); document.querySelector('#clear').click()"
    )
    page.wait_for_selector("#more[aria-disabled=false]")
    page.click("#clear")
    assert page.locator("#records .record").all_text_contents()[:10] == names


def test_of_a_long_text_the_end_is_read(page, server) -> None:
    asked: list[dict] = []
    page.on(
        "request",
        lambda request: asked.append(request.post_data_json) if "v1/words" in request.url else None,
    )
    page.evaluate(
        """text => {
        const area = document.querySelector('#text');
        area.value = text;
        area.setSelectionRange(text.length, text.length);
        area.dispatchEvent(new Event('input'));
    }""",
        "a b " * 21_000,
    )
    page.wait_for_timeout(200)
    assert asked[-1]["prompt"] == "a b " * 16_000  # from 20,000 on


def test_surprise_is_that_of_the_server_and_shown_by_the_pointer(page, server) -> None:
    write(page, "abc \u0416 def.")  # with a character that the model has not seen
    page.click("#surprise")
    page.wait_for_selector("[class*=unlikely]")
    data = server.post("/v1/score", text="abc \u0416 def.", unknown="skip")["data"]
    levels = page.evaluate("""[...document.querySelectorAll('.ink span')].flatMap(node =>
        [...node.textContent].map(() => Number(/unlikely-(\\d)/.exec(node.className)?.[1] ?? 0)))""")
    for character in data:
        bits = -character["log_probability"] / 0.6931471805599453
        assert levels[character["offset"]] == sum(bits >= least for least in (1, 3, 5, 8))
    assert levels[4] == 0
    box = page.evaluate("""() => {
        const range = document.createRange();
        const walker = document.createTreeWalker(document.querySelector('.ink'), NodeFilter.SHOW_TEXT);
        let place = 1;
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            if (place < node.length) { range.setStart(node, place); range.setEnd(node, place + 1); break; }
            place -= node.length;
        }
        const { x, y, width, height } = range.getBoundingClientRect();
        return { x, y, width, height };
    }""")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("document.querySelector('#details').textContent.startsWith('b: ')")
    assert "Expected: " in page.text_content("#details")


def test_records_are_listed_unique_and_copied(page, server) -> None:
    page.select_option("#model", "names")
    page.fill("#seed", "1")
    page.click("#more")
    page.wait_for_selector("#more[aria-disabled=false]")
    expected = server.post(
        "/v1/completions", model="names", n=10, seed=1, unique=True, temperature=0.8
    )
    names = page.locator("#records .record").all_text_contents()
    assert names == [choice["text"] for choice in expected["choices"]]
    page.click("#copy")
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join(names)
    page.fill("#beginning", "ab")
    page.fill("#seed", "")
    page.click("#more")
    page.wait_for_selector("#more[aria-disabled=false]")
    more = page.locator("#records .record").all_text_contents()
    assert more[: len(names)] == names
    assert len(set(more)) == len(more) > len(names)
    assert all(name.startswith("ab") for name in more[len(names) :])
    page.reload()
    page.wait_for_selector("#records li")
    assert page.locator("#records .record").all_text_contents() == more
    page.click("#clear")
    assert page.locator("#records li").count() == 0
    page.click("#clear")
    assert page.locator("#records .record").all_text_contents() == more
    page.check("#new-only")
    page.click("#more")
    page.wait_for_selector("#list-error:not([hidden])")  # this model has no list of its corpus
    page.select_option("#model", "plain")
    page.wait_for_selector(".writing:not([hidden])")


def test_a_key_is_asked_for(browser) -> None:
    server = Running(api_key="secret")
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(PAUSE)
    page.goto(server.url)
    page.wait_for_selector("#ask-key[open]")
    page.fill("#key", "wrong")
    page.click("#ask-key button")
    page.wait_for_selector("#ask-key[open]")
    page.fill("#key", "secret")
    page.click("#ask-key button")
    page.wait_for_selector("#words button")
    page.reload()
    page.wait_for_selector("#words button")
    context.close()
    server.stop()


def test_the_files_of_the_page_are_sent_with_a_strict_policy() -> None:
    with TestClient(app(make_model()), base_url="http://localhost") as client:
        index = client.get("/")
        assert index.headers["content-type"] == "text/html; charset=utf-8"
        assert index.headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        for path in re.findall(r'(?:src|href)="(page/[^"]+)"', index.text):
            assert client.get(f"/{path}").status_code == 200
        script = client.get("/page/main.js")
        assert script.headers["content-type"].startswith("text/javascript")
        for name in re.findall(r'from "\./(\w+\.js)"', script.text):
            assert client.get(f"/page/{name}").status_code == 200
        assert "http:" not in index.text
        assert "https:" not in index.text
