// A token that a function gives: renewed before it ends and when the service refuses it, and no more often than that.

import { describe, expect, test, vi } from "vitest";

import { mint, seconds, useRelay } from "../../../tests/harness/index.ts";
import { Credential } from "../src/credential.js";
import { connect, createClient, TagpostError } from "../src/index.js";
import { change, failure, next, state, useClients, within } from "./support.ts";

const relay = useRelay();
const { client, network } = useClients();

/** A token function that gives these tokens in turn, the last one again and again, and counts. */
function giving(...tokens: (string | Error)[]) {
  const all = {
    asked: 0,
    token: async () => {
      const token = tokens[Math.min(all.asked++, tokens.length - 1)]!;
      if (token instanceof Error) throw token;
      return token;
    },
  };
  return all;
}

const expired = (name: string) => relay.minted({ iat: seconds() - 60, exp: seconds() - 30 }, name).token;
/** Signed with a key that the service does not know; each another. */
const forged = (name: string, n: number) => mint("not the key of this service at all", { sub: name, iat: seconds() - n });

describe.concurrent("a connection", () => {
  test("a token is renewed before it ends", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    let asked = 0;
    const token = () => {
      asked += 1;
      return relay.minted({ exp: seconds() + 6 }, b!.name).token;
    };
    const device = client(line.url, { token });
    await state(device, "online");
    const offline = vi.fn();
    device.addEventListener("offline", offline);
    for (const renewals of [1, 2]) await within(`renewal ${renewals}`, change(device, "online"));
    expect(offline).not.toHaveBeenCalled();
    expect(asked).toBe(3);
    expect(line.handshakes).toBe(3);
    await a!.send({ device: b!.name }, "x");
    expect((await next(device)).payload).toBe("x");
  });

  test("a token revoked while connected is replaced", async () => {
    const b = await relay.device();
    const { name } = b;
    const next = Promise.withResolvers<string>();
    const tokens: (string | Promise<string>)[] = [b.token, next.promise];
    const device = client(relay.url, { token: async () => tokens.shift()! });
    await state(device, "online");
    const [offline, online] = [change(device, "offline"), change(device, "online")];
    (await relay.admin("DELETE", `/v1/devices/${name}/tokens`)).is(204);
    next.resolve((await relay.admin("PUT", `/v1/devices/${name}`)).json.token);
    expect((await offline).reason).toContain("no longer valid");
    await online;
  });

  test("a handshake whose token is refused is repeated with a new one", async () => {
    const b = await relay.device();
    const source = giving(expired(b.name), b.token);
    const device = client(relay.url, source);
    await state(device, "online");
    expect(source.asked).toBe(2);
  });

  test("a new token that is refused, too, ends it", async () => {
    const b = await relay.device();
    const source = giving(...[1, 2, 3, 4, 5].map((n) => forged(b.name, n)));
    const device = client(relay.url, source);
    expect((await change(device, "closed")).error).toMatchObject({ code: "unauthorized" });
    expect(source.asked).toBe(2);
  });

  test("a function that gives the refused token again ends it", async () => {
    const b = await relay.device();
    const source = giving(forged(b.name, 1));
    const device = client(relay.url, source);
    expect((await change(device, "closed")).error).toMatchObject({ code: "unauthorized", message: expect.stringContaining("has refused") });
    expect(source.asked).toBe(2);
  });

  test("a function that fails is asked again, until it says that nobody is signed in", async () => {
    const b = await relay.device();
    const device = client(relay.url, giving(new Error("the backend is away"), "no token", b.token));
    expect((await change(device, "offline")).reason).toBe("no_token: the token function failed: the backend is away");
    expect((await change(device, "offline")).reason).toContain("no device's token");
    await state(device, "online");

    const out = client(relay.url, giving(new TagpostError("unauthorized", "signed out")));
    expect((await change(out, "closed")).error).toMatchObject({ code: "unauthorized", message: "unauthorized: signed out" });
  });

  test("closing wins while a token is waited for", async () => {
    const device = client(relay.url, { token: () => new Promise<string>(() => {}) });
    const trace = failure(device.trace("01JZZZZZZZZZZZZZZZZZZZZZZZ"));
    const closed = change(device, "closed");
    device.close();
    expect((await closed).error).toBeUndefined();
    expect(await trace).toMatchObject({ code: "closed" });
  });
});

