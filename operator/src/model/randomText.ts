/** What a text must have that signs tokens: whoever has one of them can try texts, as fast as they like. */

export const leastCharacters = 32;
/** `0000…` is long, and no secret. The digits of a random hexadecimal number are not so few. */
const leastDistinct = 8;

/** Why the text can be guessed; undefined when it cannot, as far as one sees. */
export function weakness(text: string): string | undefined {
  // The words in front are the same in every key.
  const random = text.replace(/^tr_[a-z]+_(sk_)?/, "");
  if (random.length < leastCharacters) return `has ${random.length} random characters`;
  return new Set(random).size < leastDistinct ? "repeats a few characters" : undefined;
}
