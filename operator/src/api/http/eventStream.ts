/**
 * A response as server-sent events that tell states of one thing. A reader gets the newest state, not each:
 * at most one is on its way to it, and what changes meanwhile is told by the state that is the newest then.
 * A state that many readers get is in memory once. A reader that takes nothing for a minute is left.
 *
 *   idle ──changed──► sending ──taken──► idle, or sending again, or closed if the source has ended
 */
import type { ServerResponse } from "node:http";
import type { Shares } from "../../lib/shares.ts";

const heartbeatMs = 15_000;
const stalledMs = 60_000;

/** A state as it is sent. In memory while it is the newest, or on its way to somebody. */
export class Frame {
  /** Between two of them belongs the address under which the reader knows the API. */
  readonly parts: readonly Uint8Array[];
  /** Rises with each state of one source. */
  readonly version: number;
  readonly #bytes: number;
  #readers = 0;

  constructor(version: number, parts: readonly string[]) {
    this.version = version;
    this.parts = parts.map((part) => Buffer.from(part));
    this.#bytes = this.parts.reduce((sum, { length }) => sum + length, 0);
  }

  /** False when the tenant has too many bytes of states that are not taken. */
  hold(unsent: Shares, tenant: string): boolean {
    if (this.#readers === 0 && !unsent.take(tenant, this.#bytes)) return false;
    this.#readers++;
    return true;
  }

  release(unsent: Shares, tenant: string): void {
    if (--this.#readers === 0) unsent.give(tenant, this.#bytes);
  }
}

export interface FrameSource {
  readonly newest?: Frame;
  /** There will be no newer state. */
  readonly hasEnded: boolean;
}

interface StreamOptions {
  source: FrameSource;
  /** The address under which the reader knows the API, as a part of JSON. */
  address: string;
  unsent: Shares;
  tenant: string;
  clock: () => number;
}

export class EventStream {
  readonly #response: ServerResponse;
  readonly #options: StreamOptions;
  #sending: Frame | undefined;
  #sent = 0;
  /** When the last bytes were handed over. */
  #movedAt: number;

  constructor(response: ServerResponse, options: StreamOptions) {
    this.#response = response;
    this.#options = options;
    this.#movedAt = options.clock();
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.flushHeaders();
    response.on("close", () => this.#release());
    this.changed();
  }

  /** The source has a newer state, or has ended. */
  changed(): void {
    const response = this.#response;
    if (this.#sending || response.destroyed || response.writableEnded) return;
    const { source, unsent, tenant, clock } = this.#options;
    const { newest } = source;
    if (newest && newest.version > this.#sent) {
      // It can open the stream again.
      if (!newest.hold(unsent, tenant)) return void response.destroy();
      this.#sending = newest;
      this.#sent = newest.version;
      this.#movedAt = clock();
      this.#write(newest);
    } else if (source.hasEnded) response.end();
  }

  /** Once in a while: an idle connection is kept open, one that takes nothing is left. */
  tick(): void {
    const idleMs = this.#options.clock() - this.#movedAt;
    if (this.#sending) {
      if (idleMs >= stalledMs) this.#response.destroy();
    } else if (idleMs >= heartbeatMs && !this.#response.writableEnded) {
      this.#movedAt += idleMs;
      this.#response.write(": still there\n\n");
    }
  }

  /** Its reader has no right to it any more. */
  close(): void {
    if (this.#sending) this.#response.destroy();
    else this.#response.end();
  }

  #write({ parts }: Frame): void {
    for (const [at, part] of parts.entries()) {
      if (at > 0) this.#response.write(this.#options.address);
      if (at < parts.length - 1) this.#response.write(part);
      else
        this.#response.write(part, () => {
          this.#release();
          this.changed();
        });
    }
  }

  #release(): void {
    const { unsent, tenant } = this.#options;
    this.#sending?.release(unsent, tenant);
    this.#sending = undefined;
  }
}
