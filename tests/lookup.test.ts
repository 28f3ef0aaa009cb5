// Frames that publish to a tag wait for the directory: in bounded number, for a bounded time, and in vain if
// their connection does not speak for its device any more when it answers.

import { afterEach, describe, expect, test } from "vitest";

import { until, useRelay } from "./harness/index.ts";

/** The built Worker, whose directory answers when it is let. */
const HELD = {
  name: "held.js",
  script: `
    import { env } from "cloudflare:workers";
    import Worker, { Mailbox } from "./entry.js";
    export { Mailbox };

    let held = false;
    let waiting = 0;

    export default class extends Worker {
      fetch(request) {
        const { pathname } = new URL(request.url);
        if (!pathname.startsWith("/directory/")) return super.fetch(request);
        if (pathname !== "/directory/waiting") held = pathname === "/directory/hold";
        return Response.json(waiting);
      }
    }

    const statement = Object.getPrototypeOf(env.DB.prepare("SELECT 1"));
    const { raw } = statement;
    statement.raw = async function (...how) {
      waiting++;
      while (held) await new Promise((done) => setTimeout(done, 5));
      waiting--;
      return raw.apply(this, how);
    };
  `,
};

const BURST = 3;
const relay = useRelay({ wrap: HELD, vars: { PUBLISH_BURST: BURST } });

const directory = async (what: "hold" | "release" | "waiting"): Promise<number> => {
  return (await fetch(new URL(`/directory/${what}`, relay.url))).json() as Promise<number>;
};
const underWay = () => until("a query to be under way", () => directory("waiting"), (waiting) => waiting > 0);
afterEach(() => directory("release"));

const publish = (tag: string, ref: string) => ({ type: "publish", ref, to: { tag }, payload: ref, wait: 0 });

describe("a publish frame whose tag is being looked up", () => {
  test("is not accepted if the token of its connection is revoked meanwhile", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const socket = await sender!.connect();
    await directory("hold");
    socket.send(publish(tag, "before"));
    await underWay();
    (await relay.admin("DELETE", `/v1/devices/${sender!.name}/tokens`)).is(204);
    expect((await socket.closed()).code).toBe(4401);
    await directory("release");

    // Frames are accepted in their order: after this one it is decided.
    const renewed = await relay.device(sender!.name);
    const again = await renewed.connect();
    again.send(publish(tag, "after"));
    await again.next("published");
    expect((await receiver!.inbox()).map(({ payload }) => payload)).toEqual(["after"]);
    expect((await renewed.request("GET", "/v1/messages")).is(200).messages).toHaveLength(1);
  });

  test("is not accepted if another connection takes over meanwhile", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const first = await sender!.connect();
    await directory("hold");
    first.send(publish(tag, "first"));
    await underWay();
    const second = await sender!.connect();
    expect((await first.closed()).code).toBe(4409);
    second.send(publish(tag, "second"));
    await directory("release");
    expect(await second.next("published")).toMatchObject({ ref: "second" });
    expect((await receiver!.inbox()).map(({ payload }) => payload)).toEqual(["second"]);
  });

  test("waits with as many others as the burst allows; one more is refused", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const socket = await sender!.connect();
    await directory("hold");
    const refs = Array.from({ length: BURST + 2 }, (_, n) => `r${n}`);
    for (const ref of refs) socket.send(publish(tag, ref));
    for (const ref of refs.slice(BURST)) {
      expect(await socket.next("error")).toMatchObject({ code: "too_many_requests", ref });
    }
    await directory("release");
    for (const ref of refs.slice(0, BURST)) expect(await socket.next("published")).toMatchObject({ ref });
    expect((await receiver!.inbox()).map(({ payload }) => payload)).toEqual(refs.slice(0, BURST));
  });

  test("is answered with an error if the directory does not answer in time, and the next ones go on", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const socket = await sender!.connect();
    await directory("hold");
    socket.send(publish(tag, "late"));
    expect(await socket.next("error", 15_000)).toMatchObject({ code: "unavailable", ref: "late" });
    await directory("release");
    socket.send(publish(tag, "in time"));
    expect(await socket.next("published")).toMatchObject({ ref: "in time" });
    expect((await receiver!.inbox()).map(({ payload }) => payload)).toEqual(["in time"]);
  });
});
