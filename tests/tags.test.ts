// The operator's tags: bind, unbind, list, show.

import { describe, expect, test } from "vitest";

import { fresh, useRelay, type Device } from "./harness/index.ts";

const relay = useRelay();

describe("tags", () => {
  test("limit and cursor lead through all tags, each once, with the number of its devices", async () => {
    expect((await relay.admin("GET", "/v1/tags")).is(200)).toEqual({ tags: [], next: null });
    const [a, b] = await relay.devices(2);
    const expected = new Map<string, number>();
    for (let n = 0; n < 5; n++) expected.set(await relay.tag(a!), 1);
    for (let n = 0; n < 2; n++) expected.set(await relay.tag(a!, b!), 2);
    const seen = [];
    let query = "?limit=3";
    for (let pages = 0; pages < 5; pages++) {
      const page = (await relay.admin("GET", `/v1/tags${query}`)).is(200);
      expect(page.tags.length).toBeLessThanOrEqual(3);
      seen.push(...page.tags.map(({ tag, devices }: any) => [tag, devices]));
      if (page.next === null) break;
      query = `?limit=3&cursor=${encodeURIComponent(page.next)}`;
    }
    expect(seen.sort()).toEqual([...expected].sort());
  });

  test("binding and unbinding are 204, also when nothing changed", async () => {
    const device = await relay.device();
    const path = `/v1/tags/${fresh("tag")}/devices/${device.name}`;
    for (const method of ["DELETE", "PUT", "PUT", "DELETE", "DELETE"]) {
      const answer = await relay.admin(method, path);
      answer.is(204);
      expect(answer.text).toBe("");
    }
  });

  test("a tag shows its devices, each once", async () => {
    const [a, b] = await relay.devices(2);
    const tag = await relay.tag(a!, b!, a!);
    const shown = (await relay.admin("GET", `/v1/tags/${tag}`)).is(200);
    expect(shown.tag).toBe(tag);
    expect(shown.devices.map(({ device }: any) => device).sort()).toEqual([a!.name, b!.name].sort());
  });

  test("limit and cursor lead through the devices of a tag, each once", async () => {
    const devices = await relay.devices(5);
    const tag = await relay.tag(...devices);
    const names: string[] = [];
    let next = "";
    for (let pages = 1; ; pages++) {
      const page = (await relay.admin("GET", `/v1/tags/${tag}?limit=2${next && `&cursor=${next}`}`)).is(200);
      names.push(...page.devices.map(({ device }: { device: string }) => device));
      if (page.next === undefined) {
        expect(pages).toBe(3);
        break;
      }
      next = page.next;
    }
    expect(names).toEqual(devices.map(({ name }) => name).sort());
  });

  test("a tag is gone with its last device", async () => {
    const device = await relay.device();
    const tag = await relay.tag(device);
    await relay.unbind(tag, device);
    (await relay.admin("GET", `/v1/tags/${tag}`)).problem(404, "unknown_tag");
    const { tags } = (await relay.admin("GET", "/v1/tags?limit=1000")).is(200);
    expect(tags.map(({ tag }: any) => tag)).not.toContain(tag);
  });

  test("an unknown device cannot be bound", async () => {
    const tag = fresh("tag");
    (await relay.admin("PUT", `/v1/tags/${tag}/devices/nobody-here`)).problem(404, "unknown_device");
    (await relay.admin("GET", `/v1/tags/${tag}`)).problem(404, "unknown_tag");
  });

  test.each(["a", "A.b_c-9", "floor:2", "x".repeat(128)])("the name %s is taken", async (tag) => {
    const [sender, device] = (await relay.devices(2)) as [Device, Device];
    await relay.bind(tag, device);
    expect((await relay.admin("GET", `/v1/tags/${tag}`)).is(200).tag).toBe(tag);
    expect((await sender.publish({ tag }, {}, { wait: 0 })).is(202).to).toEqual({ tag });
  });

  test.each(["-a", ".a", ":a", "a%20b", "a%2Fb", "a*", "%C3%BC", "a@b", "x".repeat(129)])(
    "the name %s is refused",
    async (tag) => {
      const device = await relay.device();
      const bound = await relay.admin("PUT", `/v1/tags/${tag}/devices/${device.name}`);
      expect(bound.problem(400, "bad_request").detail).toContain("tag");
      (await device.publish({ tag }, {})).problem(400, "bad_request");
    },
  );

  test("tags that differ only in case are different", async () => {
    const device = await relay.device();
    const tag = fresh("tag");
    await relay.bind(tag, device);
    (await relay.admin("GET", `/v1/tags/${tag.toUpperCase()}`)).problem(404, "unknown_tag");
  });

  test("a message to a tag comes back to its sender only on request, over HTTP and in a frame", async () => {
    const [sender, other] = (await relay.devices(2)) as [Device, Device];
    const tag = await relay.tag(sender);
    const alone = (await sender.publish({ tag }, {}, { wait: 0 })).problem(404, "unknown_tag");
    expect(alone.detail).toContain("only the sender");
    const socket = await sender.connect();
    const frame = (echo?: boolean) => ({ type: "publish", ref: "r", to: { tag }, payload: {}, wait: 0, echo });
    socket.send(frame());
    expect(await socket.next("error")).toMatchObject({ code: "unknown_tag", ref: "r", detail: alone.detail });

    await relay.bind(tag, other);
    expect(await reached(sender, tag)).toEqual([other.name]);
    const echoed = await sender.publish({ tag }, "echo", { wait: 0, headers: { Echo: "true" } });
    expect(echoed.is(202).deliveries.map(({ device }: any) => device)).toEqual([sender.name, other.name].sort());
    expect((await socket.next("message")).payload).toBe("echo");
    socket.send(frame(true));
    expect((await socket.next("published")).deliveries).toHaveLength(2);
    const refused = await sender.publish({ tag }, {}, { headers: { Echo: "yes" } });
    expect(refused.problem(400, "bad_request").detail).toBe("Echo must be true or false");
  });

  // Each isolate caches the device of a one-device tag for a moment.
  describe("that was just published to", () => {
    test("reaches a second device as soon as its binding is answered", async () => {
      const [sender, first, second] = (await relay.devices(3)) as [Device, Device, Device];
      const tag = await relay.tag(first);
      expect(await reached(sender, tag)).toEqual([first.name]);
      await relay.bind(tag, second);
      expect(await reached(sender, tag)).toEqual([first.name, second.name].sort());
    });

    test("reaches a second device as soon as the repeat of its binding is answered", async () => {
      const [sender, first, second] = (await relay.devices(3)) as [Device, Device, Device];
      const tag = await relay.tag(first);
      expect(await reached(sender, tag)).toEqual([first.name]);
      const unanswered = relay.bind(tag, second);
      await relay.bind(tag, second);
      expect(await reached(sender, tag)).toEqual([first.name, second.name].sort());
      await unanswered;
    });

    test("no longer reaches a device once its unbinding is answered", async () => {
      const [sender, first, second] = (await relay.devices(3)) as [Device, Device, Device];
      const tag = await relay.tag(first);
      expect(await reached(sender, tag)).toEqual([first.name]);
      await relay.unbind(tag, first);
      (await sender.publish({ tag }, {}, { wait: 0 })).problem(404, "unknown_tag");
      await relay.bind(tag, second);
      expect(await reached(sender, tag)).toEqual([second.name]);
    });

    test("no longer reaches a device once its deletion is answered", async () => {
      const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
      const tag = await relay.tag(receiver);
      expect(await reached(sender, tag)).toEqual([receiver.name]);
      (await relay.admin("DELETE", `/v1/devices/${receiver.name}`)).is(204);
      (await sender.publish({ tag }, {}, { wait: 0 })).problem(404, "unknown_tag");
    });

    test("gets a frame to the same devices", async () => {
      const [sender, first, second] = (await relay.devices(3)) as [Device, Device, Device];
      const tag = await relay.tag(first);
      const socket = await sender.connect();
      const published = async () => {
        socket.send({ type: "publish", ref: "r", to: { tag }, payload: {}, wait: 0 });
        return (await socket.next("published")).summary;
      };
      expect(await published()).toEqual({ held: 1 });
      await relay.bind(tag, second);
      expect(await published()).toEqual({ held: 2 });
    });
  });
});

/** The devices that a message to the tag is addressed to. */
async function reached(sender: Device, tag: string): Promise<string[]> {
  const { id } = (await sender.publish({ tag }, {}, { wait: 0 })).is(202);
  const { deliveries } = (await sender.request("GET", `/v1/messages/${id}`)).is(200);
  return deliveries.map(({ device }: { device: string }) => device).sort();
}
