/**
 * For the test that kills the controller between any two of its writes: with
 * FAIRLEAD_CRASH_AT_WRITE=`7:before` or `7:after` the process kills itself (SIGKILL, nothing is cleaned up)
 * around its seventh write. Without it: nothing.
 */
import type { WriteHook } from "../lib/writeHook.ts";

export function crashHook(setting: string | undefined, crash: () => void = killSelf): WriteHook | undefined {
  if (!setting) return undefined;
  const [, number, phase] = /^([1-9]\d*):(before|after)$/.exec(setting) ?? [];
  if (number === undefined)
    throw new Error(`FAIRLEAD_CRASH_AT_WRITE: ${setting} is not valid (for example 7:before)`);
  const counts = { before: 0, after: 0 };
  return (moment, what) => {
    counts[moment] += 1;
    if (moment !== phase || counts[moment] !== Number(number)) return;
    process.stderr.write(`crash ${setting}: ${what}\n`);
    crash();
  };
}

function killSelf(): void {
  process.kill(process.pid, "SIGKILL");
  // The signal may be delivered later, but no further line may run.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
