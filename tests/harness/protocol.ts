// The shapes that the service promises, as a client sees them; written from the documentation, not from the code.

/** A delivery in an answer to a publish, a trace, or a `published` frame. */
export interface Delivery {
  device: string;
  state: string;
  at: number;
  attempts: number;
  reply?: unknown;
  reason?: string;
}

/** The answer to a publish, and the trace of a message. */
export interface Trace {
  id: string;
  to: Target;
  accepted_at: number;
  expires_at: number;
  deliveries: Delivery[];
  summary: Record<string, number>;
  /** The cursor of the next page of deliveries, if there is one. */
  next?: string;
  timeline: { device: string; event: string; at: number; attempt: number; note?: string }[];
}

export type Target = { tag: string } | { device: string } | { match: string };

/** Any frame of the service; which fields it has depends on `type`. */
export interface Frame {
  type: string;
  [field: string]: any;
}

/** The states that nothing follows. */
export const LAST_STATES = new Set([
  "delivered",
  "rejected",
  "expired",
  "replaced",
  "refused",
  "undeliverable",
  "cancelled",
]);

/** The default limits, as far as tests refer to them. */
export const MAX_REPLY_BYTES = 4096;
