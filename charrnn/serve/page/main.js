// The page to write in: joins its parts.

import { Api, Away, Refused } from "./api.js";
import { onPress, setDisabled } from "./buttons.js";
import { lengthOf, Pages } from "./document.js";
import { Editor } from "./editor.js";
import { History, newId } from "./history.js";
import { isCommand, nameKeys, shortcut } from "./keys.js";
import { Records } from "./records.js";
import { inPageWords, randomSeed, Settings } from "./settings.js";
import { load, onChange, save } from "./storage.js";
import { Suggestions } from "./suggestions.js";
import { Surprise } from "./surprise.js";
import { changeBetween, endsRightToLeft } from "./text.js";
import { Tree } from "./tree.js";

const LONGEST = 20_000; // characters that are written until stopped
const MOST_READ = 60_000; // code units of the text, and up to a step more
const READ_STEP = 20_000;
// A text with required words ends where the model would write something that cannot follow.
const UNTIL_END = { sentence: "[^.!?]*[.!?]+[\"'\u201d\u2019)]*", line: ".*" };
const LONG_SENTENCE = 500; // characters
// A text with these begins in a line of its own.
const OF_LINES = ["acrostic", "lines", "line_length"];
const RETRY = 1500; // ms between two attempts to reach the server
const SAVE_PAUSE = 1000; // ms without a change, after which the page is saved
const SAVE_AT_LEAST = 5000; // ms after the first change that is not saved
const MARGIN = 8; // pixels above and below the line of the cursor
const SETTLED = 300; // ms, after which a changed setting is used for suggestions
const PACE = 0.12; // characters per ms of a text without an end, so that it can be read
const FRAME = 16; // ms
const AWAY = "The server does not answer. Your text is kept; trying again…";

const element = (id) => document.getElementById(id);

class Page {
  constructor() {
    this.api = new Api(askForKey);
    this.models = new Map(); // by name, as the server describes them
    this.editor = new Editor(element("text"), element("ink"), element("mark"));
    this.pages = new Pages();
    this.history = new History();
    this.writing = null; // what stops the text that is being written
    this.isAway = false;
    this.saving = 0;
    this.isDirty = false; // whether there is something to save
    this.dirtySince = 0; // since when
    this.revision = ""; // of what is kept, as this tab knows it
    this.composed = null; // the page with the text that an input method is composing
    this.settings = new Settings(element("settings"), () => this.#settingsChanged());
    const parts = this.#forParts();
    this.suggestions = new Suggestions(this.api, parts);
    this.surprise = new Surprise(this.api, parts);
    this.records = new Records(this.api, parts);
    this.tree = new Tree(element("tree"), () => this.history, (id) => this.#goTo(id));
    this.#restore(load());
    this.#listen();
    nameKeys(document);
    document.body.classList.add("ready");
  }

  async start() {
    try {
      const { data } = await this.api.get("v1/models");
      this.#showModels(data.map(({ id }) => id));
      await this.#chooseModel();
      if (matchMedia("(hover: hover)").matches) this.#focusText(); // on a phone, that opens a keyboard
    } catch (error) {
      this.#failed(error);
      if (error instanceof Away) setTimeout(() => this.start(), RETRY);
    }
  }

  /** What the parts of the page may ask of it. */
  #forParts() {
    return {
      model: () => element("model").value,
      text: () => this.pages.text,
      prompt: () => promptOf(this.pages.text, this.editor.caret).prompt,
      sampling: () => this.settings.sampling,
      conditions: () => ({ ...this.settings.conditions, ...this.settings.maxCopy }),
      seed: () => this.settings.seed,
      isQuiet: () => this.#isQuiet(),
      isAtEnd: () => this.editor.caret === this.pages.text.length,
      knows: (letter) => this.models.get(element("model").value)?.characters.includes(letter) ?? true,
      say: (text) => this.#say(text),
      showGhost: (text) => this.#showGhost(text),
      insert: (text, action, request, offset) => this.#insert(text, action, request, offset),
      redraw: () => this.#redraw(),
      changed: () => this.#saveSoon(),
      failed: (error, place) => this.#failed(error, place),
    };
  }

  /** Whether nothing can or should be suggested. */
  #isQuiet() {
    const writesText = this.models.get(element("model").value)?.records === false;
    const isBusy = this.editor.isComposing || this.editor.hasSelection || Boolean(this.writing);
    return !writesText || isBusy || this.isAway || document.hidden;
  }

