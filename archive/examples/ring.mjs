// A sender: publishes to the tag `hallway`, and prints the answer, with the state of every delivery.
//
//   TAGPOST_URL=http://127.0.0.1:8787 TAGPOST_TOKEN=... node examples/ring.mjs

const { TAGPOST_URL, TAGPOST_TOKEN } = process.env;
if (!TAGPOST_URL || !TAGPOST_TOKEN) {
  console.error("TAGPOST_URL and TAGPOST_TOKEN have to be set");
  process.exit(2);
}
const answer = await fetch(`${TAGPOST_URL.replace(/\/+$/, "")}/v1/tags/hallway/messages`, {
  method: "POST",
  headers: { authorization: `Bearer ${TAGPOST_TOKEN}`, "content-type": "application/json" },
  body: JSON.stringify({ ring: true }),
  signal: AbortSignal.timeout(30_000),
});
console.log(await answer.text());
if (!answer.ok) process.exit(1);
