// What is kept in the browser, under one key for each server address and path.

const KEY = `charrnn ${location.pathname}`;
const VERSION = 1; // of what is kept

export function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    return kept?.version === VERSION ? kept : {};
  } catch {
    return {};
  }
}

/**
 * Keep the page. If there is no room, ``smaller`` returns less of it, or null if there is nothing to
 * leave out. Returns "all", "some" or "none", for what was kept.
 */
export function save(content, smaller) {
  let result = "all";
  for (let kept = content; kept; kept = smaller(kept)) {
    try {
      localStorage.setItem(KEY, JSON.stringify({ ...kept, version: VERSION }));
      return result;
    } catch (error) {
      if (error.name !== "QuotaExceededError") return "none";
      result = "some";
    }
  }
  return "none";
}

/** Call a function when another tab has changed the page. */
export function onChange(changed) {
  addEventListener("storage", (event) => {
    if (event.key === KEY && event.newValue) changed();
  });
}
