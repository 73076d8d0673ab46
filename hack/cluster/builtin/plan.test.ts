import { expect, test } from "vitest";
import { clusterName, maxNodes, planCluster, planNode, planNodes } from "./plan.ts";

/** First and last address of a range, as numbers. */
function bounds(range: string): [number, number] {
  const [address = "", bits = "32"] = range.split("/");
  const first = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return [first, first + 2 ** (32 - Number(bits)) - 1];
}

const inside = (inner: string, outer: string): boolean => {
  const [from, to] = bounds(inner);
  const [first, last] = bounds(outer);
  return from >= first && to <= last;
};

test("every address is in the test range, and no two ranges overlap", () => {
  const ranges = ["default", "other"].flatMap((name) => {
    const plan = planCluster(name);
    const nodes = planNodes(plan, maxNodes);
    for (const address of [
      plan.hostAddress,
      plan.hostLinkAddress,
      plan.controlPlaneAddress,
      plan.apiServiceAddress,
    ]) {
      expect(inside(address, plan.range), address).toBe(true);
    }
    for (const node of nodes) expect(inside(node.podRange, plan.podRange), node.podRange).toBe(true);
    return [
      plan.serviceRange,
      `${plan.controlPlaneAddress.replace(/\d+$/, "0")}/24`,
      ...nodes.map((n) => n.podRange),
    ];
  });
  for (const range of ranges) expect(inside(range, "198.18.0.0/15"), range).toBe(true);
  const sorted = ranges.map(bounds).sort(([a], [b]) => a - b);
  for (const [i, [first]] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before) expect(first).toBeGreaterThan(before[1]);
  }
});

test("a cluster has one to four nodes", () => {
  expect(() => planNode(planCluster("default"), 5)).toThrow("1 to 4");
  expect(() => planNode(planCluster("default"), 0)).toThrow("1 to 4");
});

test("a cluster's name must fit into the name of an interface", () => {
  expect(clusterName({})).toBe("default");
  expect(clusterName({ FAIRLEAD_CLUSTER: "test" })).toBe("test");
  for (const name of ["Test", "node1", "a-b", "x".repeat(17)]) {
    expect(() => clusterName({ FAIRLEAD_CLUSTER: name })).toThrow(name);
  }
});
