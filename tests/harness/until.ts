// Waiting for what no event announces: ask again until it holds, and fail with the last answer if it never does.

import { setTimeout as sleep } from "node:timers/promises";

export async function until<T>(
  what: string,
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
  timeout = 20_000,
): Promise<T> {
  const end = performance.now() + timeout;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (performance.now() > end) {
      throw new Error(`expected within ${timeout} ms: ${what}; last seen: ${JSON.stringify(answer)}`);
    }
    await sleep(50);
  }
}

/** The result of `promise`, which may take at most `timeout` milliseconds. */
export async function within<T>(timeout: number, promise: Promise<T>): Promise<T> {
  const late = Symbol();
  const first = await Promise.race([promise, sleep(timeout, late, { ref: false })]);
  if (first === late) throw new Error(`expected an answer within ${timeout} ms`);
  return first as T;
}
