// Suggestions: likely next words, a continuation in grey, and three phrases to choose from.

import { MODIFIER } from "./keys.js";
import { firstCharacter, firstWord, lastLetters, percent, phraseOf } from "./text.js";

const WORDS = 5;
const PHRASES = 3;
const GHOST_LENGTH = 40; // characters
const PHRASE_LENGTH = 70;
const SHORT = 12; // characters; a shorter continuation may extend into the next line
const SHORT_PHRASE = 25;
const SAFE = 0.6; // temperature of the continuation in grey, at most
const PAUSE = 200; // ms without a key, after which it is shown
const LONG_PAUSE = 600; // after which phrases are asked for

export class Suggestions {
  /**
   * @param {import("./api.js").Api} api
   * @param {object} page what the page offers: prompt(), model(), sampling(), isQuiet(), isAtEnd(),
   *   knows(letter), say(text), showGhost(text), insert(text, action, request, offset), failed(error)
   */
  constructor(api, page) {
    this.api = api;
    this.page = page;
    this.ghost = ""; // what is left of the continuation
    this.request = null; // that it answers
    this.offset = 0; // how much of it was taken
    this.isShown = false;
    this.isDismissed = false;
    this.isReading = false;
    this.phraseSeed = 1;
    this.phrases = [];
    this.context = null; // of the words that are shown
    this.phraseContext = null;
    this.waiting = new AbortController();
    this.timers = [];
  }

  /** The text or the cursor has changed: ask anew. */
  refresh() {
    this.ask();
    this.show();
  }

  /** Show what is left of the continuation, and dim what was offered for another text. */
  show() {
    this.page.showGhost(this.isShown ? this.ghost : "");
    this.#showStale();
  }

  ask() {
    this.#stop();
    if (this.page.isQuiet()) {
      this.#forget();
      return;
    }
    const { signal } = this.waiting;
    // one after the other, so that the server reads the text once
    this.#run(this.#askWords(signal).then(() => this.#askGhost(signal)));
    this.#later(PAUSE, () => this.#reveal());
    this.#later(LONG_PAUSE, () => this.#run(this.#askPhrases(signal)));
  }

  /** A text was typed or taken; keep what is left of the continuation if it begins like that. */
  typed(text) {
    this.isDismissed = false;
    if (text && this.ghost.startsWith(text)) {
      this.ghost = this.ghost.slice(text.length);
      this.offset += text.length;
    } else {
      this.#dropGhost();
    }
  }

  /** The cursor was moved, or the text was changed elsewhere. */
  moved() {
    this.isDismissed = false;
    this.#dropGhost();
    this.refresh();
  }

  /** Offer nothing for now; what was offered stays, dimmed, so that nothing on the page moves. */
  rest() {
    this.#stop();
    this.#forget();
    this.show();
  }

