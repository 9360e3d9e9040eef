// History: a tree of steps. Undo goes to the parent; writing after that begins another branch.
//
// Each tab adds steps of its own, under ids that no other tab has. A step that was saved is never
// changed again, since another tab may have built on it.

import { joined, lengthOf, textOf } from "./document.js";

const ROOT = "";
const PAUSE = 3000; // ms, after which typing begins a new step
const LONG = 40; // characters, after which the next word begins one

export class History {
  constructor(saved = { steps: [], current: ROOT, lastChild: [] }) {
    this.steps = new Map();
    this.children = new Map();
    this.current = saved.current;
    this.lastChild = new Map(saved.lastChild); // where redo goes
    this.isSealed = true; // whether the last step must not be extended
    this.merge(saved.steps);
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

  /** Add a step that was taken; typing extends the step before if there was no pause. */
  add(step) {
    const time = Date.now();
    if (this.#extendLast(step, time)) return this.step;
    const added = { id: newId(), parent: this.current, time, ...step };
    this.isSealed = false;
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

  /** Add the steps of another tab. */
  merge(steps) {
    for (const step of steps) {
      if (this.steps.has(step.id)) continue;
      this.steps.set(step.id, step);
      this.#remember(step);
    }
  }

  /** A copy without the older half of what is neither before nor after this step; null if that is all. */
  smaller() {
    const kept = new Set(this.pathTo(this.current));
    for (let id = this.current; id !== undefined; id = this.lastChild.get(id)) kept.add(id);
    const others = [...this.steps.keys()].filter((id) => !kept.has(id));
    if (!others.length) return null;
    const dropped = new Set(others.slice(0, Math.ceil(others.length / 2)));
    const steps = [];
    for (const step of this.steps.values()) {
      // steps come after their parents
      if (dropped.has(step.id) || dropped.has(step.parent)) dropped.add(step.id);
      else steps.push(step);
    }
    const lastChild = [...this.lastChild].filter(([from, to]) => !dropped.has(from) && !dropped.has(to));
    return new History({ steps, current: this.current, lastChild });
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

  /** Make a step part of the last one if it continues it; false if it does not. */
  #extendLast(step, time) {
    const last = this.step;
    if (this.isSealed || !last || last.action !== step.action || this.childrenOf(last.id).length) return false;
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

/** An id that nothing else has. */
export function newId() {
  return [...crypto.getRandomValues(new Uint32Array(2))].map((number) => number.toString(36)).join("");
}

/** Whether what was typed is long enough to be a step of its own. */
function isWhole(step) {
  const text = textOf(step.inserted);
  return text.endsWith("\n") || (text.length >= LONG && text.endsWith(" "));
}

/** Whether a step removes what is before the place where the last one removed something. */
function isBackspace(step, last) {
  const onlyRemove = step.inserted.length === 0 && last.inserted.length === 0;
  return onlyRemove && step.at + lengthOf(step.removed) === last.at;
}
