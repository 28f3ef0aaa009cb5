// Statements of the directory, each in one crossing from wasm to JavaScript.
//
// Requests that arrive together do not share a query: what comes of one request's promise may go on in the
// context of another, where the runtime refuses it everything it does next.

/** The rows, arrays of columns, of each statement; one is its SQL followed by its parameters. */
export async function run(db, statements) {
  const bound = statements.map(([sql, ...parameters]) => db.prepare(sql).bind(...parameters));
  if (bound.length === 1) return [await bound[0].raw()];
  const answers = await db.batch(bound);
  return answers.map(({ results }) => results.map(Object.values));
}

/** How long one query may take on behalf of a publish, in milliseconds. */
const PATIENCE = 5_000;

/** The rows of a statement whose first parameter is a JSON array of tags, in a session of its own. */
export function lookUp(db, constraint, statement, tags, limit) {
  const rows = db.withSession(constraint).prepare(statement).bind(JSON.stringify(tags), limit).raw();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`D1 did not answer within ${PATIENCE} ms`)), PATIENCE);
    rows.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
