// An empty project of somebody who has installed the package that npm would publish.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll } from "vitest";

export const LIBRARY = join(import.meta.dirname, "..");

/** npm, with the Node.js that runs the tests. */
export async function npm(...args: string[]): Promise<string> {
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };
  return (await promisify(execFile)("npm", args, { cwd: LIBRARY, env })).stdout;
}

export interface Application {
  /** Its directory. */
  path: string;
  /** The package as it was packed. */
  tarball: string;
  /** What the package holds. */
  files: string[];
}

export function useApplication(): Application {
  const application: Application = { path: "", tarball: "", files: [] };
  beforeAll(async () => {
    application.path = await mkdtemp(join(tmpdir(), "tagpost-package-"));
    const [{ filename, files }] = JSON.parse(await npm("pack", "--json", "--pack-destination", application.path));
    application.files = files.map(({ path }: { path: string }) => path);
    application.tarball = join(application.path, filename);
    const installed = join(application.path, "node_modules/tagpost");
    await mkdir(installed, { recursive: true });
    const strip = ["-C", installed, "--strip-components=1"];
    await promisify(execFile)("tar", ["-xzf", application.tarball, ...strip]);
  });
  afterAll(() => rm(application.path, { recursive: true, force: true }));
  return application;
}
