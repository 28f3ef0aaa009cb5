// Numbers and times as people read them.

const count = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const number = (value) => count.format(value);

export const plural = (value, word) => `${number(value)} ${word}${value === 1 ? "" : "s"}`;

/** Milliseconds since the Unix epoch as a time of day, with the date unless it is today. */
export function time(at) {
  const date = new Date(at);
  return date.toDateString() === new Date().toDateString() ? clock.format(date) : day.format(date);
}

/** A span of milliseconds, in the largest unit that leaves a figure to look at. */
export function span(milliseconds) {
  const ms = Math.max(0, milliseconds);
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}

/** How long ago something was, to the second. */
export function ago(at) {
  const ms = Date.now() - at;
  if (ms < 2000) return "now";
  return ms < 60_000 ? `${Math.floor(ms / 1000)} s ago` : `${span(ms)} ago`;
}

export function bytes(size) {
  if (size < 1024) return plural(size, "byte");
  if (size < 1024 * 1024) return `${(size / 1024).toFixed(1)} KiB`;
  return `${(size / 1024 / 1024).toFixed(1)} MiB`;
}

/** To whom a message goes: a tag, an expression, or a device after an @. */
export const addressee = ({ tag, device, match }) => match ?? tag ?? `@${device}`;

const characters = new Intl.Segmenter("en", { granularity: "grapheme" });

/** The beginning of a text: at most `length` units of a string. What people read as one character is not cut. */
export function beginning(text, length) {
  return text.length <= length ? text : text.slice(0, characters.segment(text).containing(length).index);
}

/** A payload, reply or reason as text. */
export function payload(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What someone typed: JSON where it is JSON, text otherwise. */
export function typed(text) {
  try {
    return { value: JSON.parse(text), isJson: true };
  } catch {
    return { value: text, isJson: false };
  }
}

/** Whether a text begins as JSON does and is none: who typed it probably meant JSON. */
export const isBrokenJson = (text) => /^\s*[[{]/.test(text) && !typed(text).isJson;
