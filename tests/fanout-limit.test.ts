// One publish reaches at most MAX_FANOUT devices; a larger tag is refused as a whole.

import { expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay({ vars: { MAX_FANOUT: 2 } });

test("a publish to a tag of MAX_FANOUT devices reaches all of them", async () => {
  const [sender, ...receivers] = await relay.devices(3);
  const tag = await relay.tag(...receivers);
  expect((await sender!.publish({ tag }, {}, { wait: 0 })).is(202).summary).toEqual({ held: 2 });
});

test("a publish to a tag of more than MAX_FANOUT devices is refused and reaches none", async () => {
  const [sender, ...receivers] = await relay.devices(4);
  const tag = await relay.tag(...receivers);
  (await sender!.publish({ tag }, {}, { wait: 0 })).problem(422, "tag_too_large");
  for (const receiver of receivers) expect((await receiver.status()).is(200).held).toBe(0);
});
