// An empty project of somebody who has installed the package that npm would publish.

import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll } from "vitest";

import { ROOT } from "../../../tests/harness/workerd.ts";

const LIBRARY = join(import.meta.dirname, "..");
/** What is made when the package is packed. */
const MADE = /^(types|cjs\/(?!package\.json$).*)$/;

const run = promisify(execFile);

export interface Application {
  /** Its directory. */
  path: string;
  /** A checkout of the library, in which nobody else packs. */
  library: string;
  /** The package as it was packed. */
  tarball: string;
  /** What the package holds. */
  files: string[];
}

export function useApplication(): Application {
  const application: Application = { path: "", library: "", tarball: "", files: [] };
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "tagpost-package-"));
    application.path = join(directory, "application");
    application.library = join(directory, "library");
    await cp(LIBRARY, application.library, { recursive: true, filter: (path) => !MADE.test(relative(LIBRARY, path)) });
    const installed = join(application.path, "node_modules/tagpost");
    await mkdir(installed, { recursive: true });
    const [{ filename, files }] = JSON.parse(await npm(application, "pack", "--json", "--pack-destination", directory));
    application.files = files.map(({ path }: { path: string }) => path);
    application.tarball = join(directory, filename);
    await run("tar", ["-xzf", application.tarball, "-C", installed, "--strip-components=1"]);
  }, 180_000);
  afterAll(() => rm(directory, { recursive: true, force: true }));
  return application;
}

/** Runs npm in the library, with the Node.js that runs the tests and the tools of this repository. */
export async function npm({ library }: Application, ...args: string[]): Promise<string> {
  const path = [dirname(process.execPath), join(ROOT, "node_modules/.bin"), process.env.PATH].join(delimiter);
  return (await run("npm", args, { cwd: library, env: { ...process.env, PATH: path } })).stdout;
}
