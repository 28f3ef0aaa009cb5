// Calls of mailboxes, each of which ends in time.

/** The calls of one mailbox to others; a request has one for each call. As long as none fails, those to the
 * same mailbox arrive in the order in which they are made: the runtime keeps it among the calls through one
 * stub, and only there. */
export class Calls {
  #env;
  /** For each mailbox that is being called, the stub and how many calls have not ended. */
  #open = new Map();

  constructor(env) {
    this.#env = env;
  }

  /** The answer of a mailbox to one call, beside which a text may go; null if it does not come within `limit` milliseconds. */
  ask(device, call, enclosed, fault, limit) {
    let line = this.#open.get(device);
    if (!line) this.#open.set(device, (line = { stub: this.#env.MAILBOX.getByName(device), calls: 0 }));
    line.calls += 1;
    // A stub may also throw at once.
    const answer = within(limit, Promise.try(() => line.stub.ask(call, enclosed, fault)));
    // A stub through which a call has failed may be of no use any more.
    const ended = (failed) => {
      line.calls -= 1;
      if ((failed || line.calls === 0) && this.#open.get(device) === line) this.#open.delete(device);
    };
    answer.then((value) => ended(value === null), () => ended(true));
    return answer;
  }
}

/** The response of a mailbox to the handshake of its device, in the same way. */
export function connect(env, device, caller, protocol, window, fault, limit) {
  // Only `fetch` can return a socket. The client's own headers stay here, above all its credential.
  const headers = { upgrade: "websocket", "tagpost-device": device, "tagpost-caller": caller, "tagpost-protocol": protocol };
  if (window) headers["tagpost-window"] = `${window}`;
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
