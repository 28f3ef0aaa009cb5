// Days and times of day, in the words of this phone's language and region.

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const date = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long" });

/** @param {number} at milliseconds */
export const timeOfDay = (at) => clock.format(at);

/** The day of a moment, as a heading. @param {number} at milliseconds */
export function day(at) {
  const days = Math.round((midnight(Date.now()) - midnight(at)) / 86_400_000);
  if (days === 0) return "Today";
  return days === 1 ? "Yesterday" : date.format(at);
}

function midnight(at) {
  return new Date(at).setHours(0, 0, 0, 0);
}
