/**
 * Fills the slots (sdk/src/slots.ts). A slot or a method that is not there is named once in the run's log,
 * and does nothing: a newer SDK may ask for more than this runner has, and the rest of a task still works.
 */
import { slotsKey } from "@fairlead/sdk/slots";

type Note = (line: string) => void;

/** Fills all slots; those that are there already stay. */
export function fillSlots(slots: Record<string, object | undefined>, note: Note): void {
  const shared = globalThis as { [slotsKey]?: Record<string, unknown> };
  const filled: Record<string, unknown> = { ...shared[slotsKey] };
  for (const [name, target] of Object.entries(slots)) filled[name] ??= target;
  const once = firstTime(note);
  shared[slotsKey] = new Proxy(filled, {
    get(all, name) {
      if (typeof name === "string" && !(name in all))
        once(`the SDK asks for "${name}", which this runner does not have: what needs it does nothing`);
      return Reflect.get(all, name);
    },
  });
}

/** What objects are asked for without being called: by `await`, JSON, console.log and test libraries. */
const askedOfAll = new Set(["then", "toJSON", "constructor", "inspect", "asymmetricMatch", "$$typeof"]);

/** `target`, with methods that do nothing in place of those that it lacks. */
export function tolerant<T extends object>(slot: string, target: T, note: Note): T {
  const once = firstTime(note);
  return new Proxy(target, {
    get(object, name) {
      if (name in object || typeof name === "symbol" || askedOfAll.has(name)) {
        const value = Reflect.get(object, name, object);
        return typeof value === "function" ? value.bind(object) : value;
      }
      once(`the SDK asks for "${slot}.${name}", which this runner does not have: it does nothing`);
      return () => nothing(name);
    },
  });
}

/** The answer of a method that is not there. */
function nothing(name: string): unknown {
  if (/^list|Hooks$/.test(name)) return [];
  return /^(has|is|.+Exists$)/.test(name) ? false : undefined;
}

function firstTime(note: Note): Note {
  const said = new Set<string>();
  return (line) => {
    if (said.has(line)) return;
    said.add(line);
    note(line);
  };
}
