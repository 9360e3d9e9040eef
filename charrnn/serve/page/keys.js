// The keys of the shortcuts. On a Mac, Option types letters, so Control is added to it.

const IS_MAC = /Mac|iPhone|iPad/.test(navigator.platform);

export const MODIFIER = IS_MAC ? "⌃⌥" : "Alt";

/** The letter or digit of a shortcut, such as "n" for Alt+N; null for any other key. */
export function shortcut(event) {
  if (event.metaKey || event.shiftKey || !event.altKey || event.ctrlKey !== IS_MAC) return null;
  // with Option held, a Mac says what the key would type
  return IS_MAC ? event.code.replace(/^(Key|Digit)/, "").toLowerCase() : event.key.toLowerCase();
}

/** Whether a key is Ctrl, or Command on a Mac, with another. */
export function isCommand(event) {
  return !event.altKey && (event.ctrlKey || event.metaKey);
}

/** Show the keys of this machine in the texts of the page. */
export function nameKeys(root) {
  if (!IS_MAC) return;
  for (const key of root.querySelectorAll("kbd")) {
    if (key.textContent === "Alt") key.textContent = MODIFIER;
    if (key.textContent === "Ctrl") key.textContent = "⌘";
  }
  for (const titled of root.querySelectorAll("[title]")) {
    titled.title = titled.title.replace("Alt+", MODIFIER).replace("Ctrl+", "⌘");
  }
}
