// Exits with 0 if the service answers, else with 1. TAGPOST_HEALTH_URL is what it asks, if not the port 8787.

const TIMEOUT = 5_000;
const url = process.env["TAGPOST_HEALTH_URL"] ?? "http://127.0.0.1:8787/health";
try {
  const { ok, status } = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT) });
  if (!ok) throw new Error(`it answered ${status}`);
} catch (error) {
  console.error(`${url}: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
