// QR codes, drawn as shapes: the page may load no picture and insert no HTML.

import { generate } from "../lean-qr/nano.js";
import { SVG } from "./dom.js";

/** The quiet zone: the light margin around a code, in modules, without which cameras do not find it. */
const EDGE = 4;

/** A picture of this text, with a name for those who do not see it. */
export function qrCode(text, name) {
  const code = generate(text);
  const size = code.size + 2 * EDGE;
  const dark = [];
  for (let y = 0; y < code.size; y++) {
    for (let x = 0; x < code.size; x++) if (code.get(x, y)) dark.push(`M${x + EDGE} ${y + EDGE}h1v1h-1z`);
  }
  const svg = document.createElementNS(SVG, "svg");
  const attributes = { class: "qr", role: "img", "aria-label": name, viewBox: `0 0 ${size} ${size}` };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", dark.join(""));
  svg.append(path);
  return svg;
}
