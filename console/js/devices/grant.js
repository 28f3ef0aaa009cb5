// What a token permits, as fields of a form.

import { element, field, select, textInput } from "../dom.js";
import { Fault } from "../fault.js";

const DAY = 86_400;
const TERMS = [["30 days", 30 * DAY], ["1 year", 365 * DAY], ["1 day", DAY], ["1 hour", 3600], ["never", ""]];
const RIGHTS = [["everything", "all"], ["nothing", "none"], ["only these:", "some"]];

/** The fields, and `read()`, which gives the body that the service takes. */
export function grantFields() {
  const publish = select(RIGHTS);
  const patterns = textInput("hallway, sensors.*, @anna");
  const tags = textInput("none");
  const term = select(TERMS);
  const only = field("Patterns, separated by commas", patterns, { hidden: true });
  term.value = "";
  publish.addEventListener("change", () => {
    only.hidden = publish.value !== "some";
    if (!only.hidden) patterns.focus();
  });

  function read() {
    const wanted = list(patterns.value);
    if (publish.value === "some" && wanted.length === 0) throw new Fault("Enter what it may publish to", patterns);
    return JSON.stringify({
      ...(publish.value !== "all" && { publish: publish.value === "some" ? wanted : [] }),
      ...(tags.value.trim() !== "" && { tags: list(tags.value) }),
      ...(term.value !== "" && { expires_in: Number(term.value) }),
    });
  }

  const fields = element(
    "div",
    { class: "options" },
    field("May publish to", publish),
    field("Expires after", term),
    only,
    field("May bind itself to these tags", tags, { class: "field wide" }),
  );
  only.classList.add("field", "wide");
  return { fields, read };
}

const list = (value) => value.split(",").map((part) => part.trim()).filter(Boolean);
