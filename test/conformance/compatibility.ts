/** docs/use/compatibility.md, from the outcomes of the conformance tests. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repoRoot } from "../../hack/lib/paths.ts";

export type Outcome =
  | "works"
  | "not offered, and says so"
  /** The client does not show the answer. */
  | "not offered; waits for ever"
  | "fails";

const file = join(repoRoot, "docs", "use", "compatibility.md");

export class Compatibility {
  readonly #rows = new Map<string, Map<string, Outcome>>();

  note(call: string, client: string, outcome: Outcome): void {
    const row = this.#rows.get(call) ?? new Map<string, Outcome>();
    row.set(client, outcome);
    this.#rows.set(call, row);
  }

  /** Writes the page if its content has changed. */
  write(clients: readonly string[]): void {
    const cells = (values: readonly string[]): string => `| ${values.join(" | ")} |`;
    const lines = [
      "# Compatibility",
      "",
      "What the official `@trigger.dev/sdk` can do against this API, unmodified. `npm test e2e` runs each call on a cluster with",
      "real runs behind it (`test/conformance`), and writes this page. Calls that are not listed were not tried.",
      "",
      cells(["call", ...clients]),
      cells(["---", ...clients.map(() => "---")]),
      ...[...this.#rows].map(([call, row]) =>
        cells([`\`${call}\``, ...clients.map((client) => row.get(client) ?? "")]),
      ),
      "",
    ];
    const text = lines.join("\n");
    let before = "";
    try {
      before = readFileSync(file, "utf8");
    } catch {
      // it does not exist yet
    }
    if (before !== text) writeFileSync(file, text);
  }
}
