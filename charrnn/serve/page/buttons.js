// Buttons that cannot be used now keep the focus, unlike with the attribute "disabled".

/** Call a function when a button is pressed that can be used. */
export function onPress(button, action) {
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") !== "true") action();
  });
}

export function setDisabled(button, isDisabled) {
  button.setAttribute("aria-disabled", String(isDisabled));
}
