// Counts what Cloudflare would bill for, around the very build that is deployed: requests, frames, rows, alarms.
//
// It takes the place of the entry in tests and measurements, imports the entry, and counts what passes between
// it and the platform. Rows are what the statements' own cursors and D1's answers say. `GET /v1/meter` answers
// the counts since the start as JSON, and is not counted. With `?anew` the objects that there are by then are
// not counted from then on, whatever alarms they still have. No deployed build has it.
//
// It counts one isolate, which is all there is on one machine.

import { env } from "cloudflare:workers";

import Worker, { Mailbox as Product } from "./entry.js";

const counts = {
  worker_requests: 0,
  /** Calls and alarms of objects. */
  object_requests: 0,
  /** Incoming socket messages of objects. */
  frames_in: 0,
  closes: 0,
  /** Statements run in objects. */
  statements: 0,
  rows_read: 0,
  rows_written: 0,
  /** Each is billed as a row written. */
  alarms_set: 0,
  /** Publishes that arrive together share one. */
  d1_queries: 0,
  d1_rows_written: 0,
};

/** The ids of all objects, and of those that are not counted any more. */
const [objects, uncounted] = [new Set(), new Set()];

/** Which object a storage belongs to, and its SQL. */
const owners = new WeakMap();

function count(what, object) {
  if (!uncounted.has(object)) counts[what]++;
}

export default class extends Worker {
  fetch(request) {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/v1/meter") {
      if (search === "?anew") for (const object of objects) uncounted.add(object);
      return Response.json(current());
    }
    counts.worker_requests++;
    return super.fetch(request);
  }
}

export class Mailbox extends Product {
  #id;

  constructor(ctx, env) {
    const id = ctx.id.toString();
    objects.add(id);
    for (const part of [ctx.storage, ctx.storage.sql]) owners.set(part, id);
    watchObjects(ctx.storage);
    super(ctx, env);
    this.#id = id;
  }

  ask(...call) {
    count("object_requests", this.#id);
    return super.ask(...call);
  }

  fetch(request) {
    count("object_requests", this.#id);
    return super.fetch(request);
  }

  alarm(info) {
    count("object_requests", this.#id);
    return super.alarm(info);
  }

  webSocketMessage(socket, message) {
    count("frames_in", this.#id);
    return super.webSocketMessage(socket, message);
  }

  webSocketClose(...event) {
    count("closes", this.#id);
    return super.webSocketClose(...event);
  }
}

/** A cursor counts until it is read to its end, which in this product is before the next statement. */
let cursor;

function current() {
  if (cursor) {
    counts.rows_read += cursor.rowsRead;
    counts.rows_written += cursor.rowsWritten;
    cursor = undefined;
  }
  return counts;
}

let watched = false;

/** The prototypes of all objects' storage are the same. */
function watchObjects(storage) {
  if (watched) return;
  watched = true;
  replace(storage.sql, "exec", (exec) => function (...statement) {
    current();
    if (!owners.has(this)) throw new Error("a statement of an object that is not known");
    count("statements", owners.get(this));
    const rows = exec.apply(this, statement);
    if (!uncounted.has(owners.get(this))) cursor = rows;
    return rows;
  });
  replace(storage, "setAlarm", (setAlarm) => function (...time) {
    count("alarms_set", owners.get(this));
    return setAlarm.apply(this, time);
  });
}

for (const method of ["all", "run"]) {
  replace(env.DB.prepare("SELECT 1"), method, (query) => async function () {
    return answered(await query.call(this));
  });
}
// These tell no counts. What they are used for here only reads.
for (const method of ["first", "raw"]) {
  replace(env.DB.prepare("SELECT 1"), method, (query) => function (...how) {
    counts.d1_queries++;
    return query.apply(this, how);
  });
}
replace(env.DB.withSession(), "batch", (batch) => async function (statements) {
  return (await batch.call(this, statements)).map(answered);
});

function answered(result) {
  counts.d1_queries++;
  counts.d1_rows_written += result.meta.rows_written;
  return result;
}

/** Puts another method in the place of one, for all objects of this kind. */
function replace(object, method, replacement) {
  const prototype = Object.getPrototypeOf(object);
  prototype[method] = replacement(prototype[method]);
}
