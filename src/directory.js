// Statements of the directory; and lookups, shared by the publishes that arrive together.
//
// A query is most of what a publish by tag costs. While one is under way, the tags of the requests that
// arrive gather, and one more query serves them all. Nothing is remembered: the query that answers a
// request always begins after the request came, so what it sees is as recent as its own would be.
//
// The requests of an isolate are strangers to each other: one whose client goes away takes its query with
// it. So nobody waits for another's longer than `PATIENCE`; then it makes its own.

/** The rows, arrays of columns, of each statement; one is its SQL followed by its parameters. */
export async function run(db, statements) {
  const bound = statements.map(([sql, ...parameters]) => db.prepare(sql).bind(...parameters));
  if (bound.length === 1) return [await bound[0].raw()];
  const answers = await db.batch(bound);
  return answers.map(({ results }) => results.map(Object.values));
}

/** In milliseconds. */
const PATIENCE = 500;

/** By session constraint: the query that is `under way`, and the `next`, which gathers tags. */
const lanes = new Map();

/**
 * What `statement` answers for these tags, one JSON array of them being its first parameter: rows, maybe
 * those of other tags among them.
 */
export function lookUp(db, constraint, statement, tags, limit) {
  const query = (tags) => db.withSession(constraint).prepare(statement).bind(JSON.stringify([...tags]), limit).raw();
  let lane = lanes.get(constraint);
  if (!lane) lanes.set(constraint, (lane = { underWay: undefined, next: undefined }));
  if (!lane.underWay) return begin(lane, query(tags));
  if (lane.next) return join(lane.next, query, tags);
  const next = (lane.next = { tags: new Set(tags), rows: undefined });
  next.rows = outcome(lane.underWay).then(() => {
    if (lane.next === next) lane.next = undefined;
    return begin(lane, query(next.tags));
  });
  return next.rows;
}

function begin(lane, rows) {
  lane.underWay = rows;
  const end = () => {
    if (lane.underWay === rows) lane.underWay = undefined;
  };
  rows.then(end, end);
  return rows;
}

async function join(next, query, tags) {
  for (const tag of tags) next.tags.add(tag);
  return (await outcome(next.rows)) ?? query(tags);
}

/** What another request's promise comes to; undefined if it fails, or does not come in time. */
function outcome(promise) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PATIENCE);
    const end = (value) => {
      clearTimeout(timer);
      resolve(value);
    };
    promise.then(end, () => end(undefined));
  });
}
