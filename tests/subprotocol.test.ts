// The WebSocket handshake: subprotocol tagpost.v1, and a credential where browsers can put one.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("handshake", () => {
  test("with the credential in Authorization it chooses tagpost.v1", async () => {
    const socket = await (await relay.device()).open();
    expect(socket.protocol).toBe("tagpost.v1");
    await socket.next("welcome");
  });

  test("with the credential as a second subprotocol it chooses tagpost.v1 and connects that device", async () => {
    const device = await relay.device();
    const socket = await device.open({ protocols: ["tagpost.v1", `token.${device.token}`] });
    expect(socket.protocol).toBe("tagpost.v1");
    expect(await socket.next("welcome")).toMatchObject({ device: device.name });
  });

  test("the order of the two subprotocols does not matter", async () => {
    const device = await relay.device();
    const socket = await device.open({ protocols: [`token.${device.token}`, "tagpost.v1"] });
    expect(socket.protocol).toBe("tagpost.v1");
  });

  test("with a token it does not choose the protocol of Web Push", async () => {
    const device = await relay.device();
    const socket = await device.open({ protocols: ["push-notification", "tagpost.v1", `token.${device.token}`] });
    expect(socket.protocol).toBe("tagpost.v1");
    await expect(device.open({ protocols: ["push-notification", `token.${device.token}`] })).rejects.toThrow("400");
  });

  test("a request that is no handshake is answered 426", async () => {
    const device = await relay.device();
    (await device.request("GET", "/v1/connect")).problem(426, "upgrade_required");
  });
});