  #forget() {
    this.#dropGhost();
    this.context = null;
    this.phraseContext = null;
  }

  /** Take a part of the continuation, of which ``visible`` is shown. */
  take(part, visible) {
    const text = part === "word" ? firstWord(visible) : firstCharacter(visible);
    this.page.insert(text, part, this.request, this.offset);
  }

  dismiss() {
    this.#stop();
    this.#dropGhost();
    this.isDismissed = true;
    this.page.showGhost("");
  }

  takePhrase(number) {
    const phrase = this.phrases[number];
    if (!phrase || this.phraseContext !== this.#context()) return;
    this.page.insert(phrase.text, "phrase", phrase.request, 0);
  }

  otherPhrases() {
    this.phraseSeed += PHRASES;
    this.#run(this.#askPhrases(this.waiting.signal));
  }

  async #askWords(signal) {
    const context = this.#context();
    const body = { model: this.page.model(), prompt: this.page.prompt(), k: WORDS, unknown: "skip" };
    const reading = setTimeout(() => this.#sayReading(true), LONG_PAUSE);
    const { data } = await this.api.post("v1/words", body, signal).finally(() => {
      clearTimeout(reading);
      if (!signal.aborted) this.#sayReading(false);
    });
    const buttons = data.filter(({ probability }) => probability >= 0.005).map((word) => this.#button(word));
    document.getElementById("words").replaceChildren(...buttons);
    this.context = context;
    this.#showStale();
  }

  async #askGhost(signal) {
    if (this.isDismissed || this.ghost) return;
    const sampling = this.page.sampling();
    const temperature = Math.min(SAFE, sampling.temperature);
    const request = { ...sampling, temperature, max_tokens: GHOST_LENGTH, seed: 1 };
    const [text] = await this.#ask(request, signal);
    this.ghost = phraseOf(text, this.page.isAtEnd() ? SHORT : 0);
    this.request = request;
    this.offset = 0;
    if (this.isShown) this.page.showGhost(this.ghost);
  }

  async #askPhrases(signal) {
    const context = this.#context();
    const sampling = this.page.sampling();
    const request = { ...sampling, max_tokens: PHRASE_LENGTH, seed: this.phraseSeed, n: PHRASES };
    const texts = await this.#ask(request, signal);
    const phrases = texts.map((text, index) => ({
      text: phraseOf(text, SHORT_PHRASE),
      request: { ...request, seed: request.seed + index, n: 1 },
    }));
    const different = new Map(phrases.map((phrase) => [phrase.text, phrase])); // at temperature 0 they are the same
    this.phraseContext = context;
    this.#showPhrases([...different.values()].filter(({ text }) => text.trim()));
    this.#showStale();
  }

  /** What words and phrases are for: the model and the text before the cursor. */
  #context() {
    return `${this.page.model()} ${this.page.prompt()}`;
  }

  /** Dim what was offered for another text. */
  #showStale() {
    const context = this.#context();
    document.getElementById("words").classList.toggle("stale", this.context !== context);
    document.getElementById("phrases").classList.toggle("stale", this.phraseContext !== context);
  }

  async #ask(request, signal) {
    const body = { model: this.page.model(), prompt: this.page.prompt(), unknown: "skip", ...request };
    const { choices } = await this.api.post("v1/completions", body, signal);
    return choices.map(({ text }) => text);
  }

  #button({ text, probability }) {
    const button = document.createElement("button");
    const share = document.createElement("small");
    share.textContent = percent(probability);
    button.type = "button";
    const begun = this.#begunWord(text);
    button.append(text === "\n" ? "↵" : begun + text.trimStart(), share);
    button.setAttribute("aria-label", `${text === "\n" ? "new line" : begun + text}, ${percent(probability)}`);
    button.addEventListener("click", () => {
      if (this.context === this.#context()) this.page.insert(text, "word", null, 0);
    });
    return button;
  }

  #showPhrases(phrases) {
    this.phrases = phrases;
    const items = phrases.map(({ text }, index) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const key = document.createElement("kbd");
      key.textContent = `${MODIFIER}+${index + 1}`;
      button.type = "button";
      const begun = document.createElement("span");
      begun.className = "begun";
      begun.textContent = this.#begunWord(text);
      const whole = document.createElement("span");
      whole.append(begun, text.trim());
      button.append(whole, key);
      button.addEventListener("click", () => this.takePhrase(index));
      item.append(button);
      return item;
    });
    document.getElementById("phrases").replaceChildren(...items);
  }

  /** The letters before the cursor that a text continues. */
  #begunWord(text) {
    if (!/^[\p{L}\p{M}\p{N}]/u.test(text)) return "";
    const letters = lastLetters(this.page.prompt());
    return [...letters].every((letter) => this.page.knows(letter)) ? letters : "";
  }

  #reveal() {
    this.isShown = true;
    this.page.showGhost(this.ghost);
  }

  #dropGhost() {
    this.ghost = "";
    this.request = null;
    this.isShown = false;
  }

  /** A long text is read once, which takes a while. */
  #sayReading(isReading) {
    if (isReading !== this.isReading) this.page.say(isReading ? "Reading your text…" : "");
    this.isReading = isReading;
  }

  #later(pause, action) {
    this.timers.push(setTimeout(action, pause));
  }

  #stop() {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers = [];
    this.waiting.abort();
    this.waiting = new AbortController();
  }

  #run(asking) {
    asking.catch((error) => {
      if (error.name !== "AbortError") this.page.failed(error);
    });
  }
}
