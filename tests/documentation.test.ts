// Each "cannot" of docs/security.md and each claim of docs/guarantees.md names its test: that test exists.

import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { ROOT } from "./harness/workerd.ts";

const SOURCES = globSync(["tests/**/*.test.ts", "{src,crates}/**/*.rs"], { cwd: ROOT });
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

describe.each(["docs/security.md", "docs/guarantees.md"].filter((name) => existsSync(join(ROOT, name))))("%s", (document) => {
  const rows = read(document).split("\n").filter((line) => line.startsWith("| "));

  test("names files that exist", () => {
    const named = rows.join("\n").matchAll(/`([\w/.-]+\.(?:test\.ts|rs))`/g);
    const missing = [...named].map(([, name]) => name!).filter((name) => !SOURCES.some((path) => `/${path}`.endsWith(`/${name}`)));
    expect(missing).toEqual([]);
  });

  test("quotes tests that exist in the files that their row names", () => {
    const missing = rows.flatMap((row) => {
      const files = [...row.matchAll(/`([\w/.-]+\.test\.ts)`/g)].map(([, name]) => name!);
      const text = SOURCES.filter((path) => files.some((name) => path.endsWith(`/${name}`))).map(read).join("\n");
      const quoted = files.length > 0 ? [...row.matchAll(/"([^"]+)"/g)].map(([, title]) => title!) : [];
      return quoted.filter((title) => !text.includes(title.replace(/^… /, "")));
    });
    expect(missing).toEqual([]);
  });

  test("names functions that exist", () => {
    const code = SOURCES.filter((path) => path.endsWith(".rs")).map(read).join("\n");
    const named = [...rows.join("\n").matchAll(/`([a-z]+(?:_[a-z0-9]+){2,})`/g)].map(([, name]) => name!);
    expect(named.filter((name) => !code.includes(`fn ${name}(`))).toEqual([]);
  });
});
