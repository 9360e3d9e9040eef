// History: a tree of steps. Undo goes to the parent; writing after that begins another branch.

import { joined, lengthOf, textOf } from "./document.js";

const ROOT = 0;
const PAUSE = 3000; // ms, after which typing begins a new step
const LONG = 40; // characters, after which the next word begins one

export class History {
  constructor(saved = { steps: [], current: ROOT, lastChild: [] }) {
    this.steps = new Map(saved.steps.map((step) => [step.id, step]));
    this.current = saved.current;
    this.lastChild = new Map(saved.lastChild); // where redo goes
    this.newest = Math.max(ROOT, ...this.steps.keys());
    this.children = new Map();
    for (const step of this.steps.values()) this.#remember(step);
  }

  get step() {
    return this.steps.get(this.current);
  }

  get canUndo() {
    return this.current !== ROOT;
  }

  get canRedo() {
    return this.lastChild.has(this.current);
  }

  childrenOf(id) {
    return this.children.get(id) ?? [];
  }

  /** Add a step that was taken; typing goes on in the step before if there was no pause. */
  add(step) {
    const time = Date.now();
    if (this.#extendLast(step, time)) return this.step;
    this.newest += 1;
    const added = { id: this.newest, parent: this.current, time, ...step };
    this.steps.set(added.id, added);
    this.#remember(added);
    this.lastChild.set(this.current, added.id);
    this.current = added.id;
    return added;
  }

  undo(pages) {
    if (!this.canUndo) return null;
    const step = this.step;
    pages.revert(step);
    this.current = step.parent;
    return step;
  }

  redo(pages) {
    if (!this.canRedo) return null;
    const step = this.steps.get(this.lastChild.get(this.current));
    pages.apply(step);
    this.current = step.id;
    return step;
  }

  /** Go to any step: back to where its path leaves this one, then forward. */
  goTo(id, pages) {
    const path = this.pathTo(id);
    const known = new Set(path);
    while (this.current !== ROOT && !known.has(this.current)) this.undo(pages);
    for (const next of path.slice(path.indexOf(this.current) + 1)) {
      this.lastChild.set(this.current, next);
      this.redo(pages);
    }
  }

  /** The steps from the first one to this. */
  pathTo(id) {
    const path = [];
    for (let place = id; place !== ROOT; place = this.steps.get(place).parent) path.unshift(place);
    return path;
  }

  /** Drop the oldest branch that the page does not stand on; false if there is none. */
  prune() {
    const kept = new Set(this.pathTo(this.current));
    for (const step of this.steps.values()) {
      if (kept.has(step.id) || this.childrenOf(step.id).length) continue;
      this.steps.delete(step.id);
      this.children.set(step.parent, this.childrenOf(step.parent).filter((id) => id !== step.id));
      if (this.lastChild.get(step.parent) === step.id) this.lastChild.delete(step.parent);
      return true;
    }
    return false;
  }

  toJSON() {
    return {
      steps: [...this.steps.values()],
      current: this.current,
      lastChild: [...this.lastChild],
    };
  }

  #remember(step) {
    this.children.set(step.parent, [...this.childrenOf(step.parent), step.id]);
  }

  /** Make a step part of the last one if it goes on there; false if it does not. */
  #extendLast(step, time) {
    const last = this.step;
    if (!last || last.action !== step.action || this.childrenOf(last.id).length) return false;
    const end = last.at + lengthOf(last.inserted);
    const isTyped = step.action === "type" && time - last.time < PAUSE;
    const isTaken = step.action === "character" && last.request === step.request;
    if (step.removed.length === 0 && step.at === end && (isTaken || (isTyped && !isWhole(last)))) {
      last.inserted = joined([...last.inserted, ...step.inserted]);
    } else if (isTyped && isBackspace(step, last)) {
      last.at = step.at;
      last.removed = joined([...step.removed, ...last.removed]);
    } else {
      return false;
    }
    last.time = time;
    return true;
  }
}

/** Whether typing has gone on for long enough to be a step of its own. */
function isWhole(step) {
  const text = textOf(step.inserted);
  return text.endsWith("\n") || (text.length >= LONG && text.endsWith(" "));
}

/** Whether a step removes what is before the place where the last one removed something. */
function isBackspace(step, last) {
  const onlyRemove = step.inserted.length === 0 && last.inserted.length === 0;
  return onlyRemove && step.at + lengthOf(step.removed) === last.at;
}
