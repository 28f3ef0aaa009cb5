// The D1 migrations, applied as `wrangler d1 migrations apply` does it: in the order of their names, each
// once, remembered in its table.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { unstable_splitSqlQuery } from "wrangler";

const TABLE = `CREATE TABLE IF NOT EXISTS d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

/**
 * Applies what `directory` has and the database has not, each file wholly or not at all; answers their names.
 *
 * @param {Awaited<ReturnType<import("miniflare").Miniflare["getD1Database"]>>} database
 * @param {string} directory
 * @returns {Promise<string[]>}
 */
export async function applyMigrations(database, directory) {
  await database.prepare(TABLE).run();
  const { results } = await database.prepare("SELECT name FROM d1_migrations").all();
  const applied = new Set(results.map((/** @type {{ name: string }} */ row) => row.name));
  const pending = readdirSync(directory).filter((name) => name.endsWith(".sql") && !applied.has(name)).sort();
  for (const name of pending) {
    const statements = unstable_splitSqlQuery(readFileSync(join(directory, name), "utf8"));
    await database.batch([
      ...statements.map((statement) => database.prepare(statement)),
      database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name),
    ]);
  }
  return pending;
}
