import { defineConfig } from "vitest/config";

// The default of 5 s is less than what a test with 100,000 messages takes on a busy machine.
export default defineConfig({ test: { include: ["test/**/*.test.ts"], testTimeout: 30_000 } });
