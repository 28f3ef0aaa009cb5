// Announces events to screen readers. Several at the same time become one sentence.

const announcer = document.getElementById("announcer");

/** Long enough that events of one moment are read together, short enough to be news. */
const GATHER = 150;

let waiting = [];

export function announce(text) {
  if (waiting.length === 0) setTimeout(speak, GATHER);
  waiting.push(text);
}

/** Tells this alone: what has not been told yet is dropped. */
export function announceAlone(text) {
  if (waiting.length === 0) setTimeout(speak, GATHER);
  waiting = [text];
}

function speak() {
  const few = waiting.slice(0, 3);
  if (waiting.length > few.length) few.push(`and ${waiting.length - few.length} more`);
  announcer.textContent = few.join(". ");
  waiting = [];
}