describe.concurrent("a request", () => {
  test("a request whose token is refused is made again once, with a new one", async () => {
    const [a, b] = await relay.devices(2);
    const source = giving(expired(a!.name), a!.token);
    const sender = createClient({ url: relay.url, ...source });
    const published = await Promise.all([1, 2, 3].map((n) => sender.publish(`@${b!.name}`, n, { wait: 0 })));
    expect(new Set(published.map(({ id }) => id)).size).toBe(3);
    expect((await b!.status()).is(200).held).toBe(3);

    const refused = giving(...[1, 2, 3].map((n) => forged(a!.name, n)));
    const error = await failure(createClient({ url: relay.url, token: refused.token }).publish(`@${b!.name}`, 1));
    expect(error).toMatchObject({ code: "unauthorized", status: 401 });
    expect(refused.asked).toBe(2);
  });

  test("a token that stays is not asked for again", async () => {
    const [a, b] = await relay.devices(2);
    const source = giving(a!.token);
    const sender = createClient({ url: relay.url, token: source.token });
    await Promise.all([1, 2].map((n) => sender.publish(`@${b!.name}`, n, { wait: 0 })));
    await sender.publish(`@${b!.name}`, 3, { wait: 0 });
    expect(source.asked).toBe(1);
  });

  test("a publish without a token fails once its time is over, and says why", async () => {
    const sender = createClient({ url: relay.url, token: () => Promise.reject(new Error("the backend is away")) });
    const error = await failure(sender.publish("door", 1, { wait: 0, timeout: 1 }));
    expect(error).toMatchObject({ code: "timeout", message: expect.stringContaining("the backend is away") });
  });
});

describe("when a token is renewed", () => {
  const at = (claims: object) => mint("key", { sub: "b", ...claims });
  const renewIn = async (token: string) => {
    const credential = Credential.device(() => token);
    await credential.get();
    return Math.round(credential.renewIn / 1000);
  };

  test("a tenth of its lifetime before its end, at most a minute", async () => {
    const iat = seconds();
    expect(await renewIn(at({ iat, exp: iat + 100 }))).toBeGreaterThanOrEqual(88);
    expect(await renewIn(at({ iat, exp: iat + 100 }))).toBeLessThanOrEqual(90);
    expect(await renewIn(at({ iat, exp: iat + 3600 }))).toBeGreaterThanOrEqual(3538);
    expect(await renewIn(at({ iat, exp: iat + 3600 }))).toBeLessThanOrEqual(3540);
    expect(await renewIn(at({ iat }))).toBe(Infinity);
  });

  test("a token that was kept is renewed in what is left of its lifetime", async () => {
    const iat = seconds() - 3000;
    expect(await renewIn(at({ iat, exp: iat + 3600 }))).toBeLessThanOrEqual(541);
  });

  test("by a clock that is wrong a token lasts its whole lifetime", async () => {
    for (const days of [1, -1]) {
      const iat = seconds() - days * 86_400;
      expect(await renewIn(at({ iat, exp: iat + 3600 }))).toBe(3540);
    }
  });

  test("a token of any content is no error", async () => {
    expect(await renewIn("a.b.c")).toBe(Infinity);
    expect(await renewIn(at({ exp: 1 }))).toBe(1);
    expect(await renewIn(at({ iat: "x", exp: seconds() - 5 }))).toBe(1);
  });

  test("what is no token is an error at once", () => {
    for (const token of [undefined, "", "x", 1, null]) {
      expect(() => connect({ url: "https://relay.example", token: token as any }), `${token}`).toThrow(TypeError);
    }
  });
});
