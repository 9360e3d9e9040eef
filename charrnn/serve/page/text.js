// Functions on strings: what changed, and where a word or a character ends.

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const words = new Intl.Segmenter(undefined, { granularity: "word" });
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const LETTER = /\p{L}/u;

/**
 * The one place where two strings differ: what was removed there, and what was inserted. What was
 * inserted ends at the cursor, which tells apart repeated letters.
 */
export function changeBetween(before, after, caret = after.length) {
  const most = Math.min(before.length, after.length);
  let end = 0;
  while (end < Math.min(most, after.length - caret) && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  if (splitsPair(before, before.length - end) || splitsPair(after, after.length - end)) end -= 1;
  let start = 0;
  while (start < most - end && before[start] === after[start]) start += 1;
  if (splitsPair(before, start) || splitsPair(after, start)) start -= 1;
  return {
    at: start,
    removed: before.slice(start, before.length - end),
    inserted: after.slice(start, after.length - end),
  };
}

/** Whether a place is in the middle of a character of two code units. */
function splitsPair(text, place) {
  return place > 0 && place < text.length && /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(place - 1, place + 1));
}

/** The first character, with its combining marks. */
export function firstCharacter(text) {
  for (const { segment } of graphemes.segment(text)) return segment;
  return "";
}

/** What comes before the first word, that word, and the punctuation right after it. */
export function firstWord(text) {
  let end = 0;
  let found = false;
  for (const { segment, isWordLike } of words.segment(text)) {
    if (found && (isWordLike || /\s/.test(segment))) break;
    if (!found && segment.includes("\n")) return text.slice(0, end) || segment;
    end += segment.length;
    found ||= isWordLike;
  }
  return text.slice(0, end);
}

/** What to offer of a text: up to the end of a line, or without a last word that may be cut off. */
export function phraseOf(text, least) {
  const end = text.indexOf("\n", least);
  if (end >= 0) return text.slice(0, end);
  return text.replace(/\S+$/u, "").trimEnd() || text;
}

/** The letters at the end of a text: a word that has been begun. */
export function lastLetters(text) {
  return /[\p{L}\p{M}\p{N}'’-]*$/u.exec(text.slice(-60))[0];
}

/** Whether a text runs from right to left where it ends. */
export function endsRightToLeft(text) {
  for (const char of [...text.slice(-200)].reverse()) {
    if (RIGHT_TO_LEFT.test(char)) return true;
    if (LETTER.test(char)) return false;
  }
  return false;
}

/** The place of each code point of a text in code units, and the end. */
export function placesOfCodePoints(text) {
  const places = [];
  let place = 0;
  for (const char of text) {
    places.push(place);
    place += char.length;
  }
  places.push(place);
  return places;
}

/** The last code points of a text, at most ``most``. */
export function lastCodePoints(text, most) {
  if (text.length <= most) return text;
  const characters = [...text];
  return characters.slice(-most).join("");
}

export function percent(probability) {
  const value = 100 * probability;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)}%`;
}

/** A character or word, so that white space can be seen. */
export function shown(text) {
  return text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replace(/^ $/, "␣");
}
