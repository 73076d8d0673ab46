import fc from "fast-check";
import { expect, it } from "vitest";
import { newName, slug } from "./ids.ts";

it("makes names of 25 lower-case letters and digits, a letter first", () => {
  const names = Array.from({ length: 1000 }, newName);
  for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9]{24}$/);
  expect(new Set(names).size).toBe(1000);
});

it("keeps an id that is a resource name and gives any other one a distinct slug", () => {
  expect(slug("hello-world")).toBe("hello-world");
  expect(slug("helloWorld")).toMatch(/^helloworld-[0-9a-f]{10}$/);
  expect(slug("emails/eu")).toMatch(/^emails-eu-[0-9a-f]{10}$/);
  expect(slug("emails_eu")).not.toBe(slug("emails/eu"));
  expect(slug("___")).toMatch(/^x-[0-9a-f]{10}$/);
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 128 }), (id) => {
      expect(slug(id)).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
      expect(slug(id).length).toBeLessThanOrEqual(63);
    }),
  );
});
