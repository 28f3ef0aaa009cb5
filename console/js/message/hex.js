// Bytes as they are read in a terminal: their place, their values, and what is a character of ASCII.

const ROW = 16;

/** The first `length` bytes, sixteen to a line. */
export function hex(bytes, length) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, length); at += ROW) {
    const row = [...bytes.subarray(at, Math.min(at + ROW, length))];
    const values = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const characters = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${values.padEnd(3 * ROW)} ${characters}`);
  }
  return lines.join("\n");
}
