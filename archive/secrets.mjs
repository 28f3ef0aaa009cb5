// Makes the secrets for a deployment, in a file that only its owner can read:
//
//   node secrets.mjs FILE

import { makeSecrets } from "./lib/secrets.mjs";

const [file, ...more] = process.argv.slice(2);
if (!file || file.startsWith("-") || more.length > 0) {
  console.error("usage: node secrets.mjs FILE");
  process.exit(2);
}
try {
  if (!makeSecrets(file)) throw new Error(`${file} exists already; it is left as it is`);
  console.log(`made the secrets in ${file}; keep it: ADMIN_KEY is the operator's`);
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
