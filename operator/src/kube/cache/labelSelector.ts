/**
 * Whether labels match a selector, for the forms `key=value`, `key==value`, `key!=value`, `key` and `!key`.
 * Others (`in`, `notin`) match nothing: then the cache waits for the watch to bring the object.
 */
export function matchesLabels(selector: string | undefined, labels: Record<string, string> = {}): boolean {
  if (!selector) return true;
  if (/[()]/.test(selector)) return false;
  return selector.split(",").every((term) => {
    const [, not, key, operator, value] =
      /^\s*(!?)\s*([\w./-]+)\s*(==?|!=)?\s*([\w.-]*)\s*$/.exec(term) ?? [];
    if (!key) return false;
    if (operator === "!=") return labels[key] !== value;
    if (operator) return labels[key] === value;
    return Object.hasOwn(labels, key) !== (not === "!");
  });
}
