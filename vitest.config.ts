/**
 * The suites. `unit` needs nothing but Node; `chart` also helm; `integration` Redis, the object store or an
 * API server; `e2e` a whole cluster with Fairlead installed, `security` the same, as tenants who want more than
 * is theirs; `disruption` the same, alone: it stops parts of the release, kills them and takes their data away. `npm test` runs them in this order. `nodes` has a
 * cluster of its own and kills its nodes: it takes minutes, and only `npm test nodes` runs it.
 */
import { defineConfig } from "vitest/config";

export const suites = ["unit", "chart", "integration", "e2e", "security", "disruption", "nodes"] as const;
export type Suite = (typeof suites)[number];

const notOurs = ["**/node_modules/**", "**/dist/**", "**/.fairlead/**"];
const minutes = 60_000;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "{protocol,operator,sdk,runtime-image,cli}/src/**/*.test.ts",
            "test/contract/**/*.test.ts",
            "hack/**/*.test.ts",
          ],
          exclude: notOurs,
        },
      },
      {
        test: {
          name: "chart",
          include: ["charts/**/*.test.ts"],
          exclude: notOurs,
          testTimeout: 1 * minutes,
          hookTimeout: 2 * minutes,
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          exclude: notOurs,
          testTimeout: 2 * minutes,
          hookTimeout: 5 * minutes,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/{e2e,conformance}/**/*.test.ts"],
          globalSetup: ["test/support/release/setup.ts"],
          exclude: notOurs,
          testTimeout: 5 * minutes,
          hookTimeout: 10 * minutes,
        },
      },
      {
        test: {
          name: "security",
          include: ["test/security/**/*.test.ts"],
          globalSetup: ["test/support/release/setup.ts"],
          exclude: notOurs,
          testTimeout: 1 * minutes,
          hookTimeout: 10 * minutes,
        },
      },
      {
        test: {
          name: "disruption",
          include: ["test/disruption/**/*.test.ts"],
          globalSetup: ["test/support/release/setup.ts"],
          exclude: notOurs,
          // One installation: the files take turns.
          fileParallelism: false,
          testTimeout: 5 * minutes,
          hookTimeout: 10 * minutes,
        },
      },
      {
        test: {
          name: "nodes",
          include: ["test/nodes/**/*.test.ts"],
          globalSetup: ["test/support/release/nodesSetup.ts"],
          exclude: notOurs,
          testTimeout: 15 * minutes,
          hookTimeout: 10 * minutes,
        },
      },
    ],
  },
});
