/**
 * A transfer that is too slow is ended; one that is slow and goes on is not, however long it takes. Counted
 * in windows: a window in which fewer bytes moved than the rate asks for is the last one.
 */
export interface SlowestRate {
  bytesPerSecond: number;
  windowMs: number;
}

interface Watch {
  moved(bytes: number): void;
  /** The other side is not waited for until the next `moved`. */
  pause(): void;
  stop(): void;
}

export function minimumRate({ bytesPerSecond, windowMs }: SlowestRate, onTooSlow: () => void): Watch {
  const wanted = (bytesPerSecond * windowMs) / 1000;
  let bytes = 0;
  let isPaused = false;
  const timer = setInterval(() => {
    if (bytes < wanted && !isPaused) {
      clearInterval(timer);
      onTooSlow();
    }
    bytes = 0;
  }, windowMs);
  timer.unref();
  return {
    moved: (count) => {
      bytes += count;
      isPaused = false;
    },
    pause: () => {
      isPaused = true;
    },
    stop: () => clearInterval(timer),
  };
}
