// Buttons that cannot be used now keep the focus, unlike with the attribute "disabled".

export function setDisabled(button, isDisabled) {
  button.setAttribute("aria-disabled", String(isDisabled));
}
