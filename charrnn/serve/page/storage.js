// What is kept in the browser, under one key for each server address and path.

const KEY = `charrnn ${location.pathname}`;

export function load() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

/**
 * Keep the page; if there is no room, ``makeRoom`` drops something and returns whether it could.
 * Returns whether the page was kept.
 */
export function save(content, makeRoom) {
  for (;;) {
    try {
      localStorage.setItem(KEY, JSON.stringify(content));
      return true;
    } catch {
      if (!makeRoom()) return false;
    }
  }
}

/** Call a function when another tab has changed the page. */
export function onChange(changed) {
  addEventListener("storage", (event) => {
    if (event.key === KEY && event.newValue) changed();
  });
}
