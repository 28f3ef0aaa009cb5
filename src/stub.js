// Calls of mailboxes, each of which ends in time.

/** The answer of a mailbox to one call; null if it does not come within `limit` milliseconds. */
export function ask(env, device, call, fault, limit) {
  return within(limit, env.MAILBOX.getByName(device).ask(call, fault));
}

/** The response of a mailbox to the handshake of its device, in the same way. */
export function connect(env, device, caller, fault, limit) {
  // Only `fetch` can return a socket. The client's own headers stay here, above all its credential.
  const headers = { upgrade: "websocket", "tagpost-device": device, "tagpost-caller": caller };
  if (fault) headers["tagpost-fault"] = fault;
  return within(limit, env.MAILBOX.getByName(device).fetch("https://mailbox/connect", { headers }));
}

function within(limit, answer) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, limit, null);
    const end = (settle) => (value) => {
      clearTimeout(timer);
      settle(value);
    };
    answer.then(end(resolve), end(reject));
  });
}
