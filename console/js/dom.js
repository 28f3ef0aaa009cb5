// Building elements. Text only ever becomes text nodes and attribute values, never HTML.

export const SVG = "http://www.w3.org/2000/svg";

/** An element; `onclick` and the like listen, other attributes are set unless they are false or absent. */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

/** `label`: a text, or several children. */
export function button(label, onclick, attributes = {}) {
  return element("button", { type: "button", ...attributes, onclick }, ...[label].flat());
}

/** A link within the page. */
export function anchor(label, href, attributes = {}) {
  return element("a", { ...attributes, href }, label);
}

/** Words for those who do not see the page. */
export const unseen = (text) => element("span", { class: "visually-hidden" }, text);

/** One of the page's symbols. It is decoration: a word beside it says the same. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A labelled form field; its label comes first. */
export function field(label, control, attributes = {}) {
  control.id ||= uniqueId("field");
  const name = element("label", { for: control.id, id: labelId(control) }, label);
  return element("div", { class: "field", ...attributes }, name, control);
}

/** A field for a name, a pattern or the like, which nothing corrects or completes. */
export const textInput = (placeholder) =>
  element("input", { placeholder, autocomplete: "off", spellcheck: "false", autocapitalize: "none" });

export const numberInput = (placeholder) => element("input", { placeholder, autocomplete: "off", inputmode: "numeric" });

/** A choice. `options`: the label and the value of each. */
export const select = (options) => element("select", {}, ...options.map(([label, value]) => element("option", { value }, label)));

/** The id of the label of a form field. */
export const labelId = (control) => `${control.id}-label`;

let ids = 0;

export function uniqueId(kind) {
  ids += 1;
  return `${kind}-${ids}`;
}
