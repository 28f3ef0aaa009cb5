// What axe has to say against a page.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import type { Page } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe has to say against the page as it is, a line each. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(`if (!globalThis.axe) { ${AXE} }`);
  // axe fails where the page changes while it looks: the page shows when things happened, and that grows older.
  const run = "(async () => { for (let tries = 1; ; tries++) try { return await axe.run(); } catch (error) { if (tries === 3) throw error; } })()";
  const { violations }: { violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] } = await page.evaluate(run);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`));
}
