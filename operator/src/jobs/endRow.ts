/** A row of the tables of attemptEnds.ts: what Kubernetes says, and what follows from it. */

/** What follows from an end. */
type Verdict =
  /** The infrastructure's: another attempt, which maxAttempts does not count. */
  | "again"
  /** The same, and not counted at all: there was no room. */
  | "room"
  /** The user's: retried as the policy says. */
  | "policy"
  /** Another attempt would end in the same way. */
  | "never"
  /** One more attempt, on the larger machine that the policy names. */
  | "memory"
  | "timedOut"
  | "completed";

/** How long a start that is blocked may wait; then its verdict applies. */
type Patience = "none" | "minute" | "startTimeout";

export interface EndRow {
  /** As Kubernetes says it; for the page where `reason` is a pattern. */
  shown: string;
  reason: RegExp;
  message?: RegExp;
  exitCode?: readonly number[];
  verdict: Verdict;
  patience?: Patience;
  /** What it means, for the user; `{message}`, `{reason}` and `{code}` are filled in. */
  says: string;
}

export interface Facts {
  reason: string;
  message: string;
  exitCode?: number;
}

/** What the row says of these facts. */
export const explain = ({ says }: EndRow, { reason, message }: Facts): string =>
  says.replace("{message}", () => message.trim() || reason);
