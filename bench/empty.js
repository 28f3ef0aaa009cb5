// A Worker that does nothing: what it answers in a second is what the runtime and the load generator allow.

import { DurableObject } from "cloudflare:workers";

export default {
  async fetch(request) {
    // A body that is not read costs the client its connection.
    await request.text();
    return new Response("{}");
  },
};

// The configuration binds it.
export class Mailbox extends DurableObject {}
