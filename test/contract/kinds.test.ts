/**
 * A kind is named in four places that no compiler connects: its resource, its CRD, and the rules of both
 * Roles.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as kinds from "../../operator/src/model/kinds.ts";
import { kinds as definitions } from "../../operator/src/model/schema/crd.ts";

const rules = readFileSync(new URL("../../charts/fairlead/templates/_rules.tpl", import.meta.url), "utf8");
const controllerRules = rules.slice(rules.indexOf("fairlead.controllerRules"), rules.indexOf("{{- end }}"));
const all = Object.values(kinds);

test("every kind that the client addresses has a CRD, and no other has one", () => {
  const plurals = (list: readonly { plural: string }[]): string[] => list.map(({ plural }) => plural).sort();
  expect(plurals(definitions)).toEqual(plurals(all));
});

test.each(all)("the controller may watch $kind and write its status", ({ plural }) => {
  const lines = controllerRules.split("\n");
  const watching = lines.find((line) => line.includes("watch") && new RegExp(`\\b${plural}\\b`).test(line));
  expect(watching).toBeDefined();
  expect(controllerRules).toContain(`${plural}/status`);
});