  // What is kept

  #restore(saved, caret = Infinity) {
    this.history = new History(saved.history);
    this.pages = new Pages(saved.pieces ?? []);
    this.records.batches = saved.batches ?? [];
    this.settings.values = saved.settings ?? {};
    this.model = saved.model;
    this.revision = saved.revision ?? "";
    for (const panel of document.querySelectorAll("aside details")) {
      if (saved.panels?.[panel.id] !== undefined) panel.open = saved.panels[panel.id];
    }
    this.suggestions.typed("");
    this.editor.show(this.pages, Math.min(caret, this.pages.text.length));
    this.#refresh(0);
    this.records.show();
  }

  #content() {
    const panels = {};
    for (const panel of document.querySelectorAll("aside details[id]")) panels[panel.id] = panel.open;
    return {
      pieces: this.pages.pieces,
      history: this.history,
      settings: this.settings.values,
      model: element("model").value || this.model,
      batches: this.records.batches,
      panels,
    };
  }

  #saveSoon() {
    if (!this.isDirty) this.dirtySince = performance.now();
    this.isDirty = true;
    clearTimeout(this.saving);
    const left = this.dirtySince + SAVE_AT_LEAST - performance.now();
    this.saving = setTimeout(() => this.#save(), Math.max(0, Math.min(SAVE_PAUSE, left)));
  }

  #save() {
    clearTimeout(this.saving);
    if (!this.isDirty) return;
    const kept = load();
    // another tab has saved meanwhile: its steps become branches
    if (kept.history && kept.revision !== this.revision) this.history.merge(kept.history.steps);
    this.isDirty = false;
    this.revision = newId();
    this.history.isSealed = true;
    const result = save({ ...this.#content(), revision: this.revision }, (content) => {
      const history = content.history.smaller();
      return history && { ...content, history };
    });
    if (result === "some") this.#say("The browser's storage is full: after a reload, old branches will be missing. Export keeps them.", true);
    if (result === "none") this.#say("The browser cannot keep this page; export it.", true);
  }

  /** Another tab has saved: show that, unless something here is not saved yet. */
  #adopt() {
    const kept = load();
    const isBusy = this.isDirty || this.writing || this.records.running || this.editor.isComposing;
    if (isBusy || !kept.history || kept.revision === this.revision) return;
    this.#restore(kept, this.editor.caret);
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.pages.text);
      this.#say("Copied.");
    } catch {
      this.#say("The browser does not allow copying; select the text instead.", true);
    }
  }

  #export() {
    const content = {
      format: "charrnn page",
      version: 1,
      exported: new Date().toISOString(),
      text: this.pages.text,
      ...this.#content(),
    };
    delete content.panels;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
    link.download = `charrnn-${content.exported.slice(0, 16).replaceAll(/[:T]/g, "-")}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  // Models

  #showModels(names) {
    const options = names.map((name) => new Option(name, name));
    element("model").replaceChildren(...options);
    if (names.includes(this.model)) element("model").value = this.model;
  }

  async #chooseModel() {
    const name = element("model").value;
    this.#stopWriting();
    this.suggestions.rest();
    this.#say(`Loading ${name}…`);
    try {
      if (!this.models.has(name)) {
        this.models.set(name, await this.api.get(`v1/models/${encodeURIComponent(name)}`));
      }
    } finally {
      if (element("model").value === name) this.#say("");
    }
    if (element("model").value !== name) return; // another one was chosen meanwhile
    const { records } = this.models.get(name);
    document.querySelector(".writing").hidden = records;
    document.querySelector(".listing").hidden = !records;
    for (const id of ["next", "history", "surprise", "copy-text"]) element(id).hidden = records;
    for (const id of ["until", "max_tokens"]) element(id).closest(".field").hidden = records;
    document.title = `Write with ${name}`;
    this.#saveSoon();
    this.records.show();
    if (records) return;
    this.surprise.changed(0);
    this.suggestions.moved();
  }

  // Changes of the text

  /** What the person typed, pasted or deleted. */
  #typed() {
    const area = element("text");
    const change = changeBetween(this.pages.text, area.value, area.selectionStart);
    this.composed = null;
    if (!change.removed && !change.inserted) {
      this.#afterChange(change.at);
      return;
    }
    this.#stopWriting();
    const inserted = change.inserted ? [{ text: change.inserted, by: "you" }] : [];
    const removed = this.pages.splice(change.at, change.removed.length, inserted);
    this.history.add({ action: "type", at: change.at, removed, inserted });
    this.suggestions.typed(change.removed ? "" : change.inserted);
    this.#afterChange(change.at);
    this.#revealCaret();
  }

  /** What the model wrote, put at the cursor in place of what is selected. */
  #insert(text, action, request, offset) {
    if (!text) return;
    this.#stopWriting();
    const [at, end] = this.editor.selected;
    const inserted = [{ text, by: "model" }];
    const { from } = promptOf(this.pages.text, at - offset);
    const removed = this.pages.splice(at, end - at, inserted);
    const step = { action, at, removed, inserted, model: element("model").value };
    if (request) Object.assign(step, { request, offset, from });
    this.history.add(step);
    this.suggestions.typed(text);
    this.editor.show(this.pages, at + text.length);
    this.#afterChange(at);
    this.#focusText();
    this.#revealCaret();
  }

  #afterChange(at) {
    this.#refresh(at);
    this.#saveSoon();
  }

  #refresh(at) {
    this.caret = String(this.editor.selected);
    this.surprise.changed(at);
    this.suggestions.ask(); // the server works while the page is drawn
    this.#redraw();
    this.suggestions.show();
    this.#showState();
  }

  #redraw() {
    this.editor.levels = this.surprise.levels;
    this.editor.draw(this.composed ?? this.pages);
    this.#showDetails(this.editor.caret);
  }

  #showGhost(text) {
    if (text === this.editor.ghost) return;
    this.editor.showGhost(text, this.pages);
    const visible = this.editor.visibleGhost;
    element("spoken").textContent = visible ? `Suggestion: ${visible}` : "";
  }

  #showState() {
    const count = this.pages.text.length - (this.pages.text.match(/[\udc00-\udfff]/g)?.length ?? 0);
    element("count").textContent = count ? `${count.toLocaleString("en")} characters` : "";
    setDisabled(element("undo"), !this.history.canUndo);
    setDisabled(element("redo"), !this.history.canRedo);
    setDisabled(element("again"), Boolean(this.writing) || this.history.step?.action !== "write");
    setDisabled(element("new"), !this.pages.text);
    element("write").textContent = this.writing ? "Stop" : "Write on";
    element("write").setAttribute("aria-pressed", String(Boolean(this.writing)));
    if (element("history").open) this.tree.show();
  }

  #undo() {
    this.#stopWriting();
    const step = this.history.undo(this.pages);
    if (step) this.#show(step.at + lengthOf(step.removed), step.at);
  }

  #redo() {
    this.#stopWriting();
    const step = this.history.redo(this.pages);
    if (step) this.#show(step.at + lengthOf(step.inserted), step.at);
  }

  #goTo(id) {
    this.#stopWriting();
    this.history.goTo(id, this.pages);
    const step = this.history.step;
    this.#show(step ? step.at + lengthOf(step.inserted) : 0, 0);
  }

  #show(caret, changedAt) {
    this.suggestions.typed("");
    this.editor.show(this.pages, caret);
    this.#afterChange(changedAt);
    this.#revealCaret();
  }

  #newPage() {
    this.#stopWriting();
    if (!this.pages.text) return;
    const removed = this.pages.splice(0, this.pages.text.length, []);
    this.history.add({ action: "new", at: 0, removed, inserted: [] });
    this.#show(0, 0);
    this.#focusText();
  }

  // Writing on

  #writeOrStop() {
    if (this.writing) this.#stopWriting();
    else this.#write(this.settings.seed);
  }

  #stopWriting() {
    this.writing?.abort();
    this.writing = null;
  }

  /** Take back what the model wrote last, and write it with another seed: a branch. */
  #again() {
    if (this.writing || this.history.step?.action !== "write") return;
    const step = this.history.undo(this.pages);
    this.editor.show(this.pages);
    this.editor.select(step.at, step.at + lengthOf(step.removed));
    this.#write(randomSeed());
  }

  /** The request for a text after the cursor. */
  #request(seed) {
    const { sampling, conditions, maxCopy, until, maxTokens } = this.settings;
    const request = { ...sampling, ...maxCopy, ...conditions, seed };
    if (Object.keys(conditions).length) {
      if (maxTokens !== undefined) request.max_tokens = maxTokens;
      if (this.settings.canEndSentence && UNTIL_END[until]) {
        request.match = UNTIL_END[until];
        request.max_tokens ??= LONG_SENTENCE;
      }
    } else if (until) {
      request.until = until;
      request.max_tokens = 1;
    } else {
      request.max_tokens = LONGEST;
    }
    return request;
  }

  async #write(seed) {
    const request = this.#request(seed);
    const isEndless = request.max_tokens === LONGEST;
    const model = element("model").value;
    const area = element("text");
    const end = this.editor.selected[1];
    let at = this.editor.caret;
    const { prompt, from } = promptOf(this.pages.text, at);
    const isInLine = prompt !== "" && !prompt.endsWith("\n");
    const newline = isInLine && OF_LINES.some((name) => name in request) ? "\n" : "";
    this.settings.clearErrors();
    this.#hideError();
    const writing = new AbortController();
    this.writing = writing;
    this.suggestions.rest();
    this.#showState();
    let step = null;
    let text = "";
    let drawn = performance.now();
    const begun = drawn;
    let expected = at; // the cursor, unless the person has moved it
    const draw = async () => {
      const selected = this.editor.selected;
      const isFollowed = selected.every((place) => place === expected);
      const isInSight = this.#isInSight(this.editor.boxAt(expected));
      expected = at + text.length;
      this.editor.show(this.pages, expected);
      if (!isFollowed) this.editor.select(...selected);
      else if (isInSight) this.#revealCaret();
      drawn = await nextFrame();
    };
    try {
      const body = { model, prompt: prompt + newline, unknown: "skip", ...request };
      for await (const { choices, notices } of this.api.stream("v1/completions", body, writing.signal)) {
        if (writing.signal.aborted) break;
        if (notices) this.#say(notices.join("; "));
        const more = choices[0]?.text.replaceAll(/\r\n?/g, "\n"); // as the text area has it
        if (!more) continue;
        if (!step) {
          step = this.#beginStep(at, end, newline, { model, request, offset: 0, from });
          at += newline.length;
          this.editor.show(this.pages, at);
          expected = at;
        }
        this.pages.splice(at + text.length, 0, [{ text: more, by: "model" }]);
        text += more;
        step.inserted = [{ text, by: "model" }];
        if (performance.now() - drawn > FRAME) await draw();
        while (isEndless && text.length > (drawn - begun) * PACE && !writing.signal.aborted) await draw();
      }
    } catch (error) {
      if (!writing.signal.aborted) this.#failed(error, element("error"));
    } finally {
      if (this.writing === writing) this.writing = null;
      // the request for just this text, so that it can be replayed
      if (isEndless && step) step.request = { ...request, max_tokens: [...text].length };
      if (area.value !== this.pages.text) await draw();
      this.#afterChange(at);
    }
  }

  /** Remove what is selected, and begin a step at its place, in a new line if ``newline`` is one. */
  #beginStep(at, end, newline, source) {
    const inserted = newline ? [{ text: newline, by: "you" }] : [];
    const removed = this.pages.splice(at, end - at, inserted);
    if (newline) {
      this.history.isSealed = true;
      this.history.add({ action: "type", at, removed, inserted });
    }
    const step = { action: "write", at: at + newline.length, removed: newline ? [] : removed, inserted: [], ...source };
    return this.history.add(step);
  }

  #isInSight(box) {
    const end = document.querySelector(".writing .toolbar").getBoundingClientRect().top;
    return !box || (box.top >= MARGIN && box.bottom <= end - box.height - MARGIN);
  }

  /** Scroll so far that the line of the cursor can be seen above the toolbar. */
  #revealCaret() {
    const box = this.editor.boxAt(this.editor.caret);
    if (this.#isInSight(box)) return;
    const end = document.querySelector(".writing .toolbar").getBoundingClientRect().top;
    // with room for a second line of a suggestion
    scrollBy(0, box.top < MARGIN ? box.top - 2 * MARGIN : box.bottom - end + box.height + 2 * MARGIN);
  }

  // What goes wrong

  #failed(error, place = null) {
    if (error instanceof Away) {
      this.#wait();
    } else if (error instanceof Refused) {
      const message = inPageWords(error.message, element("model").value);
      if (error.status >= 429 && !place) this.#say(message);
      else if (!this.settings.showError(error.param, message, place !== null)) this.#showError(message, place);
    } else {
      this.#showError(String(error), place);
      console.error(error);
    }
  }

  #showError(message, place) {
    const target = place ?? element("error");
    target.textContent = message;
    target.hidden = false;
  }

  #hideError() {
    element("error").hidden = true;
  }

  #say(message, isAlarming = false) {
    element("status").textContent = message;
    element("status").classList.toggle("away", isAlarming);
  }

  /** The server is away: say so, and wait until it is back. What was written is kept meanwhile. */
  async #wait() {
    if (this.isAway) return;
    this.isAway = true;
    this.suggestions.rest();
    this.#say(AWAY, true);
    this.#showError(AWAY, element("error")); // in sight where one writes
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, RETRY));
      try {
        await this.api.get("health");
        break;
      } catch (error) {
        if (!(error instanceof Away)) break;
      }
    }
    this.isAway = false;
    this.#say("");
    if (element("error").textContent === AWAY) this.#hideError();
    if (this.models.has(element("model").value)) this.suggestions.refresh();
    else this.start();
  }

  // Events

  #listen() {
    const area = element("text");
    area.addEventListener("input", () => {
      if (!this.isAway) this.#hideError();
      if (this.editor.isComposing) this.#composing();
      else this.#typed();
    });
    area.addEventListener("compositionend", () => this.#typed());
    area.addEventListener("beforeinput", (event) => {
      if (event.inputType !== "historyUndo" && event.inputType !== "historyRedo") return;
      event.preventDefault();
      if (event.inputType === "historyUndo") this.#undo();
      else this.#redo();
    });
    area.addEventListener("keydown", (event) => this.#onTextKey(event));
    area.addEventListener("click", (event) => {
      if (this.editor.isOnGhost(event.clientX, event.clientY)) this.suggestions.take("word", this.editor.visibleGhost);
    });
    area.addEventListener("blur", () => this.#showGhost(""));
    area.addEventListener("focus", () => this.suggestions.refresh());
    area.addEventListener("compositionstart", () => this.#stopWriting());
    document.addEventListener("selectionchange", () => this.#caretMoved());
    addEventListener("keydown", (event) => this.#onKey(event));
    addEventListener("pagehide", () => this.#save());
    addEventListener("pageshow", (event) => {
      if (event.persisted) this.#adopt();
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.suggestions.refresh();
    });
    onChange(() => this.#adopt());
    document.querySelector(".sheet").addEventListener("pointermove", (event) => this.#pointed(event));
    const clicks = {
      write: () => this.#writeOrStop(),
      again: () => this.#again(),
      undo: () => this.#undo(),
      redo: () => this.#redo(),
      new: () => this.#newPage(),
      others: () => this.suggestions.otherPhrases(),
      "copy-text": () => this.#copy(),
      export: () => this.#export(),
      surprise: () => this.#toggleSurprise(),
      help: () => element("keys").showModal(),
    };
    for (const [id, action] of Object.entries(clicks)) onPress(element(id), action);
    element("model").addEventListener("change", () => this.#chooseModel().catch((error) => this.#failed(error)));
    for (const panel of document.querySelectorAll("aside details[id]")) {
      panel.addEventListener("toggle", () => {
        if (panel.id === "history" && panel.open) this.tree.show();
        this.#saveSoon();
      });
    }
  }

  #onTextKey(event) {
    if (event.isComposing || this.editor.isComposing) return;
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
    const forward = endsRightToLeft(this.pages.text.slice(0, this.editor.caret)) ? "ArrowLeft" : "ArrowRight";
    const visible = this.editor.visibleGhost;
    if (!isPlain || !visible) return;
    if (event.key === "Tab") this.suggestions.take("word", visible);
    else if (event.key === forward) this.suggestions.take("character", visible);
    else if (event.key === "Escape") this.suggestions.dismiss();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #onKey(event) {
    if (document.querySelector("dialog[open]") || event.isComposing) return;
    const isText = !document.querySelector(".writing").hidden;
    let action = null;
    if (event.key === "Escape" && this.writing) action = () => this.#stopWriting();
    else if (isCommand(event) && event.key === "Enter") action = () => (isText ? this.#writeOrStop() : this.records.more());
    else if (isText && isCommand(event) && !isField(event.target)) action = this.#undoKey(event);
    else if (isText && !isField(event.target)) action = this.#shortcut(event);
    if (!action) return;
    event.preventDefault();
    action();
  }

  #undoKey(event) {
    const key = event.key.toLowerCase();
    if (key === "z") return event.shiftKey ? () => this.#redo() : () => this.#undo();
    return key === "y" ? () => this.#redo() : null;
  }

  #shortcut(event) {
    const actions = {
      1: () => this.suggestions.takePhrase(0),
      2: () => this.suggestions.takePhrase(1),
      3: () => this.suggestions.takePhrase(2),
      r: () => this.suggestions.otherPhrases(),
      n: () => this.#again(),
      s: () => this.#toggleSurprise(),
    };
    return actions[shortcut(event)];
  }

  /** During a composition the text is shown as it is, and nothing is suggested. */
  #composing() {
    const area = element("text");
    const change = changeBetween(this.pages.text, area.value, area.selectionStart);
    this.composed = new Pages(this.pages.pieces);
    this.composed.splice(change.at, change.removed.length, [{ text: change.inserted, by: "you" }]);
    this.suggestions.rest();
    this.#redraw();
    this.#revealCaret();
  }

  #caretMoved() {
    if (document.activeElement !== element("text") || this.editor.isComposing || this.writing) return;
    const caret = String(this.editor.selected);
    if (element("text").value !== this.pages.text || this.caret === caret) return;
    this.caret = caret;
    if (this.surprise.isOn) {
      this.editor.markCaret();
      this.#showDetails(this.editor.caret);
    }
    this.#revealCaret();
    this.suggestions.moved();
  }

  #settingsChanged() {
    this.#saveSoon();
    if (!this.isAway) this.#hideError();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.suggestions.moved(), SETTLED);
  }

  #toggleSurprise() {
    this.surprise.toggle();
    element("surprise").setAttribute("aria-pressed", String(this.surprise.isOn));
  }

  #pointed(event) {
    if (!this.surprise.isOn || event.pointerType === "touch") return;
    const place = this.editor.placeAt(event.clientX, event.clientY);
    if (place !== null) this.#showDetails(place);
  }

  #showDetails(place) {
    const text = this.surprise.isOn ? this.surprise.describe(place) : "";
    element("details").textContent = text;
    element("details").hidden = !text;
  }

  #focusText() {
    element("text").focus({ preventScroll: true });
  }
}

/**
 * What the model reads of the text before the cursor, and where that begins. It moves in large steps,
 * since the server reads a text that begins elsewhere from its start.
 */
function promptOf(text, caret) {
  const from = Math.max(0, Math.floor((caret - MOST_READ) / READ_STEP) * READ_STEP);
  return { from, prompt: text.slice(from, caret) };
}

/** The next moment to draw; in a tab that is hidden there are no frames. */
function nextFrame() {
  if (document.hidden) return new Promise((resolve) => setTimeout(() => resolve(performance.now()), FRAME));
  return new Promise((resolve) => requestAnimationFrame(resolve));
}

/** Whether a key belongs to a field of the form, which has an undo of its own. */
function isField(target) {
  return target !== element("text") && target.matches("input, textarea");
}

async function askForKey() {
  const dialog = element("ask-key");
  if (!dialog.open) dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return element("key").value;
}

new Page().start();
