// A device as its firmware would see the service: a name, a token, HTTP and a WebSocket.

import { call, ANSWER_TIMEOUT, type Answer, type Call } from "./http.ts";
import { LAST_STATES, type Frame, type Target, type Trace } from "./protocol.ts";
import { Socket, type Handshake } from "./socket.ts";
import { until } from "./until.ts";

/** What a publish asks for; see the documentation of the headers of the same names. */
export interface PublishOptions {
  ttl?: number | string;
  topic?: string;
  urgency?: string;
  /** Seconds, as `Prefer: wait=N`. */
  wait?: number | string;
  key?: string;
  /** With a content type, the payload is sent as it is; without, as JSON. */
  type?: string;
  headers?: Record<string, string>;
}

/** Where the service is at the moment, and how long it may take to answer. */
export interface Endpoint {
  readonly url: URL;
}

export class Device {
  readonly name: string;
  token: string;
  readonly #endpoint: Endpoint;
  readonly #sockets: Set<Socket>;

  constructor(endpoint: Endpoint, sockets: Set<Socket>, name: string, token: string) {
    this.#endpoint = endpoint;
    this.#sockets = sockets;
    this.name = name;
    this.token = token;
  }

  request(method: string, path: string, options: Call = {}): Promise<Answer> {
    return call(this.#endpoint.url, method, path, { token: this.token, ...options });
  }

  publish(to: Target, payload: unknown, options: PublishOptions = {}): Promise<Answer> {
    const { ttl, topic, urgency, wait, key, type, headers } = options;
    const [path, addressed] =
      "tag" in to ? [`/v1/tags/${to.tag}/messages`]
      : "device" in to ? [`/v1/devices/${to.device}/messages`]
      : ["/v1/messages", { To: to.match }];
    return this.request("POST", path, {
      headers: {
        ...addressed,
        "Content-Type": type ?? "application/json",
        ...(ttl !== undefined && { TTL: `${ttl}` }),
        ...(topic !== undefined && { Topic: topic }),
        ...(urgency !== undefined && { Urgency: urgency }),
        ...(wait !== undefined && { Prefer: `wait=${wait}` }),
        ...(key !== undefined && { "Idempotency-Key": key }),
        ...headers,
      },
      body: type === undefined ? JSON.stringify(payload) : payload,
      timeout: ANSWER_TIMEOUT + 1000 * (Number(wait) || 1),
    });
  }

  /** Publishes what must be stored or sent, and gives its id. */
  async send(to: Target, payload: unknown, options: PublishOptions = {}): Promise<string> {
    return (await this.publish(to, payload, { wait: 0, ...options })).is(202).id;
  }

  trace(id: string, wait?: number): Promise<Answer> {
    return this.request("GET", `/v1/messages/${id}${wait === undefined ? "" : `?wait=${wait}`}`, {
      timeout: ANSWER_TIMEOUT + 1000 * (wait ?? 0),
    });
  }

  /** The trace once every delivery is in a terminal state. */
  async settled(id: string, wait = 10): Promise<Trace> {
    const trace: Trace = (await this.trace(id, wait)).is(200);
    const open = trace.deliveries.filter((delivery) => !LAST_STATES.has(delivery.state));
    if (open.length > 0) throw new Error(`expected terminal states within ${wait} s, but got ${JSON.stringify(trace)}`);
    return trace;
  }

  cancel(id: string): Promise<Answer> {
    return this.request("DELETE", `/v1/messages/${id}`);
  }

  status(): Promise<Answer> {
    return this.request("GET", `/v1/devices/${this.name}`);
  }

  /** Opens the WebSocket; the `welcome` is left to be taken. */
  async open(
    handshake: Handshake = { headers: { Authorization: `Bearer ${this.token}` } },
    query = "",
  ): Promise<Socket> {
    const socket = await Socket.open(new URL(`/v1/connect${query}`, this.#endpoint.url), handshake);
    this.#sockets.add(socket);
    return socket;
  }

  /** Opens the WebSocket and takes the `welcome`. */
  async connect(): Promise<Socket> {
    const socket = await this.open();
    await socket.next("welcome");
    return socket;
  }

  /** Waits until the service takes this device for offline. */
  async offline(timeout?: number): Promise<void> {
    const ask = async () => (await this.status()).is(200).online;
    await until(`${this.name} offline`, ask, (online) => online === false, timeout);
  }

  /** What waits for a device without a WebSocket. */
  async inbox(query: { wait?: number; limit?: number } = {}): Promise<Frame[]> {
    const search = Object.entries(query).map(([name, value]) => `${name}=${value}`);
    const answer = await this.request("GET", `/v1/inbox?${search.join("&")}`, {
      timeout: ANSWER_TIMEOUT + 1000 * (query.wait ?? 0),
    });
    return answer.is(200).messages;
  }

  ack(id: string, body?: unknown): Promise<Answer> {
    return this.request("POST", `/v1/inbox/${id}/ack`, { body });
  }

  nack(id: string, body?: unknown): Promise<Answer> {
    return this.request("POST", `/v1/inbox/${id}/nack`, { body });
  }

  progress(id: string, body?: unknown): Promise<Answer> {
    return this.request("POST", `/v1/inbox/${id}/progress`, { body });
  }
}

/** A message that its receiver acknowledges only after the publish was answered, so that a receipt is due. */
export async function deliverLate(sender: Device, receiver: Device, receiving: Socket, reply?: unknown): Promise<string> {
  const id = await sender.send({ device: receiver.name }, {});
  await receiving.next((frame) => frame.type === "message" && frame.id === id);
  receiving.ack(id, reply);
  await sender.settled(id);
  return id;
}
