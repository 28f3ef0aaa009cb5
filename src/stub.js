// Calls to mailboxes, each of which ends within its time limit.

/** The calls of one mailbox to others; a request has one of these for each call. As long as none fails, calls to the
 * same mailbox arrive in the order in which they are made: the runtime keeps the order of calls through one stub,
 * and only of those. */
export class Calls {
  #env;
  /** For each mailbox that is being called, the stub and the number of running calls. */
  #open = new Map();

  constructor(env) {
    this.#env = env;
  }

  /** A mailbox's answer to one call, with a text beside it if there is one; null if it does not answer within `limit` milliseconds. */
  ask(device, call, enclosed, fault, limit) {
    let line = this.#open.get(device);
    if (!line) this.#open.set(device, (line = { stub: this.#env.MAILBOX.getByName(device), calls: 0 }));
    line.calls += 1;
    // A stub may also throw synchronously.
    const answer = within(limit, Promise.try(() => line.stub.ask(call, enclosed, fault)));
    // A stub may be broken after a call through it has failed.
    const ended = (failed) => {
      line.calls -= 1;
      if ((failed || line.calls === 0) && this.#open.get(device) === line) this.#open.delete(device);
    };
    answer.then((value) => ended(value === null), () => ended(true));
    return answer;
  }
}

/** A mailbox's response to the handshake of its device, or of a watcher of it, in the same way. */
export function connect(env, device, caller, protocol, isOffered, window, origin, watch, fault, limit) {
  // Only `fetch` can return a socket. The client's own headers stay here, above all its credential.
  const headers = { upgrade: "websocket", "tagpost-protocol": protocol };
  if (caller) headers["tagpost-caller"] = caller;
  if (!isOffered) headers["tagpost-unnamed"] = "true";
  if (origin) headers["tagpost-origin"] = origin;
  if (window) headers["tagpost-window"] = `${window}`;
  if (watch) headers["tagpost-watch"] = watch;
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
