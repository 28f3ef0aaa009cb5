// The states of a delivery, and the steps of a message: how each looks, and what it means.

/** `tone` picks the colour; the icon and the word carry the meaning without it. */
const STATES = {
  accepted: { tone: "quiet", meaning: "the service has accepted it" },
  held: { tone: "open", meaning: "waiting to be sent to the device" },
  sent: { tone: "open", meaning: "sent, not yet acknowledged" },
  in_progress: { tone: "open", meaning: "the device is working on it" },
  delivered: { tone: "good", meaning: "acknowledged by the device" },
  rejected: { tone: "bad", meaning: "rejected by the device" },
  expired: { tone: "bad", meaning: "its time to live ran out" },
  replaced: { tone: "quiet", meaning: "a newer message of its topic took its place" },
  refused: { tone: "bad", meaning: "the mailbox did not take it" },
  undeliverable: { tone: "bad", meaning: "never acknowledged, and not sent again" },
  cancelled: { tone: "quiet", meaning: "cancelled by the sender, or no longer needed" },
  scheduled: { tone: "open", meaning: "waiting for its time" },
  woken: { tone: "open", meaning: "its browser's push service was asked to wake it" },
  attempted: { tone: "bad", meaning: "the device's address failed; it is tried again" },
  escalated: { tone: "quiet", meaning: "sent to further devices, as too few had acknowledged it" },
  escalation_failed: { tone: "bad", meaning: "it could not be sent to further devices" },
  enough: { tone: "good", meaning: "enough devices have acknowledged it" },
};

const UNKNOWN = { tone: "quiet", meaning: "" };

/** Why a message was withdrawn from its device, in words. */
export const WITHDRAWN = {
  cancelled: "cancelled by its sender",
  replaced: "replaced by a newer message",
  expired: "expired",
  enough: "acknowledged by enough other devices",
};

/** The states in which a delivery has failed: it can be sent again. */
export const FAILED = ["expired", "undeliverable", "refused", "rejected"];

/** The word for a state. */
export const word = (state) => state.replaceAll("_", " ");

export const look = (state) => STATES[state] ?? UNKNOWN;

/** Whether something may still follow. */
export const isOpen = (state) => look(state).tone === "open";
