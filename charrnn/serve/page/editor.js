// Editor: the text area, and what is drawn under it: who wrote what, the suggestion, the colours.
// The text is drawn in one block per line, so that a key changes only the block of its line.

const EMPTY = "\u200b"; // gives an empty line its height, and lets a line break before a suggestion

export class Editor {
  /**
   * @param {HTMLTextAreaElement} area
   * @param {HTMLElement} ink
   * @param {HTMLElement} mark the frame around the character at the cursor
   */
  constructor(area, ink, mark) {
    this.area = area;
    this.ink = ink;
    this.mark = mark;
    this.ghost = "";
    this.levels = null; // of surprise, by place; null for none
    this.isComposing = false;
    this.lines = []; // { key, node, start } of each line that is drawn
    this.remembered = [0, 0];
    area.addEventListener("focus", () => this.area.setSelectionRange(...this.remembered));
    area.addEventListener("compositionstart", () => {
      this.isComposing = true;
      this.ghost = "";
    });
    area.addEventListener("compositionend", () => {
      this.isComposing = false;
    });
  }

  /** Where the selection starts and ends; a text area without the focus may forget it. */
  get selected() {
    if (document.activeElement === this.area) {
      this.remembered = [this.area.selectionStart, this.area.selectionEnd];
    }
    return this.remembered;
  }

  select(start, end = start) {
    this.remembered = [start, end];
    this.area.setSelectionRange(start, end);
  }

  get caret() {
    return this.selected[0];
  }

  get hasSelection() {
    const [start, end] = this.selected;
    return start !== end;
  }

  /** What is drawn of the suggestion: it needs the end of a line, and its space. */
  get visibleGhost() {
    const following = this.area.value[this.caret];
    if (this.hasSelection || this.isComposing) return "";
    if (following === undefined) return this.ghost;
    return following === "\n" ? this.ghost.split("\n", 1)[0] : "";
  }

  /** Show a text; the cursor goes to a place, if one is given. */
  show(pages, caret = null) {
    if (this.area.value !== pages.text && !this.isComposing) {
      const place = caret ?? Math.min(this.caret, pages.text.length);
      this.area.value = pages.text;
      this.select(place);
    } else if (caret !== null) {
      this.select(caret);
    }
    this.draw(pages);
  }

  draw(pages) {
    this.ink.querySelector(".ghost")?.remove();
    this.#replaceLines(this.#linesOf(pages));
    this.#drawGhost(pages);
    this.markCaret();
  }

  /** Draw the suggestion alone. */
  showGhost(text, pages) {
    this.ink.querySelector(".ghost")?.remove();
    this.ghost = text;
    this.#drawGhost(pages);
  }

  /** Frame the character at the cursor, if the text is coloured. */
  markCaret() {
    const box = this.levels && this.isDrawn(this.caret) ? this.boxAt(this.caret, 1) : null;
    this.mark.hidden = !box || box.width === 0;
    if (this.mark.hidden) return;
    const sheet = this.ink.getBoundingClientRect();
    this.mark.style.transform = `translate(${box.left - sheet.left}px, ${box.top - sheet.top}px)`;
    this.mark.style.width = `${box.width}px`;
    this.mark.style.height = `${box.height}px`;
  }

  isDrawn(place) {
    return place < this.area.value.length && this.area.value[place] !== "\n";
  }

  /** The box of some characters in the window. */
  boxAt(place, length = 0) {
    const line = this.#lineAt(place);
    if (!line) return null;
    let rest = place - line.start;
    const range = document.createRange();
    for (const node of textNodes(line.node)) {
      if (rest < node.length || (rest === node.length && node === lastTextNode(line.node))) {
        range.setStart(node, rest);
        range.setEnd(node, Math.min(node.length, rest + length));
        const [box] = range.getClientRects();
        return box ?? line.node.getBoundingClientRect();
      }
      rest -= node.length;
    }
    return line.node.getBoundingClientRect();
  }

