import { attemptLabel, runUidLabel } from "@fairlead/protocol/labels";
import { expect, test } from "vitest";
import type { KubeClient, ListOptions } from "../../../kube/client/client.ts";
import { attemptOfPod, livePods } from "./livePods.ts";

test("a thousand canceled runs of which sixteen at a time look for their pods share the lists of pods", async () => {
  const lists: ListOptions[] = [];
  async function* listAll(_resource: unknown, _namespace: unknown, options: ListOptions) {
    lists.push(options);
    yield { metadata: { labels: { [runUidLabel]: "u7", [attemptLabel]: "2" } } };
  }
  const pods = livePods({ listAll: listAll as unknown as KubeClient["listAll"] });
  const uids = Array.from({ length: 1_000 }, (_, n) => `u${n}`);
  const found: string[] = [];
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let uid = uids.pop(); uid; uid = uids.pop())
        if ((await pods.get("n", uid)).has(attemptOfPod(uid, 2))) found.push(uid);
    }),
  );
  expect(found).toEqual(["u7"]);
  expect(lists.length).toBeLessThan(150);
  expect(lists.every(({ metadataOnly }) => metadataOnly)).toBe(true);
  expect(lists[0]?.labelSelector).toContain(`${runUidLabel} in (u999,u998`);
});
