// Each "cannot" of docs/security.md and each claim of docs/guarantees.md names its test: that test exists. Each scenario
// of the client libraries has its test in each. Every link of every page leads somewhere, every page is reached, and no
// command on one has a secret among its arguments.

import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

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

test("the changelog says how large the compressed Worker may be", () => {
  const [, limit] = /LIMIT: usize = ([\d_]+);/.exec(read("xtask/src/size.rs"))!;
  const [, said] = /The compressed Worker has at most ([\d,]+) bytes/.exec(read("CHANGELOG.md"))!;
  expect(said!.replaceAll(",", "")).toBe(limit!.replaceAll("_", ""));
});

describe("clients/SCENARIOS.md", () => {
  const scenarios = [...read("clients/SCENARIOS.md").matchAll(/^\| `([^`]+)`(?: \((.+)\))? \|/gm)];
  const identifier = (name: string) => name.replaceAll(",", "").replaceAll(/[ -]/g, "_");

  test.each([
    ["JavaScript", "clients/js/test/*.test.ts", (name: string) => new RegExp(`\\("${name}[":]`)],
    ["Python", "clients/python/tests/test_*.py", (name: string) => new RegExp(`def test_${identifier(name)}\\(`)],
    ["Rust", "crates/cli/tests/relay/**/*.rs", (name: string) => new RegExp(`fn ${identifier(name)}\\(`)],
  ])("each of its scenarios is a test in %s", (library, files, test) => {
    const code = globSync(files, { cwd: ROOT }).map(read).join("\n");
    const missing = scenarios.filter(([, name, only = library]) => only.includes(library) && !test(name!).test(code));
    expect(scenarios.length).toBeGreaterThan(0);
    expect(missing.map(([, name]) => name)).toEqual([]);
  });
});

const PAGES = globSync(["*.md", "{docs,clients,crates,examples}/**/*.md"], { cwd: ROOT, exclude: (path) => /node_modules|target$/.test(`${path}`) });

/** A page without its code, in which nothing is a link or a heading. */
const prose = (path: string) => read(path).replace(/^( *)```.*?^\1```$/gms, "");

/** The links of a page to files of the repository. */
function links(path: string): string[] {
  const text = prose(path).replace(/`[^`\n]*`/g, "");
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g), ...text.matchAll(/(?:src|srcset)="([^"]+)"/g)];
  return targets.map(([, target]) => target!).filter((target) => !/^[a-z]+:/.test(target));
}

/** The anchors of a page, as GitHub and mdBook make them of its headings. */
function anchors(path: string): Set<string> {
  const headings = [...prose(path).matchAll(/^#+ (.*)$/gm)].map(([, text]) => text!.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1"));
  return new Set(headings.map((text) => text.trim().toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")));
}

/** The simple commands in the code of a page, without the variables that are set for them. */
function commands(path: string): string[] {
  const blocks = [...read(path).matchAll(/^( *)```(?:sh|console|yaml)\n(.*?)^\1```$/gms)].map(([, , code]) => code!);
  const text = blocks.join("\n").replaceAll("\\\n", " ");
  const set = /^\s*(?:[A-Z_]+=(?:\$\([^)]*\)|"[^"]*"|\S)* +)+/;
  return text.split(/\n|\||;|&&|[({] /).map((command) => command.replace(set, "").trim());
}

describe("the pages", () => {
  test("give no command a secret as an argument", () => {
    const secret = /Authorization: Bearer |\$\{?[A-Z_]*(TOKEN|KEY|SECRET|PASSWORD)\b|\$\(cat [^)]*\.(token|secret)/;
    // A shell has `printf` built in. What `sed` is told holds no secret: that is in its file.
    const exposed = PAGES.flatMap((page) =>
      commands(page).filter((command) => secret.test(command) && !/^(printf|sed) /.test(command)).map((command) => `${page}: ${command}`),
    );
    expect(exposed).toEqual([]);
  });

  test("link to what exists", () => {
    const broken = PAGES.flatMap((page) =>
      links(page).filter((link) => {
        const [file = "", anchor] = link.split("#");
        const path = file ? normalize(join(dirname(page), file)) : page;
        if (!existsSync(join(ROOT, path))) return true;
        return anchor !== undefined && path.endsWith(".md") && !anchors(path).has(anchor);
      }).map((link) => `${page}: ${link}`),
    );
    expect(broken).toEqual([]);
  });

  test("are all in the table of contents of the site, once", () => {
    const listed = links("docs/SUMMARY.md").map((link) => `docs/${link}`);
    const pages = globSync("docs/**/*.md", { cwd: ROOT }).filter((path) => path !== "docs/SUMMARY.md");
    expect(listed.toSorted()).toEqual(pages.toSorted());
  });

  test("are reached from README.md", () => {
    const reached = new Set(["README.md"]);
    for (const page of reached) {
      for (const link of links(page)) {
        const path = normalize(join(dirname(page), link.split("#")[0] || "."));
        if (path.endsWith(".md") && existsSync(join(ROOT, path))) reached.add(path);
      }
    }
    const pages = globSync("docs/**/*.md", { cwd: ROOT }).filter((path) => path !== "docs/SUMMARY.md");
    expect(pages.filter((path) => !reached.has(path))).toEqual([]);
  });
});
