// Two demo devices: a doorbell that publishes to the tag `hallway`, and a camera that is bound to it.

import { writeFileSync } from "node:fs";
import { join, relative } from "node:path";

const TAG = "hallway";
const SENDER = "doorbell";
const RECIPIENT = "kitchen-cam";
const DEVICES = [SENDER, RECIPIENT];

/**
 * Creates both devices, and keeps what each needs in `STATE/NAME.env`, for `node --env-file`.
 *
 * @param {Awaited<ReturnType<typeof import("./service.mjs").startService>>} service
 * @param {{ url: string, state: string, adminKey: string }} about
 * @returns {Promise<string>} What to try.
 */
export async function createDemo(service, { url, state, adminKey }) {
  const headers = { authorization: `Bearer ${adminKey}` };
  /** @param {string} path */
  const put = async (path) => {
    const answer = await service.fetch(path, { method: "PUT", headers });
    const body = await answer.text();
    if (!answer.ok) throw new Error(`PUT ${path} answered ${answer.status}: ${body}`);
    return body;
  };
  /** @param {string} device */
  const file = (device) => join(state, `${device}.env`);
  /** @param {string} device */
  const option = (device) => {
    const near = relative(process.cwd(), file(device));
    return `--env-file=${quoted(near.startsWith("..") ? file(device) : near)}`;
  };
  for (const device of DEVICES) {
    const { token } = JSON.parse(await put(`/v1/devices/${device}`));
    writeFileSync(file(device), `TAGPOST_URL=${url}\nTAGPOST_TOKEN=${token}\n`, { mode: 0o600 });
  }
  await put(`/v1/tags/${TAG}/devices/${RECIPIENT}`);
  const query = [`admin_key=${encodeURIComponent(adminKey)}`, ...DEVICES.map((device) => `device=${device}`), `tag=${TAG}`];
  return `The console, with both devices side by side (the link holds the admin key):

  ${url}/#${query.join("&")}

In a second terminal, kitchen-cam listens:

  node ${option("kitchen-cam")} examples/listen.mjs

In a third one, doorbell publishes to the tag ${TAG}:

  node ${option("doorbell")} examples/ring.mjs
`;
}

/** @param {string} path */
const quoted = (path) => (/^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`);
