// The operator's devices: create, list, show; names are checked where they enter.

import { describe, expect, test } from "vitest";

import { claimsOf, fresh, useRelay } from "./harness/index.ts";

const relay = useRelay();

describe("devices", () => {
  test("limit and cursor lead through all devices, each once", async () => {
    expect((await relay.admin("GET", "/v1/devices")).is(200)).toEqual({ devices: [], next: null });
    const names = (await relay.devices(7)).map(({ name }) => name);
    const seen = [];
    let query = "?limit=3";
    for (let pages = 0; pages < 5; pages++) {
      const page = (await relay.admin("GET", `/v1/devices${query}`)).is(200);
      expect(page.devices.length).toBeLessThanOrEqual(3);
      seen.push(...page.devices.map(({ device }: any) => device));
      if (page.next === null) break;
      query = `?limit=3&cursor=${encodeURIComponent(page.next)}`;
    }
    expect(seen.sort()).toEqual(names.sort());
  });

  test("a new device is created with 201, a known one answered 200, both with a token", async () => {
    const name = fresh("device");
    const before = Date.now();
    const created = (await relay.admin("PUT", `/v1/devices/${name}`)).is(201);
    expect(created).toEqual({ device: name, token: expect.any(String), token_id: expect.any(String), created_at: expect.any(Number) });
    expect(created.created_at).toBeGreaterThanOrEqual(before);
    expect(created.created_at).toBeLessThanOrEqual(Date.now());

    const again = (await relay.admin("PUT", `/v1/devices/${name}`)).is(200);
    expect(again).toMatchObject({ device: name, created_at: created.created_at });
    await relay.bearer(name, created.token).inbox();
    await relay.bearer(name, again.token).inbox();

    const { devices } = (await relay.admin("GET", "/v1/devices?limit=1000")).is(200);
    expect(devices).toContainEqual({ device: name, created_at: created.created_at });
  });

  test("the patterns and the expiry of a token are taken from the body", async () => {
    const answer = await relay.admin("PUT", `/v1/devices/${fresh("device")}`, {
      publish: ["kitchen.*", "@camera-1"],
      expires_in: 60,
    });
    expect(claimsOf(answer.is(201).token)).toMatchObject({ publish: ["kitchen.*", "@camera-1"] });
  });

  test.each([
    [{ publish: "kitchen" }, "publish"],
    [{ publish: null }, "publish"],
    [{ publish: { kitchen: true } }, "publish"],
    [{ publish: [["kitchen"]] }, "publish"],
    [{ publish: ["a*b"] }, "publish"],
    [{ publish: [7] }, "publish"],
    [{ publish: ["has space"] }, "publish"],
    [{ expires_in: 0 }, "expires_in"],
    [{ expires_in: -1 }, "expires_in"],
    [{ expires_in: "soon" }, "expires_in"],
  ])("the body %j is refused by the name of its field, and creates nothing", async (body, field) => {
    const name = fresh("device");
    const answer = await relay.admin("PUT", `/v1/devices/${name}`, body);
    // At its start: the detail of an unknown field lists these names, too.
    expect(answer.problem(400, "bad_request").detail).toMatch(new RegExp(`^${field}\\b`));
    (await relay.admin("GET", `/v1/devices/${name}`)).problem(404, "unknown_device");
  });

  test.each(['{"expires_in":5,"expires_in":6}', '{"publish":[],"publish":["*"]}'])(
    "the body %s is refused, since it has a field twice, and creates nothing",
    async (body) => {
      const name = fresh("device");
      const answer = await relay.admin("PUT", `/v1/devices/${name}`, body);
      expect(answer.problem(400, "bad_request").detail).toContain("duplicate field");
      (await relay.admin("GET", `/v1/devices/${name}`)).problem(404, "unknown_device");
    },
  );

  test("a body that is not JSON is refused and creates nothing", async () => {
    const name = fresh("device");
    (await relay.admin("PUT", `/v1/devices/${name}`, "{")).problem(400, "bad_request");
    (await relay.admin("GET", `/v1/devices/${name}`)).problem(404, "unknown_device");
  });

  test.each(["a", "A.b_c-9", "0", "x".repeat(64)])("the name %s is taken", async (name) => {
    expect((await relay.admin("PUT", `/v1/devices/${name}`)).is(201).device).toBe(name);
    (await relay.admin("GET", `/v1/devices/${name}`)).is(200);
  });

  test.each(["-a", ".a", "_a", "a:b", "a%20b", "a%2Fb", "%C3%BC", "a%00", "a@b", "x".repeat(65)])(
    "the name %s is refused",
    async (name) => {
      const problem = (await relay.admin("PUT", `/v1/devices/${name}`)).problem(400, "bad_request");
      expect(problem.detail).toContain("device");
    },
  );

  test("a query that is not well formed is refused by name", async () => {
    for (const [name, value] of [
      ["limit", "0"],
      ["limit", "many"],
      ["limit", "-1"],
    ]) {
      const answer = await relay.admin("GET", `/v1/devices?${name}=${value}`);
      expect(answer.problem(400, "bad_request").detail).toContain(name);
    }
  });
});
