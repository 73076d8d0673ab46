import { expect, test } from "vitest";
import { environmentOf } from "../../model/environment.ts";
import { type NamespaceDeps, reconcileNamespace } from "./reconciler.ts";

async function eventsOf(annotations: Record<string, string>, otherOwner?: string): Promise<string[]> {
  const recorded: string[] = [];
  const deps = {
    environments: { exists: () => true, limitOf: () => null, of: () => environmentOf({ annotations }) },
    admission: { setNamespaceLimit: () => undefined },
    owners: { otherOwner: () => otherOwner },
    record: ({ metadata }: { metadata: object }, { reason, message }: { reason: string; message: string }) =>
      recorded.push(`${JSON.stringify(metadata)} ${reason}: ${message}`),
  } as unknown as NamespaceDeps;
  await reconcileNamespace(deps, "team-a");
  return recorded;
}

const limit = "fairlead.dev/concurrency-limit";

test.each(["abc", " 10", "0", "1.5", "-1", ""])(
  "a limit of %j is an Event in the namespace",
  async (text) => {
    expect(await eventsOf({ [limit]: text })).toEqual([
      `{"name":"team-a","namespace":"team-a"} InvalidSetting: annotation ${limit}: "${text}" is not a whole number from 1 to 999999`,
    ]);
  },
);

test("a limit that is one is none, and a wrong one of another release's namespace is that one's", async () => {
  expect(await eventsOf({ [limit]: "10" })).toEqual([]);
  expect(await eventsOf({ [limit]: "abc" }, "other/fairlead")).toEqual([]);
});
