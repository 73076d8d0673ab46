/**
 * The slots "usage" and "timeout": how long code has been at work, waits excluded, and the run's signal.
 * `cpuTime` is Trigger.dev's name for wall time without waits. The time limit itself is not kept here: the
 * operator stops an attempt that reached its maxDuration.
 */

interface Sample {
  cpuTime: number;
  wallTime: number;
}

/** A measurement counts on its own, and stands still while all code waits. */
class Measurement {
  readonly #clock: ActiveClock;
  readonly #from: { wall: number; active: number };
  #end: Sample | undefined;

  constructor(clock: ActiveClock) {
    this.#clock = clock;
    this.#from = clock.now();
  }

  sample(): Sample {
    if (this.#end) return this.#end;
    const { wall, active } = this.#clock.now();
    return { wallTime: Math.floor(wall - this.#from.wall), cpuTime: Math.floor(active - this.#from.active) };
  }

  stop(): Sample {
    this.#end ??= this.sample();
    return this.#end;
  }
}

/** Milliseconds, in all and without those in which something was waited for. */
class ActiveClock {
  #waits = 0;
  #waitingSince = 0;
  #waited = 0;

  now(): { wall: number; active: number } {
    const wall = performance.now();
    const waiting = this.#waits > 0 ? wall - this.#waitingSince : 0;
    return { wall, active: wall - this.#waited - waiting };
  }

  async pause<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waits++ === 0) this.#waitingSince = performance.now();
    try {
      return await work();
    } finally {
      if (--this.#waits === 0) this.#waited += performance.now() - this.#waitingSince;
    }
  }
}

export class Usage {
  readonly #clock = new ActiveClock();
  readonly #attempt = new Measurement(this.#clock);

  start(): Measurement {
    return new Measurement(this.#clock);
  }

  stop(measurement: Measurement): Sample {
    return measurement.stop();
  }

  sample(): Sample {
    return this.#attempt.sample();
  }

  pauseAsync<T>(work: () => Promise<T>): Promise<T> {
    return this.#clock.pause(work);
  }

  getInitialState(): { cpuTime: number; costInCents: number } {
    return { cpuTime: 0, costInCents: 0 };
  }

  async flush(): Promise<void> {}
  reset(): void {}
  disable(): void {}
}

export function timeoutSlot(signal: AbortSignal) {
  return {
    signal,
    /** A controller that the caller may abort; the run's own stop aborts it too. */
    abortAfterTimeout(): AbortController {
      const controller = new AbortController();
      const stop = (): void => controller.abort(signal.reason);
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
      return controller;
    },
    registerListener(): void {},
    reset(): void {},
  };
}
