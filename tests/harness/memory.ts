// What the service's isolate holds in memory, told by V8's inspector after a collection of all garbage: exact
// to some kilobytes, unlike the memory of the process.

import { once } from "node:events";

import WebSocket from "ws";

import { within } from "./until.ts";

/** Milliseconds that the inspector has for an answer. */
const ANSWER_TIMEOUT = 20_000;

export interface Memory {
  /** Bytes of JavaScript objects that are in use. */
  heap: number;
  /** Bytes of the wasm instances' memories. These never shrink: what was freed in them is used again. */
  wasm: number;
}

/** Collects all garbage of the Worker behind this inspector's URL, and tells what is left. */
export async function memoryOf(inspector: URL): Promise<Memory> {
  const session = await Session.open(inspector);
  try {
    return await session.memory();
  } finally {
    session.close();
  }
}

class Session {
  readonly #ws: WebSocket;
  readonly #calls = new Map<number, PromiseWithResolvers<any>>();
  readonly #context = Promise.withResolvers<string>();

  private constructor(ws: WebSocket) {
    this.#ws = ws;
    ws.on("message", (data) => {
      const { id, method, params, error, result } = JSON.parse(`${data}`);
      if (method === "Runtime.executionContextCreated") this.#context.resolve(params.context.uniqueId);
      const call = this.#calls.get(id);
      if (error) call?.reject(new Error(`the inspector answers ${JSON.stringify(error)}`));
      else call?.resolve(result);
    });
  }

  static async open(url: URL): Promise<Session> {
    const ws = new WebSocket(url);
    // A connection that breaks is seen by the answer that does not come.
    ws.on("error", () => {});
    await within(ANSWER_TIMEOUT, once(ws, "open"));
    return new Session(ws);
  }

  async memory(): Promise<Memory> {
    await this.#call("Runtime.enable");
    const uniqueContextId = await within(ANSWER_TIMEOUT, this.#context.promise);
    const expression = "WebAssembly.Memory.prototype";
    const prototype = await this.#call("Runtime.evaluate", { expression, uniqueContextId });
    // Before it looks for objects it collects all garbage, at once; `collectGarbage` waits for the next request.
    const found = await this.#call("Runtime.queryObjects", { prototypeObjectId: prototype.result.objectId });
    const sum = await this.#call("Runtime.callFunctionOn", {
      objectId: found.objects.objectId,
      functionDeclaration: "function () { return this.reduce((sum, memory) => sum + memory.buffer.byteLength, 0) }",
      returnByValue: true,
    });
    const { usedSize } = await this.#call("Runtime.getHeapUsage");
    return { heap: usedSize, wasm: sum.result.value };
  }

  close(): void {
    this.#ws.terminate();
  }

  #call(method: string, params = {}): Promise<any> {
    const id = this.#calls.size;
    const call = Promise.withResolvers<any>();
    this.#calls.set(id, call);
    this.#ws.send(JSON.stringify({ id, method, params }));
    return within(ANSWER_TIMEOUT, call.promise);
  }
}
