// Editor: the text area, and what is drawn under it: who wrote what, the suggestion, the colours.

export class Editor {
  /**
   * @param {HTMLTextAreaElement} area
   * @param {HTMLElement} ink
   */
  constructor(area, ink) {
    this.area = area;
    this.ink = ink;
    this.ghost = "";
    this.levels = null; // of surprise, for each code unit from the first on; null for none
    this.isComposing = false;
    area.addEventListener("compositionstart", () => {
      this.isComposing = true;
      this.ghost = "";
    });
    area.addEventListener("compositionend", () => {
      this.isComposing = false;
    });
  }

  get caret() {
    return this.area.selectionStart;
  }

  get hasSelection() {
    return this.area.selectionStart !== this.area.selectionEnd;
  }

  /** Whether the cursor is where a suggestion can be shown: at the end of a line. */
  get isAtLineEnd() {
    const following = this.area.value[this.area.selectionEnd];
    return !this.hasSelection && (following === undefined || following === "\n");
  }

  /** Show a text; the cursor goes to a place, if one is given. */
  show(pages, caret = null) {
    if (this.area.value !== pages.text) {
      const place = caret ?? Math.min(this.caret, pages.text.length);
      this.area.value = pages.text;
      this.area.setSelectionRange(place, place);
    } else if (caret !== null) {
      this.area.setSelectionRange(caret, caret);
    }
    this.draw(pages);
  }

  draw(pages) {
    const nodes = this.levels ? this.#coloured(pages) : this.#plain(pages);
    if (this.ghost && this.isAtLineEnd) this.#addGhost(nodes, pages.text.length);
    // an empty last line has no height without a character
    nodes.push(document.createTextNode("\u200b"));
    this.ink.replaceChildren(...nodes);
  }

  #plain(pages) {
    const nodes = [];
    let place = 0;
    const isInside = this.caret < pages.text.length;
    for (const { text, by } of pages.pieces) {
      // split at the cursor, where the suggestion goes
      const cut = this.ghost && isInside ? Math.max(0, Math.min(text.length, this.caret - place)) : 0;
      for (const part of [text.slice(0, cut), text.slice(cut)]) {
        if (part) nodes.push(written(part, by, place));
        place += part.length;
      }
    }
    return nodes;
  }

  /** A node for each character, so that the pointer can find it. */
  #coloured(pages) {
    const nodes = [];
    let place = 0;
    for (const { text, by } of pages.pieces) {
      for (const char of text) {
        const node = document.createElement("span");
        node.textContent = char;
        node.className = by === "model" ? "by-model" : "";
        const level = this.levels[place] ?? 0;
        if (level > 0) node.classList.add("unlikely", `unlikely-${level}`);
        if (place === this.caret) node.classList.add("unlikely", "here");
        node.dataset.place = place;
        nodes.push(node);
        place += char.length;
      }
    }
    return nodes;
  }

  /** Move the mark of the cursor on the coloured text. */
  markCaret() {
    this.ink.querySelector(".here")?.classList.remove("here");
    this.ink.querySelector(`[data-place="${this.caret}"]`)?.classList.add("unlikely", "here");
  }

  #addGhost(nodes, length) {
    const ghost = document.createElement("span");
    ghost.className = "ghost";
    if (this.caret === length) {
      ghost.textContent = this.ghost;
      nodes.push(ghost);
      return;
    }
    // within the text, it lies over the rest of its line and moves nothing
    ghost.classList.add("over");
    ghost.textContent = this.ghost.split("\n", 1)[0];
    const next = nodes.findIndex((node) => Number(node.dataset?.place) >= this.caret);
    nodes.splice(next < 0 ? nodes.length : next, 0, ghost);
  }

  /** The place of the character under a point of the window; null without one. */
  placeAt(x, y) {
    for (const element of document.elementsFromPoint(x, y)) {
      if (element.dataset.place !== undefined && this.ink.contains(element)) {
        return Number(element.dataset.place);
      }
    }
    return null;
  }
}

function written(text, by, place) {
  const node = document.createElement("span");
  node.textContent = text;
  node.dataset.place = place;
  if (by === "model") node.className = "by-model";
  return node;
}

