import { expect, test } from "vitest";
import { surplus } from "./prune.ts";

test("the three images of each name that were used last are kept", () => {
  const archive = (name: string, usedAt: number) => ({ name, hash: `${name}${usedAt}`, usedAt });
  const archives = [1, 5, 3, 4, 2].map((usedAt) => archive("operator", usedAt));
  const removed = surplus([...archives, archive("redis", 1), archive("hello-world", 2)]);
  expect(removed.map(({ hash }) => hash)).toEqual(["operator2", "operator1"]);
});
