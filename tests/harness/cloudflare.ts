// Cloudflare's API, as far as a deployment asks for it: which steps were taken, in their order. It accepts everything.

import type { IncomingMessage, ServerResponse } from "node:http";

export function cloudflare() {
  /** "create NAME" and "migrate" for a database, "upload" for the Worker. */
  const steps: string[] = [];
  const databases: { uuid: string; name: string }[] = [];

  const result = (method: string, path: string, body: string): unknown => {
    if (path.endsWith("/d1/database") && method === "POST") {
      const { name } = JSON.parse(body);
      steps.push(`create ${name}`);
      const database = { uuid: "00000000-0000-4000-8000-000000000001", name };
      databases.push(database);
      return database;
    }
    if (path.endsWith("/d1/database")) return databases;
    if (/\/d1\/database\/[^/]+\/query$/.test(path)) {
      // Reading which were applied is no step.
      if (/CREATE TABLE (?!IF NOT EXISTS d1_migrations)/i.test(body) && steps.at(-1) !== "migrate") steps.push("migrate");
      return [{ results: [], success: true, meta: { duration: 1, changes: 0, rows_read: 0, rows_written: 0 } }];
    }
    if (/\/d1\/database\/[^/]+$/.test(path)) return databases[0];
    if (/\/workers\/scripts\/tagpost$/.test(path) && method === "PUT") {
      steps.push("upload");
      return { id: "tagpost", startup_time_ms: 1 };
    }
    if (path.endsWith("/workers/scripts")) return [];
    if (path.endsWith("/subdomain")) return { subdomain: "example", enabled: true, previews_enabled: false };
    if (path.endsWith("/assets-upload-session")) return { jwt: "a-jwt", buckets: [] };
    return undefined;
  };

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const path = new URL(request.url ?? "/", "http://api").pathname;
      const found = result(request.method ?? "GET", path, Buffer.concat(chunks).toString());
      const errors = found === undefined ? [{ code: 10_007, message: `nothing at ${request.method} ${path}` }] : [];
      response.writeHead(found === undefined ? 404 : 200, { "content-type": "application/json" });
      const info = { page: 1, per_page: 100, count: 1, total_count: databases.length };
      response.end(JSON.stringify({ success: errors.length === 0, errors, messages: [], result: found ?? null, result_info: info }));
    });
  };

  return { steps, answer };
}
