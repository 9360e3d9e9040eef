// Records: a list of what a model of records wrote, for models of names, molecules and the like.

import { onPress, setDisabled } from "./buttons.js";

const AT_ONCE = 10;

export class Records {
  /**
   * @param {import("./api.js").Api} api
   * @param {object} page model(), sampling(), conditions(), seed(), changed(), failed(error, element)
   */
  constructor(api, page) {
    this.api = api;
    this.page = page;
    this.batches = []; // { model, request, records }
    this.cleared = null; // batches that can come back
    this.running = null; // what stops the request that is being answered
    this.element = (id) => document.getElementById(id);
    onPress(this.element("more"), () => this.more());
    onPress(this.element("copy"), () => this.#copy(this.texts.join("\n"), this.element("copy")));
    this.element("beginning").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) this.more();
    });
    onPress(this.element("clear"), () => this.#clear());
  }

  get texts() {
    const model = this.page.model();
    return this.batches.filter((batch) => batch.model === model).flatMap((batch) => batch.records);
  }

  async more() {
    if (this.running) return;
    const running = new AbortController();
    this.running = running;
    this.cleared = null;
    const request = {
      ...this.page.sampling(),
      ...this.page.conditions(),
      prompt: this.element("beginning").value,
      n: AT_ONCE,
      seed: this.page.seed(),
      unique: this.element("unique").checked,
      new: this.element("new-only").checked,
      echo: true,
    };
    const model = this.page.model();
    const batch = { model, request, records: [] };
    this.element("list-error").hidden = true;
    this.element("tally").textContent = "";
    this.batches.push(batch);
    this.show();
    try {
      for await (const part of this.api.stream("v1/completions", { model, ...request }, running.signal)) {
        const [choice] = part.choices;
        if (choice?.text) {
          batch.records[choice.index] = (batch.records[choice.index] ?? "") + choice.text;
          this.show();
        }
        if (part.notices) this.element("tally").textContent = part.notices.join("; ");
      }
    } catch (error) {
      if (!running.signal.aborted) this.page.failed(error, this.element("list-error"));
    } finally {
      this.running = null;
      batch.records = this.#withoutEarlier(batch);
      if (!batch.records.length) this.batches = this.batches.filter((other) => other !== batch);
      this.show();
      this.page.changed();
    }
  }

  /** Without repeats, those that an earlier request already wrote are left out too. */
  #withoutEarlier(batch) {
    const records = batch.records.filter(Boolean);
    if (!batch.request.unique) return records;
    const earlier = new Set(
      this.batches.filter((other) => other !== batch && other.model === batch.model).flatMap(({ records }) => records),
    );
    return records.filter((record) => !earlier.has(record));
  }

  show() {
    const texts = this.texts;
    const list = this.element("records");
    // what is already there stays, so that the reader's place does too
    const items = [...list.children].slice(0, texts.length);
    for (const [index, text] of texts.entries()) {
      if (items[index]?.firstChild.textContent === text) continue;
      items[index] = this.#item(text);
    }
    list.replaceChildren(...items);
    const canUndo = !texts.length && this.cleared !== null;
    this.element("clear").textContent = canUndo ? "Undo clear" : "Clear";
    setDisabled(this.element("more"), this.running !== null);
    setDisabled(this.element("copy"), !texts.length);
    setDisabled(this.element("clear"), !texts.length && !canUndo);
  }

  #item(text) {
    const item = document.createElement("li");
    const record = document.createElement("span");
    const copy = document.createElement("button");
    record.className = "record";
    record.textContent = text;
    copy.type = "button";
    copy.className = "quiet";
    copy.textContent = "Copy";
    copy.setAttribute("aria-label", `Copy ${text}`);
    copy.addEventListener("click", () => this.#copy(text, copy));
    item.append(record, copy);
    return item;
  }

  #clear() {
    this.running?.abort();
    this.element("list-error").hidden = true;
    if (this.texts.length) {
      this.cleared = this.batches;
      this.batches = this.batches.filter((batch) => batch.model !== this.page.model());
    } else if (this.cleared) {
      this.batches = this.cleared;
      this.cleared = null;
    }
    this.element("tally").textContent = "";
    this.show();
    this.page.changed();
  }

  async #copy(text, button) {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => {
      button.textContent = label;
    }, 1200);
  }
}
