// A push service as this service sees it from outside (RFC 8030): it takes knocks, checks who sends them with a library
// of its own, and answers as it is told.

import { setTimeout as sleep } from "node:timers/promises";

import { importJWK, jwtVerify, type JWTPayload } from "jose";
import { Response, type Request } from "miniflare";

/** How long a test waits for a knock, in milliseconds. */
const KNOCK_TIMEOUT = 20_000;

/** A request that came. */
export interface Knock {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** What the push service does about a knock. */
export type Reaction = { status: number; headers?: Record<string, string> } | "hangs" | "breaks";

const TAKEN: Reaction = { status: 201, headers: { location: "https://push.example/message/1" } };

export class PushService {
  /** Everything that came, in order. */
  readonly knocks: Knock[] = [];
  readonly #reactions = new Map<string, Reaction[]>();

  /** A subscription that nobody else has, as a browser gives it. Its knocks are answered like this, in order. */
  subscription(name: string, ...reactions: Reaction[]) {
    const endpoint = `https://push.example/${name}-${Math.random().toString(36).slice(2)}`;
    this.#reactions.set(endpoint, reactions);
    return { endpoint, expirationTime: null, keys: { p256dh: "BA", auth: "AA" } };
  }

  /** The service that a relay reaches instead of the internet. */
  readonly outbound = async (request: Request): Promise<Response> => {
    const headers = Object.fromEntries(request.headers);
    this.knocks.push({ method: request.method, url: request.url, headers, body: await request.text() });
    const reaction = this.#reactions.get(request.url)?.shift() ?? TAKEN;
    if (reaction === "hangs") return new Promise(() => {});
    if (reaction === "breaks") throw new Error("the connection broke");
    return new Response(null, reaction);
  };

  /** The knocks at this endpoint. */
  at({ endpoint }: { endpoint: string }): Knock[] {
    return this.knocks.filter(({ url }) => url === endpoint);
  }

  /** Waits until this endpoint was knocked so often. */
  async knocked(subscription: { endpoint: string }, times = 1, timeout = KNOCK_TIMEOUT): Promise<Knock[]> {
    const end = performance.now() + timeout;
    while (this.at(subscription).length < times) {
      if (performance.now() > end) {
        throw new Error(`expected ${times} knocks within ${timeout} ms, but got ${JSON.stringify(this.knocks)}`);
      }
      await sleep(20);
    }
    return this.at(subscription);
  }
}

/** The claims of who knocks, once the signature is verified; and the key that has signed. */
export async function verified({ headers, url }: Knock): Promise<{ claims: JWTPayload; key: string }> {
  const [, token, key] = /^vapid t=([^,]+), k=(.+)$/.exec(headers.authorization!)!;
  const point = Buffer.from(key!, "base64url");
  const coordinate = (from: number) => point.subarray(from, from + 32).toString("base64url");
  const jwk = { kty: "EC", crv: "P-256", x: coordinate(1), y: coordinate(33) };
  const audience = new URL(url).origin;
  const options = { audience, algorithms: ["ES256"], typ: "JWT", maxTokenAge: undefined };
  const { payload } = await jwtVerify(token!, await importJWK(jwk, "ES256"), options);
  return { claims: payload, key: key! };
}