  /** The place of the character under a point of the window; null without one. */
  placeAt(x, y) {
    const part = document.elementsFromPoint(x, y).find((element) => element.matches(".ink span:not(.ghost)"));
    const line = this.lines.find(({ node }) => node === part?.parentElement);
    if (!line) return null;
    let start = line.start;
    for (const node of textNodes(line.node)) {
      if (node.parentElement === part) break;
      start += node.length;
    }
    for (let offset = 0; offset < part.firstChild.length; offset += 1) {
      const box = this.boxAt(start + offset, 1);
      if (x >= box.left && x < box.right && y >= box.top && y < box.bottom) return start + offset;
    }
    return null;
  }

  /** Whether a point of the window is on the suggestion. */
  isOnGhost(x, y) {
    const boxes = [...(this.ink.querySelector(".ghost")?.getClientRects() ?? [])];
    return boxes.some((box) => x >= box.left && x < box.right && y >= box.top && y < box.bottom);
  }

  #lineAt(place) {
    let low = 0;
    let high = this.lines.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.lines[middle].start <= place) low = middle;
      else high = middle - 1;
    }
    return this.lines[low];
  }

  /** The lines of a text: where each starts, and its parts of one writer and one colour. */
  #linesOf(pages) {
    const lines = [{ start: 0, parts: [] }];
    let place = 0;
    for (const { text, by } of pages.pieces) {
      for (const [index, part] of text.split("\n").entries()) {
        if (index > 0) {
          place += 1;
          lines.push({ start: place, parts: [] });
        }
        if (part) lines.at(-1).parts.push(...this.#parts(part, by, place));
        place += part.length;
      }
    }
    for (const line of lines) line.key = JSON.stringify(line.parts);
    return lines;
  }

  #parts(text, by, start) {
    if (!this.levels) return [[text, by, 0]];
    const parts = [];
    for (let offset = 0; offset < text.length; offset += 1) {
      const isSecondHalf = /[\udc00-\udfff]/.test(text[offset]) && offset > 0;
      const level = isSecondHalf ? parts.at(-1)[2] : (this.levels[start + offset] ?? 0);
      if (parts.at(-1)?.[2] === level) parts.at(-1)[0] += text[offset];
      else parts.push([text[offset], by, level]);
    }
    return parts;
  }

  /** Replace the nodes of the lines that have changed. */
  #replaceLines(lines) {
    const old = this.lines;
    const most = Math.min(old.length, lines.length);
    let first = 0;
    while (first < most && old[first].key === lines[first].key) first += 1;
    let last = 0;
    while (last < most - first && old.at(-1 - last).key === lines.at(-1 - last).key) last += 1;
    for (const { node } of old.slice(first, old.length - last)) node.remove();
    const following = last ? old[old.length - last].node : null;
    const added = document.createDocumentFragment();
    for (const [index, line] of lines.entries()) {
      if (index < first) line.node = old[index].node;
      else if (index >= lines.length - last) line.node = old[index - lines.length + old.length].node;
      else added.append((line.node = lineNode(line.parts)));
    }
    this.ink.insertBefore(added, following);
    this.lines = lines;
  }

  #drawGhost(pages) {
    const text = this.visibleGhost;
    this.area.classList.toggle("offered", text !== ""); // hides the placeholder
    if (!text) return;
    const ghost = document.createElement("span");
    ghost.className = "ghost";
    if (this.caret < pages.text.length) ghost.classList.add("over"); // it moves nothing
    ghost.textContent = EMPTY + text;
    this.#lineAt(this.caret).node.append(ghost);
  }
}

function lineNode(parts) {
  const node = document.createElement("div");
  if (!parts.length) node.textContent = EMPTY;
  for (const [text, by, level] of parts) {
    const part = document.createElement("span");
    part.textContent = text;
    if (by === "model") part.className = "by-model";
    if (level > 0) part.classList.add(`unlikely-${level}`);
    node.append(part);
  }
  return node;
}

function textNodes(line) {
  const parts = [...line.childNodes].filter((node) => !node.matches?.(".ghost"));
  return parts.map((node) => node.firstChild ?? node);
}

function lastTextNode(line) {
  return textNodes(line).at(-1);
}
