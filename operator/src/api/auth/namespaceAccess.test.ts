import { expect, test } from "vitest";
import type { KubeClient } from "../../kube/client/client.ts";
import { Namespaces } from "../../kube/resources.ts";
import { namespaceProblem } from "./namespaceAccess.ts";

const now = Date.parse("2026-03-01T12:00:00Z");
const claimed = (owner: string, minutesAgo: number) => ({
  spec: { holderIdentity: owner, renewTime: new Date(now - minutesAgo * 60_000).toISOString() },
});

const clusterOf = (namespace: object | undefined, lease: object | undefined) =>
  ({ get: async (kind: unknown) => (kind === Namespaces ? namespace : lease) }) as unknown as KubeClient;
const down = { get: () => Promise.reject(new Error("down")) } as unknown as KubeClient;

test.each<[title: string, client: KubeClient, problem: RegExp | undefined]>([
  ["has no owner yet", clusterOf({}, undefined), undefined],
  ["is ours", clusterOf({}, claimed("a/fairlead", 1)), undefined],
  ["was another's", clusterOf({}, claimed("b/fairlead", 20)), undefined],
  ["is another's", clusterOf({}, claimed("b/fairlead", 1)), /belongs to the Fairlead release b\/fairlead/],
  ["does not exist", clusterOf(undefined, undefined), /namespace team, which does not exist: create it/],
  ["cannot be asked for", down, undefined],
])("the API's answer when the caller's namespace %s", async (_, client, problem) => {
  const answer = await namespaceProblem(client, "a/fairlead", "team", now);
  if (problem) expect(answer).toMatch(problem);
  else expect(answer).toBeUndefined();
});
