import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "tests/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    // tests that make sessions of their own
    env: { ORT_DISABLE_TELEMETRY: "1" },
    maxWorkers: 2,
  },
});
