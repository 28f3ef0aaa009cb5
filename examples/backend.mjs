// A backend that mints its own tokens. A user who logs in to the application gets a token for a device of their own,
// which may publish to the tags of their house and is valid for an hour.
//
//   TOKEN_KEY=... APP_PASSWORD=... node examples/backend.mjs
//   curl -u alice -X POST http://127.0.0.1:8080/token
//
// curl asks for the password: arguments can be read by every user of the machine. A page that is connected with the
// JavaScript library gives it a function, and stays connected beyond the hour:
//
//   connect({ url, token: async () => (await (await fetch("/token", { method: "POST" })).json()).token })
//
// Nothing is asked of the service: a valid token of a device that is not known yet registers it with its first
// use. TOKEN_KEY is the service's secret of that name; it stays in this process. Any JWT library would do, too.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const { TOKEN_KEY, APP_PASSWORD, PORT = "8080" } = process.env;
if (!TOKEN_KEY || !APP_PASSWORD) {
  console.error("TOKEN_KEY and APP_PASSWORD have to be set");
  process.exit(2);
}

/** Seconds that a token holds. */
const LIFETIME = 3600;

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token for the device `sub` (RFC 7519, HS256). */
function mint(sub, publish) {
  const iat = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, iat, exp: iat + LIFETIME, publish })}`;
  return `${signed}.${createHmac("sha256", TOKEN_KEY).update(signed).digest("base64url")}`;
}

/** The user who asks. An application would look into its own sessions here. */
function user({ authorization = "" }) {
  const [scheme, credential = ""] = authorization.split(" ");
  const [name, password = ""] = Buffer.from(credential, "base64").toString().split(":");
  const digest = (text) => createHash("sha256").update(text).digest();
  const known = scheme === "Basic" && timingSafeEqual(digest(password), digest(APP_PASSWORD));
  return known && /^[a-z0-9]{1,32}$/.test(name) ? name : undefined;
}

const server = createServer((request, response) => {
  const answer = (status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers });
    response.end(`${JSON.stringify(body)}\n`);
  };
  if (request.method !== "POST" || request.url !== "/token") {
    return answer(404, { error: "there is only POST /token" });
  }
  const name = user(request.headers);
  if (!name) return answer(401, { error: "log in first" }, { "WWW-Authenticate": "Basic" });
  const device = `user-${name}`;
  answer(200, { device, token: mint(device, [`house.${name}.*`]), expires_in: LIFETIME });
});

server.listen(Number(PORT), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close(() => process.exit()));
