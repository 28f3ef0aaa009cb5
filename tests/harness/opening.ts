// How long a mailbox takes to open. Times are no claims: only tests that are asked for figures compare them.

import type { Device } from "./device.ts";
import type { Relay } from "./relay.ts";

/** How often each mailbox is opened. */
const TIMES = 5;

/** By how many milliseconds the first event of one mailbox takes longer than that of another: the median of five. */
export async function slower(relay: Relay, one: Device, other: Device): Promise<number> {
  const opened = async (device: Device) => {
    await relay.evict(device);
    return (await device.status()).took;
  };
  const differences: number[] = [];
  while (differences.length < TIMES) differences.push((await opened(one)) - (await opened(other)));
  return differences.sort((a, b) => a - b)[TIMES >> 1]!;
}
