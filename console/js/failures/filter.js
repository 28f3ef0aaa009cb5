// Which failures are listed: by state, tag, device and sender. It is in the page's address, so that a link holds
// it.

import { button, element, field } from "../dom.js";
import { keepInAddress } from "../routes.js";
import { FAILED } from "../states.js";

const LABELS = { state: "State", tag: "Tag", device: "Device", sender: "Sender" };

/**
 * `names`: by what the page lets one choose. `query`: the address's. `onchange()` is called when something else is
 * asked for. `read()` gives the parameters, those that are empty as "".
 */
export function filter({ names, query, onchange }) {
  const controls = names.map((name) => [name, name === "state" ? states() : text()]);
  for (const [name, control] of controls) control.value = query.get(name) ?? "";
  // A link may name a state that cannot be chosen.
  for (const [, control] of controls) if (control.selectedIndex === -1) control.value = "";
  const clear = button("Clear", () => set({}), { class: "small-button" });
  const read = () => Object.fromEntries(controls.map(([name, control]) => [name, control.value.trim()]));
  let before = JSON.stringify(read());

  function apply() {
    const asked = read();
    if (JSON.stringify(asked) === before) return;
    before = JSON.stringify(asked);
    show();
    keepInAddress(asked);
    onchange();
  }

  function set(values) {
    for (const [name, control] of controls) control.value = values[name] ?? "";
    apply();
    controls[0][1].focus();
  }

  const isSet = () => Object.values(read()).some((value) => value !== "");
  const show = () => (clear.hidden = !isSet());
  show();

  const onsubmit = (event) => {
    event.preventDefault();
    apply();
  };
  const form = element(
    "form",
    { class: "filter", role: "search", "aria-label": "Filter the failures", onsubmit, onchange: apply },
    ...controls.map(([name, control]) => field(LABELS[name], control)),
    clear,
    // Without it, Enter does nothing in a form of several fields.
    element("button", { class: "visually-hidden", tabindex: "-1" }, "Filter"),
  );
  // The cross of a search field.
  form.addEventListener("search", apply, true);
  return { element: form, read, isSet };
}

const states = () =>
  element("select", {}, element("option", { value: "" }, "any"), ...FAILED.map((state) => element("option", { value: state }, state)));

const text = () =>
  element("input", { type: "search", placeholder: "any", autocomplete: "off", spellcheck: "false", autocapitalize: "none", enterkeyhint: "search" });
