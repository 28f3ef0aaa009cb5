// The official library of Standard Webhooks for Python. Where it is not installed, what needs it is skipped with a
// message, except in CI.

import { execFileSync, spawnSync } from "node:child_process";

import type { Posted } from "./receiver.ts";

/** Reads secrets and requests as JSON, and prints for each request whether it verifies with one of the secrets. */
const VERIFY = `
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
given = json.load(sys.stdin)
webhooks = [Webhook(secret) for secret in given["secrets"]]
def verifies(webhook, request):
    try:
        webhook.verify(request["body"].encode(), request["headers"], json_parse=False)
        return True
    except WebhookVerificationError:
        return False
print(json.dumps([any(verifies(webhook, request) for webhook in webhooks) for request in given["requests"]]))
`;

export const hasPythonLibrary = spawnSync("python3", ["-c", "import standardwebhooks"]).status === 0 || !!process.env.CI;
if (!hasPythonLibrary) console.warn("skipped: this needs `pip install standardwebhooks`");

/** Whether each request verifies with one of these secrets. To the library, one from more than five minutes ago does
 * not. */
export function verifiedInPython(posted: Posted[], secrets: string[]): boolean[] {
  const requests = posted.map(({ headers, body }) => ({ headers, body: body.toString() }));
  const input = JSON.stringify({ secrets, requests });
  return JSON.parse(execFileSync("python3", ["-c", VERIFY], { input, encoding: "utf8" }));
}
