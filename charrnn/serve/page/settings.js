// Settings: the form, as fields of a request; errors are shown next to the field that they name.

const SAMPLING = ["temperature", "top_p", "min_p", "dry", "top_k"];
const NUMBERS_OF_FORM = ["lines", "exact_length"];
const STRINGS = ["match", "acrostic"];
const LISTS = ["contains", "without"];
const LABELS = {
  temperature: "Temperature",
  top_k: "Top-k",
  top_p: "Top-p",
  min_p: "Min-p",
  dry: "Against repetition",
  seed: "Seed",
  contains: "Contains",
  without: "Without",
  acrostic: "Acrostic",
  lines: "Lines",
  line_length: "Length of a line",
  exact_length: "Exact length",
  match: "Regular expression",
  max_tokens: "Longest text",
  length: "Longest text",
  max_copy: "Copy at most",
  prompt: "the text",
  constraint: "the form",
};
const FIELD_OF = { line_length: "line_from" };

export class Settings {
  /**
   * @param {HTMLFormElement} form
   * @param {() => void} changed called when a value has changed
   */
  constructor(form, changed) {
    this.form = form;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      this.clearErrors();
      this.#describe();
      changed();
    });
    for (const element of form.querySelectorAll(".field input, .field select, .field textarea")) {
      this.#describeByHint(element);
    }
    this.#describe();
  }

  get until() {
    return this.form.elements.until.value;
  }

  /** How characters are drawn. */
  get sampling() {
    return this.#fields(SAMPLING);
  }

  /** The seed that was given; another one each time without it. */
  get seed() {
    return this.#value("seed") ?? randomSeed();
  }

  /** What the text must look like. */
  get conditions() {
    const fields = this.#fields([...NUMBERS_OF_FORM, ...STRINGS]);
    for (const name of LISTS) {
      const strings = this.form.elements[name].value.split("\n").filter(Boolean);
      if (strings.length) fields[name] = strings;
    }
    const from = this.#value("line_from");
    const to = this.#value("line_to");
    if (from !== undefined || to !== undefined) fields.line_length = [from ?? 1, to ?? null];
    return fields;
  }

  get maxCopy() {
    return this.#fields(["max_copy"]);
  }

  get maxTokens() {
    return this.#value("max_tokens");
  }

  get values() {
    const named = [...this.form.elements].filter((element) => element.name);
    return Object.fromEntries(named.map((element) => [element.name, element.value]));
  }

  set values(values) {
    for (const [name, value] of Object.entries(values)) {
      const element = this.form.elements[name];
      if (element) element.value = value;
    }
    this.#describe();
  }

  /** Show an error next to a field, in sight if asked; false if there is no such field. */
  showError(param, message, inSight) {
    const element = this.form.elements[FIELD_OF[param] ?? param];
    if (!element || !param) return false;
    this.#clearError(element);
    const field = element.closest(".field");
    for (let panel = field.closest("details"); panel; panel = panel.parentElement.closest("details")) {
      panel.open = true;
    }
    const error = document.createElement("p");
    error.className = "error";
    error.setAttribute("role", "alert");
    error.id = `error-${element.id}`;
    error.textContent = message;
    field.append(error);
    element.setAttribute("aria-invalid", "true");
    element.setAttribute("aria-describedby", error.id);
    if (inSight) requestAnimationFrame(() => field.scrollIntoView({ block: "nearest" }));
    return true;
  }

  clearErrors() {
    for (const element of this.form.querySelectorAll("[aria-invalid]")) this.#clearError(element);
  }

  #clearError(element) {
    const field = element.closest(".field");
    for (const error of field.querySelectorAll(".error")) error.remove();
    for (const invalid of field.querySelectorAll("[aria-invalid]")) {
      invalid.removeAttribute("aria-invalid");
      this.#describeByHint(invalid);
    }
  }

  #describeByHint(element) {
    const hint = element.closest(".field").querySelector(".hint");
    if (!hint) return;
    hint.id ||= `hint-${element.id}`;
    element.setAttribute("aria-describedby", hint.id);
  }

  #fields(names) {
    const fields = {};
    for (const name of names) {
      const value = STRINGS.includes(name) ? this.form.elements[name].value : this.#value(name);
      if (value !== undefined && value !== "") fields[name] = value;
    }
    return fields;
  }

  /** A number; what is none is sent as it is, so that the server says what is wrong. */
  #value(name) {
    const text = this.form.elements[name].value.trim().replace(",", "."); // some phones have no point
    if (text === "") return undefined;
    const value = Number(text);
    return Number.isNaN(value) ? text : value;
  }

  #describe() {
    const temperature = Number(this.form.elements.temperature.value);
    document.getElementById("temperature-value").textContent = temperature.toFixed(2);
    document.getElementById("temperature-hint").textContent = describe(temperature);
    const { until } = this.form.elements;
    const names = Object.keys(this.conditions);
    until.disabled = names.length > 0 && !this.canEndSentence;
    const hint = document.getElementById("until-hint");
    hint.hidden = !names.length;
    hint.textContent = until.disabled
      ? "What it must look like says where the text ends."
      : "With required or forbidden words, only the end of a sentence or line.";
  }

  /** Whether a text with these conditions can be made to end with a sentence or line. */
  get canEndSentence() {
    return Object.keys(this.conditions).every((name) => LISTS.includes(name));
  }
}

export function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

/** A message of the server in the words of this page. */
export function inPageWords(message, model) {
  return message
    .replace(/ with `unknown="\w+"`| or use `unknown="\w+"` or `unknown="\w+"`/g, "")
    .replace(/a larger `max_tries`, or |, or a larger `max_tries`/g, "")
    .replace("`charrnn originality RUN`", `charrnn originality ${model}`)
    .replace(/`(\w+)`/g, (whole, name) => LABELS[name] ?? whole);
}

function describe(temperature) {
  if (temperature === 0) return "Always the likeliest character: it soon repeats itself.";
  if (temperature < 0.5) return "Very safe: few surprises, many repetitions.";
  if (temperature < 0.75) return "Safe: common words.";
  if (temperature <= 0.95) return "Balanced.";
  if (temperature <= 1.1) return "As varied as the text that it learned from.";
  return "Wild: many invented words.";
}
