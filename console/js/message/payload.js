// A payload as people read it: JSON indented, text, a picture, or else its bytes. None of it becomes a part of the
// page.

import { button, element } from "../dom.js";
import { bytes as size } from "../format.js";
import { hex } from "./hex.js";
import { indented } from "./json.js";

/** The longest payload that is shown as text, and how much is shown of other bytes. */
const MAX_TEXT = 1_048_576;
const MAX_HEX = 4096;
/** The widest picture, in pixels of the page. */
const MAX_WIDTH = 640;
/** Milliseconds after which a browser has surely begun to save a file. */
const KEPT = 10_000;

const JSON_TYPE = /^application\/(?:json|[^;]*\+json)\b/;
const TEXT_TYPE = /^(?:text\/|application\/x-www-form-urlencoded\b)/;
const PICTURE_TYPE = /^image\/(?:png|jpeg|gif|webp|avif|bmp)\b/;

/** What shows a payload, with its type and size, and a way to keep it as a file. */
export function payloadView({ type, bytes }, name = "payload") {
  const place = element("div", { class: "payload-content" });
  fill(place, type, bytes);
  return element(
    "div",
    { class: "payload-view" },
    place,
    element(
      "div",
      { class: "payload-foot" },
      element("span", { class: "muted small" }, `${type || "no type"}, ${size(bytes.length)}`),
      button("Download", () => download(bytes, type, name), { class: "small-button" }),
    ),
  );
}

/** What a payload is as text; `undefined` if it is none. */
export function textOf({ type, bytes }) {
  if (!JSON_TYPE.test(type) && !TEXT_TYPE.test(type)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function fill(place, type, bytes) {
  const text = bytes.length <= MAX_TEXT ? textOf({ type, bytes }) : undefined;
  if (text !== undefined) return place.replaceChildren(pre(JSON_TYPE.test(type) ? indented(text) : text));
  place.replaceChildren(pre(hex(bytes, MAX_HEX) + (bytes.length > MAX_HEX ? "\n…" : "")));
  if (PICTURE_TYPE.test(type)) picture(type, bytes).then((drawn) => place.replaceChildren(drawn), () => {});
}

// It can be scrolled, so the keyboard has to reach it.
const pre = (text) => element("pre", { class: "payload", tabindex: "0", role: "group", "aria-label": "Payload" }, text);

/** A picture is drawn: the page may load none. */
async function picture(type, bytes) {
  const image = await createImageBitmap(new Blob([bytes], { type }));
  const scale = Math.min(1, MAX_WIDTH / image.width);
  const [width, height] = [Math.max(1, Math.round(image.width * scale)), Math.max(1, Math.round(image.height * scale))];
  const canvas = element("canvas", { class: "picture", role: "img", "aria-label": `Picture, ${image.width} by ${image.height} pixels`, width, height });
  canvas.getContext("2d").drawImage(image, 0, 0, width, height);
  return canvas;
}

function download(bytes, type, name) {
  // Not with its own type: a browser would show some of them, with the rights of this page.
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  element("a", { href: url, download: `${name}${ending(type)}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT);
}

function ending(type) {
  const [, subtype = ""] = /^\w+\/(?:[\w.]+\+)?([a-z0-9]{2,5})\b/.exec(type) ?? [];
  if (type.startsWith("text/plain")) return ".txt";
  return subtype === "" ? "" : `.${subtype.replace("jpeg", "jpg")}`;
}
