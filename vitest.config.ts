// The end-to-end tests: each file has a relay of its own.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts", "clients/js/test/**/*.test.ts"],
    // Files share a worker's modules, since loading wrangler takes a second; state is per relay.
    isolate: false,
    // They mostly wait, so more of them run than there are cores.
    maxWorkers: 3,
    // Of wrangler only its errors are of interest.
    env: { WRANGLER_LOG: "error" },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
