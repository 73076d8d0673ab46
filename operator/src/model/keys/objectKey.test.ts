import fc from "fast-check";
import { expect, it } from "vitest";
import { objectKeyProblem, ownKeyProblem, ownRef } from "./objectKey.ts";

it.each([
  "ns/team-a/packets/a.json",
  "ns/team-a/payloads/run.x",
  "ns/team-a/runs/r.u/attempts/1.p/output",
  "ns/team-a/packets/ü …/…",
])("%j is a key of team-a", (key) => expect(ownKeyProblem("team-a", key)).toBeUndefined());

it.each([
  "ns/team-b/history/runs/nightly/u.json.gz",
  "ns/team-a",
  "ns/team-ab/packets/x",
  "/ns/team-a/packets/x",
  "ns//team-a/packets/x",
  "ns/team-a/../team-b/packets/x",
  "ns/team-a/packets/../../team-b/x",
  "ns/team-a/packets/./x",
  "ns/team-a/packets//x",
  "ns/team-a/packets/",
  "ns/team-a/packets/..",
  "ns/team-a/packets\\..\\x",
  "ns/team-a/packets/a\u0000b",
  "ns/team-a/packets/a\nb",
  "ns/team-a/packets/\ud800",
  "NS/team-a/packets/x",
  `ns/team-a/packets/${"ü".repeat(512)}`,
  "",
])("%j is none", (key) => {
  expect(ownKeyProblem("team-a", key)).toBeTypeOf("string");
  expect(ownRef("team-a", { key })).toBeUndefined();
});

it("a key that is allowed stays in its namespace's folder however it is folded", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constantFrom(".", "..", "", "ns", "team-a", "team-b"), fc.string())),
      (parts) => {
        const key = `ns/team-a/${parts.join("/")}`;
        if (ownKeyProblem("team-a", key) !== undefined) return;
        expect(new URL(`file:///${key.split("/").map(encodeURIComponent).join("/")}`).pathname).toMatch(
          /^\/ns\/team-a\/./,
        );
        expect(objectKeyProblem(key)).toBeUndefined();
      },
    ),
  );
});
