// A message as the command that publishes it again. The token is read from a file: every user of a machine can read the
// arguments of its processes.

import { SERVICE, devicePath, tagPath } from "../api.js";
import { textOf } from "./payload.js";

/** The longest payload that is put into the command itself. */
const MAX_INLINE = 4096;

/** `message`: its trace. `payload`: if it is known. */
export function curl({ to, accepted_at, deliver_at, expires_at, acks_needed }, payload) {
  const ttl = Math.max(0, Math.round((expires_at - (deliver_at ?? accepted_at)) / 1000));
  const text = payload && textOf(payload);
  const content = text !== undefined && text.length <= MAX_INLINE && !text.startsWith("@") ? quoted(text) : "@payload";
  const headers = [
    to.match !== undefined && `To: ${to.match}`,
    `TTL: ${ttl}`,
    acks_needed !== undefined && `Acks-Needed: ${acks_needed}`,
    payload && `Content-Type: ${payload.type}`,
  ];
  const options = headers.filter(Boolean).map((header) => `-H ${quoted(header)}`);
  return `sed 's/^/Authorization: Bearer /' TOKEN_FILE | curl -H @- ${options.join(" ")} --data-binary ${content} ${quoted(`${SERVICE}/${path(to)}`)}`;
}

function path({ tag, device }) {
  if (tag !== undefined) return `${tagPath(tag)}/messages`;
  return device === undefined ? "v1/messages" : `${devicePath(device)}/messages`;
}

/** A word of a shell's command. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
