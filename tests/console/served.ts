// What the service serves, by its description: a test of a page for something else would have nothing to show.

import { readFileSync } from "node:fs";

const { paths } = JSON.parse(readFileSync(new URL("../../src/openapi.json", import.meta.url), "utf8"));

/** Whether all these requests are served, each as `GET /v1/overview`; otherwise says what is missing. */
export function serves(...requests: string[]): boolean {
  const missing = requests.filter((request) => {
    const [method, path] = request.split(" ") as [string, string];
    return paths[path]?.[method.toLowerCase()] === undefined;
  });
  if (missing.length > 0) console.warn(`skipped: the service does not have ${missing.join(", ")}`);
  return missing.length === 0;
}
