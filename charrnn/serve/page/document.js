// Pages: text in pieces, each of which was written by "you" or by the "model".

export class Pages {
  constructor(pieces = []) {
    this.pieces = pieces;
    this.text = pieces.map((piece) => piece.text).join("");
  }

  /** Replace what is at a place by other pieces; returns the pieces that were there. */
  splice(at, length, inserted) {
    const before = this.#between(0, at);
    const removed = this.#between(at, at + length);
    const after = this.#between(at + length, this.text.length);
    this.pieces = joined([...before, ...inserted, ...after]);
    this.text = this.pieces.map((piece) => piece.text).join("");
    return removed;
  }

  apply(step) {
    this.splice(step.at, lengthOf(step.removed), step.inserted);
  }

  revert(step) {
    this.splice(step.at, lengthOf(step.inserted), step.removed);
  }

  #between(start, end) {
    const pieces = [];
    let place = 0;
    for (const { text, by } of this.pieces) {
      const part = text.slice(Math.max(0, start - place), Math.max(0, end - place));
      if (part) pieces.push({ text: part, by });
      place += text.length;
      if (place >= end) break;
    }
    return pieces;
  }
}

export function lengthOf(pieces) {
  return pieces.reduce((sum, piece) => sum + piece.text.length, 0);
}

export function textOf(pieces) {
  return pieces.map((piece) => piece.text).join("");
}

/** Pieces without empty ones, neighbours by the same writer being one. */
export function joined(pieces) {
  const result = [];
  for (const { text, by } of pieces) {
    if (!text) continue;
    const last = result.at(-1);
    if (last?.by === by) {
      result[result.length - 1] = { text: last.text + text, by };
    } else {
      result.push({ text, by });
    }
  }
  return result;
}
