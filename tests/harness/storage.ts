// A mailbox's database on disk, past the service: its rows, and the whole of it as SQL.

import { rmSync } from "node:fs";
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
