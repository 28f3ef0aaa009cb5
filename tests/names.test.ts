// The name of each test is a claim that fits into a line of the report.

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { ROOT } from "./harness/workerd.ts";

const LONGEST = 100;
/** A name, and the function that shows it, as it begins: `test("…", async (`. */
const NAME = /\((["`])((?:\\.|(?!\1).)+)\1, (?:\{.*\}, )?(?:async )?\(.*\) => \{$/gm;

test("no name of a test is longer than 100 characters", () => {
  const files = globSync(["tests/**/*.test.ts", "clients/js/test/*.test.ts"], { cwd: ROOT });
  const names = files.flatMap((file) => {
    const found = readFileSync(join(ROOT, file), "utf8").matchAll(NAME);
    return [...found].map(([, , name]) => ({ file, name: name! }));
  });
  expect(names.length).toBeGreaterThan(files.length);
  expect(names.filter(({ name }) => name.length > LONGEST)).toEqual([]);
});
