/** Parsers of option values, for commander. */
import { InvalidArgumentError } from "commander";

/** A whole number from `least` to `most`. */
export function wholeNumber(
  name: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`${name} must be a whole number from ${least} to ${most}.`);
  };
}
