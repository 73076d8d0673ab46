/**
 * How an allow-list is written: a rule for each field that may be there. What has no rule is refused by its
 * path, so that a field that Kubernetes gets tomorrow is refused, too.
 */
import { matches, type PodPolicy } from "./podPolicySettings.ts";
import { quantity } from "./quantity.ts";

export interface Refusal {
  /** `spec.podTemplate.volumes[0].hostPath` */
  field: string;
  /** What is wrong. */
  problem: string;
  /** What would allow it: a value of the chart, or a field of the Task. Absent: nothing does. */
  setting?: string;
}

export type Rule = (value: unknown, field: string, policy: PodPolicy) => Refusal[];

type Names = { [K in keyof PodPolicy]-?: PodPolicy[K] extends string[] ? K : never }[keyof PodPolicy];

export const refuse = (field: string, problem: string, setting?: string): Refusal[] => [
  { field, problem, ...(setting !== undefined && { setting: `podPolicy.${setting}` }) },
];

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Null is what a field is that is not there. */
const isAbsent = (value: unknown): boolean => value === undefined || value === null;

export function object(fields: Record<string, Rule>): Rule {
  return (value, field, policy) => {
    if (!isObject(value)) return refuse(field, "must be an object");
    return Object.entries(value).flatMap(([key, inner]) => {
      const rule = Object.hasOwn(fields, key) ? fields[key] : undefined;
      if (!rule) return refuse(`${field}.${key}`, "is not something that a run's pod may have");
      return isAbsent(inner) ? [] : rule(inner, `${field}.${key}`, policy);
    });
  };
}

export const list =
  (rule: Rule): Rule =>
  (value, field, policy) =>
    Array.isArray(value)
      ? value.flatMap((item, index) => rule(item, `${field}[${index}]`, policy))
      : refuse(field, "must be a list");

/** All rules must hold. */
export const both =
  (...rules: Rule[]): Rule =>
  (value, field, policy) =>
    rules.flatMap((rule) => rule(value, field, policy));

export const text: Rule = (value, field) =>
  typeof value === "string" ? [] : refuse(field, "must be a text");
export const flag: Rule = (value, field) =>
  typeof value === "boolean" ? [] : refuse(field, "must be true or false");
export const integer =
  (least: number): Rule =>
  (value, field) =>
    Number.isInteger(value) && (value as number) >= least
      ? []
      : refuse(field, `must be a whole number of at least ${least}`);

export const oneOf =
  (...allowed: unknown[]): Rule =>
  (value, field) =>
    allowed.includes(value)
      ? []
      : refuse(field, `${show(value)} is not allowed: use ${allowed.join(" or ")}`);

/** A name that a list in the values allows; `always`: those that need no value. */
export const named =
  (setting: Names, what: string, ...always: string[]): Rule =>
  (value, field, policy) => {
    if (typeof value !== "string") return refuse(field, "must be a text");
    const allowed = [...always, ...policy[setting]];
    return matches(allowed, value)
      ? []
      : refuse(
          field,
          `${what} ${show(value)} is not allowed (allowed: ${allowed.join(", ") || "none"})`,
          setting,
        );
  };

/** A map whose keys a list in the values allows, and whose values are texts. */
export const keyed =
  (isAllowed: (key: string, policy: PodPolicy) => boolean, setting: Names, what: string): Rule =>
  (value, field, policy) => {
    if (!isObject(value)) return refuse(field, "must be an object");
    return Object.entries(value).flatMap(([key, inner]) => {
      const path = `${field}["${key}"]`;
      if (!isAllowed(key, policy)) return refuse(path, `${what} is not allowed`, setting);
      return text(inner, path, policy);
    });
  };

/** Amounts of resources, each below its ceiling. */
export const amounts: Rule = (value, field, policy) => {
  if (!isObject(value)) return refuse(field, "must be an object");
  return Object.entries(value).flatMap(([name, amount]) =>
    amountOf(amount, `${field}["${name}"]`, name, policy),
  );
};

export function amountOf(amount: unknown, field: string, name: string, { max }: PodPolicy): Refusal[] {
  const most = Object.hasOwn(max, name) ? max[name] : undefined;
  if (most === undefined) return refuse(field, `resource ${name} is not allowed`, "max");
  const asked = typeof amount === "string" || typeof amount === "number" ? quantity(amount) : Number.NaN;
  if (!(asked >= 0)) return refuse(field, `${show(amount)} is not a quantity (for example 500m or 2Gi)`);
  return asked <= quantity(most) ? [] : refuse(field, `${show(amount)} is more than ${most}`, "max");
}

const show = (value: unknown): string => JSON.stringify(value)?.slice(0, 80) ?? "undefined";
