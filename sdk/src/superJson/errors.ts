/** Why a value cannot be sent. Apart from the encoder, so that who catches them does not load it. */

/** Something in the value has no form that reads back. */
export class NotEncodableError extends TypeError {
  override readonly name = "NotEncodableError";
  /** Where: `payload.items[3]`. */
  readonly path: string;
  readonly problem: string;

  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.path = path;
    this.problem = problem;
  }
}

/** The text would have more bytes than are allowed. */
export class TooLargeError extends RangeError {
  override readonly name = "TooLargeError";
}
