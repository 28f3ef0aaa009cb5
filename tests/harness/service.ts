// A running service seen from outside: its address, its two secrets, and what its operator does with them.

import { randomBytes, randomUUID } from "node:crypto";

import { Device, type Endpoint } from "./device.ts";
import { call, type Answer, type Call } from "./http.ts";
import type { Socket } from "./socket.ts";
import { mint, seconds, type Claims } from "./token.ts";

export abstract class Service implements Endpoint {
  readonly adminKey = randomBytes(24).toString("base64url");
  readonly tokenKey = randomBytes(32).toString("base64url");
  protected readonly sockets = new Set<Socket>();

  abstract get url(): URL;

  request(method: string, path: string, options?: Call): Promise<Answer> {
    return call(this.url, method, path, options);
  }

  admin(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.request(method, path, { token: this.adminKey, body });
  }

  /** A device with a token of the service; a fresh one unless it is named. */
  async device(name = fresh("device"), body?: { publish?: string[]; tags?: string[]; expires_in?: number }): Promise<Device> {
    const answer = await this.admin("PUT", `/v1/devices/${name}`, body);
    if (answer.status !== 200 && answer.status !== 201) throw new Error(`expected 200 or 201, but ${answer}`);
    return this.bearer(name, answer.json.token);
  }

  /** A device with a token that the operator's own backend minted; the service may not know it. */
  minted(claims: Claims = {}, name = fresh("device")): Device {
    return this.bearer(name, mint(this.tokenKey, { sub: name, iat: seconds(), ...claims }));
  }

  /** A device with this very token. */
  bearer(name: string, token: string): Device {
    return new Device(this, this.sockets, name, token);
  }

  async devices(count: number): Promise<Device[]> {
    return Promise.all(Array.from({ length: count }, () => this.device()));
  }

  /** A fresh tag bound to these devices. */
  async tag(...devices: Device[]): Promise<string> {
    const tag = fresh("tag");
    await Promise.all(devices.map((device) => this.bind(tag, device)));
    return tag;
  }

  async bind(tag: string, device: Device): Promise<void> {
    (await this.admin("PUT", `/v1/tags/${tag}/devices/${device.name}`)).is(204);
  }

  async unbind(tag: string, device: Device): Promise<void> {
    (await this.admin("DELETE", `/v1/tags/${tag}/devices/${device.name}`)).is(204);
  }

  protected hangUp(): void {
    for (const socket of this.sockets) socket.terminate();
    this.sockets.clear();
  }
}

/** A name that no other test uses. */
export const fresh = (kind: string) => `${kind}-${randomUUID().slice(0, 13)}`;
