// Pairing codes as the service seals them (crates/core/src/web_push/seal.rs), made with Node's crypto alone. A code does
// not tell for which device it is; to a test that knows the key, it does.

import { createHmac } from "node:crypto";

export interface PairingCode {
  device: string;
  number: number;
  /** In milliseconds since the Unix epoch. */
  expiresAt: number;
}

const KIND = "d";
const TAG = 16;
const NAME = 64;

const mac = (key: string | Buffer, ...parts: (string | Buffer)[]): Buffer =>
  parts.reduce((hmac, part) => hmac.update(part), createHmac("sha256", key)).digest();

const big = (number: number, bytes: number): Buffer => {
  const all = Buffer.alloc(8);
  all.writeBigUInt64BE(BigInt(number));
  return all.subarray(8 - bytes);
};

function combine(key: string, tag: Buffer, text: Buffer): Buffer {
  const stream = mac(key, `tagpost push stream ${KIND}`);
  const blocks = Array.from({ length: Math.ceil(text.length / 32) }, (_, block) => mac(stream, tag, Buffer.of(block)));
  const whole = Buffer.concat(blocks);
  return Buffer.from(text.map((byte, at) => byte ^ whole[at]!));
}

/** The text of a code. */
export function seal(key: string, { device, number, expiresAt }: PairingCode): string {
  const name = Buffer.alloc(NAME);
  name.write(device);
  const plaintext = Buffer.concat([Buffer.of(1, device.length), name, big(number, 7), big(expiresAt, 6)]);
  const tag = mac(mac(key, `tagpost push tag ${KIND}`), plaintext).subarray(0, TAG);
  return Buffer.concat([tag, combine(key, tag, plaintext)]).toString("base64url");
}

/** What a code says to who has the key. */
export function open(key: string, code: string): PairingCode {
  const sealed = Buffer.from(code, "base64url");
  const plaintext = combine(key, sealed.subarray(0, TAG), sealed.subarray(TAG));
  const length = plaintext[1]!;
  const [name, number] = [2, 2 + NAME];
  return {
    device: plaintext.subarray(name, name + length).toString(),
    number: plaintext.readUIntBE(number + 1, 6) + plaintext[number]! * 2 ** 48,
    expiresAt: plaintext.readUIntBE(number + 7, 6),
  };
}
