// Surprise: how little the model expected each character, and what it expected instead.

import { lastCodePoints, percent, placesOfCodePoints, shown } from "./text.js";

const LEVELS = [1, 3, 5, 8]; // bits at which each colour begins, as of `charrnn score`
const MOST = 20_000; // characters that the server explains at once
const PAUSE = 400; // ms

export class Surprise {
  constructor(api, page) {
    this.api = api;
    this.page = page;
    this.isOn = false;
    this.#forget();
    this.timer = 0;
    this.waiting = new AbortController();
  }

  toggle() {
    this.isOn = !this.isOn;
    this.#stop();
    this.#forget();
    if (this.isOn) this.#ask();
    this.page.redraw();
  }

  /** The text has changed: what comes after that was explained with another text before it. */
  changed(at) {
    if (!this.isOn) return;
    for (const place of this.characters.keys()) if (place >= at) this.characters.delete(place);
    this.known.length = Math.min(this.known.length, at);
    this.#stop();
    this.timer = setTimeout(() => this.#ask(), PAUSE);
  }

  /** The level of each place; null if there are no colours. */
  get levels() {
    return this.isOn ? this.known : null;
  }

  /** What the model thought of the character at a place; an empty string if that is unknown. */
  describe(place) {
    const found = this.characters.get(place);
    if (!found) return "";
    const bits = (-found.log_probability / Math.LN2).toFixed(1);
    const others = found.alternatives.map(([text, share]) => `${shown(text)} ${percent(share)}`);
    const own = percent(Math.exp(found.log_probability));
    return `${shown(found.character)}: ${own}, ${bits} bits, rank ${found.rank}. Expected: ${others.join(", ")}`;
  }

  #stop() {
    clearTimeout(this.timer);
    this.waiting.abort();
    this.waiting = new AbortController();
  }

  #forget() {
    this.characters = new Map();
    this.known = []; // the level of each place
  }

  #note(place, character) {
    const bits = -character.log_probability / Math.LN2;
    this.characters.set(place, character);
    this.known[place] = LEVELS.filter((least) => bits >= least).length;
  }

  async #ask() {
    const whole = this.page.text();
    const text = lastCodePoints(whole, MOST);
    if (!text) return;
    try {
      const body = { model: this.page.model(), text, unknown: "skip", alternatives: 5 };
      const { data } = await this.api.post("v1/score", body, this.waiting.signal);
      const first = whole.length - text.length;
      const places = placesOfCodePoints(text);
      this.#forget();
      for (const character of data) this.#note(first + places[character.offset], character);
      this.page.redraw();
    } catch (error) {
      if (error.name !== "AbortError") this.page.failed(error);
    }
  }
}
