// A user agent of Web Push as the service sees it: the frames that Firefox sends, and the keys that decrypt.

import { createECDH, randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import ece from "http_ece";
import WebSocket from "ws";

import type { Device } from "./device.ts";
import type { Service } from "./service.ts";
import { FRAME_TIMEOUT } from "./socket.ts";

/** A frame: one JSON object. */
export type AgentFrame = Record<string, any>;

/** A subscription, as a page would pass it to its application server. */
export interface Subscription {
  endpoint: string;
  keys: { p256dh: string; auth: string };
}

/** The URL with which a user agent connects as this device. */
export async function pushUrl(device: Device): Promise<string> {
  return (await device.request("POST", `/v1/devices/${device.name}/push`)).is(200).push_url;
}

/** A device, its URL, and a user agent with one channel, which is bound to a sender's key if one is given. */
export async function subscribed(service: Service, key?: string) {
  const device = await service.device();
  const url = await pushUrl(device);
  const agent = await UserAgent.connect(url);
  const channel = await agent.subscribe(key);
  return { device, url, agent, channel, path: new URL(channel.endpoint).pathname };
}

export class UserAgent {
  /** Every frame that came, in order, also those already taken. */
  readonly seen: AgentFrame[] = [];
  /** The subprotocol that the service chose. */
  readonly protocol: string;
  id = "";
  readonly #ws: WebSocket;
  readonly #waiting: AgentFrame[] = [];
  readonly #close: Promise<number>;
  #closed: number | undefined;
  #arrived = Promise.withResolvers<void>();
  readonly #ecdh = createECDH("prime256v1");
  readonly #auth = randomBytes(16);

  private constructor(ws: WebSocket) {
    this.#ws = ws;
    this.protocol = ws.protocol;
    this.#ecdh.generateKeys();
    ws.on("message", (data) => {
      const frame = JSON.parse(data.toString());
      this.seen.push(frame);
      this.#waiting.push(frame);
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
    });
    this.#close = new Promise((resolve) => {
      ws.on("close", (code) => {
        this.#closed = code;
        resolve(code);
        this.#arrived.resolve();
      });
    });
    ws.on("error", () => {});
  }

  /** Connects, and says nothing. */
  static open(url: string, protocols = ["push-notification"]): Promise<UserAgent> {
    const ws = new WebSocket(url.replace(/^http/, "ws"), protocols, {
      origin: url,
      handshakeTimeout: FRAME_TIMEOUT,
    });
    return new Promise((resolve, reject) => {
      ws.once("open", () => resolve(new UserAgent(ws)));
      ws.once("error", reject);
    });
  }

  /** Connects and says hello, with this id if there is one. */
  static async connect(url: string, id?: string): Promise<UserAgent> {
    const agent = await UserAgent.open(url);
    await agent.hello(id);
    return agent;
  }

  async hello(id?: string): Promise<AgentFrame> {
    this.send({ messageType: "hello", broadcasts: {}, use_webpush: true, ...(id && { uaid: id }) });
    const answer = await this.next("hello");
    this.id = answer.uaid;
    return answer;
  }

  /** Registers a fresh channel, bound to a sender's key if one is given. */
  async subscribe(key?: string, channelID: string = randomUUID()): Promise<Subscription & { channelID: string }> {
    this.send({ channelID, messageType: "register", ...(key && { key }) });
    const answer = await this.next("register");
    if (answer.status !== 200) throw new Error(`expected 200, but got ${JSON.stringify(answer)}`);
    const keys = { p256dh: this.#ecdh.getPublicKey("base64url"), auth: this.#auth.toString("base64url") };
    return { endpoint: answer.pushEndpoint, keys, channelID };
  }

  /** Takes over the keys of an earlier connection of the same user agent. */
  async reconnect(url: string): Promise<UserAgent> {
    const agent = await UserAgent.connect(url, this.id);
    agent.#ecdh.setPrivateKey(this.#ecdh.getPrivateKey());
    this.#auth.copy(agent.#auth);
    return agent;
  }

  /** The next message, decrypted; waits for it, and acknowledges it. */
  async message(code = 100): Promise<string> {
    const frame = await this.next("notification");
    this.ack(frame, code);
    return this.read(frame);
  }

  /** What is in a notification. */
  read({ data, headers }: AgentFrame): string {
    if (data === undefined) return "";
    const parameter = (header: string, name: string) => new RegExp(`${name}=([^;,]+)`).exec(headers[header])?.[1];
    const older = headers.encoding === "aesgcm" && {
      dh: parameter("crypto_key", "dh"),
      salt: parameter("encryption", "salt"),
    };
    const options = { version: headers.encoding, privateKey: this.#ecdh, authSecret: this.#auth.toString("base64url"), ...older };
    return ece.decrypt(Buffer.from(data, "base64url"), options).toString();
  }

  ack({ channelID, version }: AgentFrame, code = 100): void {
    this.send({ messageType: "ack", updates: [{ channelID, version, code }] });
  }

  async unregister(channelID: string): Promise<AgentFrame> {
    this.send({ channelID, messageType: "unregister", code: 200 });
    return this.next("unregister");
  }

  /** The ping of Firefox, and its answer. */
  async ping(): Promise<void> {
    this.send({});
    await this.next(undefined);
  }

  /** The oldest frame not yet taken that has this type; waits for it. */
  async next(type: string | undefined, timeout = FRAME_TIMEOUT): Promise<AgentFrame> {
    const end = performance.now() + timeout;
    for (;;) {
      const at = this.#waiting.findIndex((frame) => frame.messageType === type);
      if (at >= 0) return this.#waiting.splice(at, 1)[0]!;
      const left = end - performance.now();
      if (left <= 0 || this.#closed !== undefined) {
        const seen = this.seen.map((frame) => JSON.stringify(frame)).join("\n");
        throw new Error(`expected a frame ${type} within ${timeout} ms; closed: ${this.#closed}; seen:\n${seen}`);
      }
      await Promise.race([this.#arrived.promise, sleep(left, undefined, { ref: false })]);
    }
  }

  /** The code with which the service closed the connection; waits for it. */
  async closed(timeout = FRAME_TIMEOUT): Promise<number> {
    const code = await Promise.race([this.#close, sleep(timeout, undefined, { ref: false })]);
    if (code === undefined) throw new Error(`the service has not closed the connection within ${timeout} ms`);
    return code;
  }

  send(frame: unknown): void {
    this.#ws.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** Breaks the connection without a close frame, as Firefox does. */
  close(): void {
    this.#ws.terminate();
  }

  /** Closes the connection and waits until the service has done so too. */
  async leave(): Promise<void> {
    this.#ws.close(1000);
    await this.closed();
  }
}
