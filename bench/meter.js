// Counts what Cloudflare would bill for, around the very build that is deployed: requests, frames, rows, alarms.
//
// It takes the place of the entry in tests and measurements, imports the entry, and counts what passes between
// it and the platform. Rows are what the statements' own cursors and D1's answers say. `GET /v1/meter` answers
// the counts since the start as JSON, and is not counted. No deployed build has it.
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

export default class extends Worker {
  fetch(request) {
    if (new URL(request.url).pathname === "/v1/meter") return Response.json(current());
    counts.worker_requests++;
    return super.fetch(request);
  }
}

export class Mailbox extends Product {
  constructor(ctx, env) {
    watchObjects(ctx.storage);
    super(ctx, env);
  }

  ask(...call) {
    counts.object_requests++;
    return super.ask(...call);
  }

  fetch(request) {
    counts.object_requests++;
    return super.fetch(request);
  }

  alarm(info) {
    counts.object_requests++;
    return super.alarm(info);
  }

  webSocketMessage(socket, message) {
    counts.frames_in++;
    return super.webSocketMessage(socket, message);
  }

  webSocketClose(...event) {
    counts.closes++;
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
    counts.statements++;
    cursor = exec.apply(this, statement);
    return cursor;
  });
  replace(storage, "setAlarm", (setAlarm) => function (...time) {
    counts.alarms_set++;
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
