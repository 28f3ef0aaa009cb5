// A mailbox's database on disk, past the service: its rows, the whole of it as SQL, its alarm. It is written to
// only while the service is halted.

import { rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

type Column = null | number | bigint | string | Uint8Array;
export type Row = Record<string, Column>;

/** Every table that is the mailbox's own, with its rows. */
export function rowsOf(path: string): Record<string, Row[]> {
  return read(path, (database) => {
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'");
    const names = tables.all().map(({ name }) => `${name}`);
    return Object.fromEntries(names.map((name) => [name, database.prepare(`SELECT * FROM ${name}`).all() as Row[]]));
  });
}

/** The statements that make the mailbox's own tables and rows anew. */
export function dumpOf(path: string): string {
  const statements = read(path, (database) => {
    const objects = database.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY type DESC, name");
    return objects.all().map(({ sql }) => `${sql};`);
  });
  for (const [table, rows] of Object.entries(rowsOf(path))) {
    for (const row of rows) statements.push(`INSERT INTO ${table} VALUES (${Object.values(row).map(literal).join(", ")});`);
  }
  return statements.map((statement) => `${statement}\n`).join("");
}

/** Puts a database made by these statements in the place of the one that is there. */
export function replace(path: string, statements: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA journal_mode = WAL; BEGIN; ${statements} COMMIT;`);
  } finally {
    database.close();
  }
}

/** Lets a mailbox's database refuse changes as one does that is full: those that are named, as in `INSERT ON inbox`. */
export function refuse(path: string, ...changes: string[]): void {
  change(path, (database) => {
    for (const [n, what] of changes.entries()) {
      database.exec(`CREATE TRIGGER full_${n} BEFORE ${what} BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END`);
    }
  });
}

/** Moves the alarm of a mailbox to a time in milliseconds since the Unix epoch; takes it away for `null`. */
export function moveAlarm(path: string, at: number | null): void {
  // Two places know it: the mailbox itself, and the runtime's list of what is due. Both count nanoseconds.
  const due = at === null ? null : BigInt(Math.floor(at)) * 1_000_000n;
  const id = basename(path, ".sqlite");
  change(path, (database) => {
    if (due === null) database.exec("DELETE FROM _cf_METADATA WHERE key = 1");
    else database.prepare("UPDATE _cf_METADATA SET value = ? WHERE key = 1").run(due);
  });
  change(join(dirname(path), "metadata.sqlite"), (database) => {
    if (due === null) database.prepare("DELETE FROM _cf_ALARM WHERE actor_id = ?").run(id);
    else database.prepare("UPDATE _cf_ALARM SET scheduled_time = ? WHERE actor_id = ?").run(due, id);
  });
}

/** Lets it refuse to have an alarm set. A trigger will not do: the runtime allows none on its own tables. */
export function refuseAlarms(path: string): void {
  change(path, (database) => {
    database.exec(`ALTER TABLE _cf_METADATA RENAME TO full_METADATA;
      CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB CHECK (value IS NULL))`);
  });
}

/** Takes back what {@link refuse} and {@link refuseAlarms} did. */
export function mend(path: string): void {
  change(path, (database) => {
    const named = database.prepare("SELECT type, name FROM sqlite_schema WHERE name LIKE 'full%' AND type IN ('table', 'trigger')");
    for (const { type, name } of named.all()) {
      if (type === "trigger") database.exec(`DROP TRIGGER ${name}`);
      else database.exec(`DROP TABLE _cf_METADATA; ALTER TABLE ${name} RENAME TO _cf_METADATA`);
    }
  });
}

function change(path: string, act: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(path);
  try {
    act(database);
  } finally {
    database.close();
  }
}

function read<T>(path: string, ask: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  try {
    return ask(database);
  } finally {
    database.close();
  }
}

function literal(value: Column): string {
  if (value === null) return "NULL";
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'`;
  if (value instanceof Uint8Array) return `x'${Buffer.from(value).toString("hex")}'`;
  return `${value}`;
}
