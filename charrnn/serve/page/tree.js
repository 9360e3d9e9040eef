// The history as a list; branches are indented.

import { lengthOf, textOf } from "./document.js";
import { shown } from "./text.js";

const NAMES = {
  type: "you",
  word: "word",
  character: "letter",
  phrase: "phrase",
  write: "model",
  new: "new page",
};

export class Tree {
  /** @param {(id: string) => void} chosen called with the step to return to */
  constructor(list, history, chosen) {
    this.list = list;
    this.history = history;
    this.chosen = chosen;
    this.shape = null; // of the history that is shown
    list.addEventListener("click", (event) => this.#choose(event.target));
    list.addEventListener("keydown", (event) => this.#onKey(event));
  }

  show() {
    const history = this.history();
    const shape = `${history.current} ${history.steps.size}`;
    if (this.shape === shape && this.list.childElementCount) {
      const what = this.list.querySelector('[aria-current="step"] .what');
      if (history.step) what.textContent = summary(history.step);
      return;
    }
    this.shape = shape;
    const path = new Set(history.pathTo(history.current));
    const items = document.createDocumentFragment();
    for (const item of [this.#item(history, "", path), ...this.#rest(history, "", path)]) items.append(item);
    this.list.replaceChildren(items);
    const current = this.list.querySelector('[aria-current="step"]');
    current?.setAttribute("tabindex", "0");
    // without moving the page
    if (current) this.list.scrollTop = current.offsetTop - this.list.offsetTop - this.list.clientHeight / 2;
  }

  /** The items after a step: a chain stays in the same list, branches get lists of their own. */
  #rest(history, id, path) {
    const items = [];
    let children = history.childrenOf(id);
    while (children.length === 1) {
      const [only] = children;
      items.push(this.#item(history, only, path));
      children = history.childrenOf(only);
    }
    for (const child of children) {
      const branch = document.createElement("li");
      const list = document.createElement("ul");
      branch.setAttribute("role", "none");
      list.setAttribute("role", "group");
      for (const item of [this.#item(history, child, path), ...this.#rest(history, child, path)]) list.append(item);
      branch.append(list);
      items.push(branch);
    }
    return items;
  }

  #item(history, id, path) {
    const step = history.steps.get(id);
    const item = document.createElement("li");
    const who = document.createElement("span");
    const what = document.createElement("span");
    who.className = "who";
    what.className = "what";
    who.textContent = step ? NAMES[step.action] : "start";
    what.textContent = step ? summary(step) : "";
    item.append(who, what);
    item.dataset.step = id;
    item.setAttribute("role", "treeitem");
    item.tabIndex = -1;
    if (id === history.current) item.setAttribute("aria-current", "step");
    if (id !== "" && !path.has(id)) item.classList.add("off");
    return item;
  }

  #choose(element) {
    const item = element.closest("[data-step]");
    if (item) this.chosen(item.dataset.step);
  }

  #onKey(event) {
    const items = [...this.list.querySelectorAll("[data-step]")];
    const place = items.indexOf(document.activeElement);
    if (event.key === "Enter" || event.key === " ") {
      this.#choose(event.target);
      this.list.querySelector('[aria-current="step"]')?.focus();
    } else if (event.key === "ArrowDown") {
      items[Math.min(place + 1, items.length - 1)]?.focus();
    } else if (event.key === "ArrowUp") {
      items[Math.max(place - 1, 0)]?.focus();
    } else {
      return;
    }
    event.preventDefault();
  }
}

function summary(step) {
  if (step.action === "new") return "";
  const inserted = textOf(step.inserted);
  if (!inserted) return `− ${lengthOf(step.removed)} characters`;
  return shown(inserted.slice(0, 80)); // the style sheet cuts it to the width of the list
}
