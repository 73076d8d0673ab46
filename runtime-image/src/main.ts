/**
 * The runner: the first process of a task's container. Everything between the start of the process and the
 * first line of user code is what each run waits for, so nothing is loaded here that is not needed by then.
 */
import { runAttempt } from "./attempt.ts";
import { type Environment, readEnvironment } from "./environment.ts";
import { prepareOutput } from "./stdio.ts";
import { warm } from "./warm.ts";

function environment(): Environment | undefined {
  try {
    return readEnvironment(process.env);
  } catch (error) {
    console.error(`fairlead: ${(error as Error).message}`);
    return undefined;
  }
}

if (process.argv[2] === "--index") {
  void import("./index/index.ts").then(({ index }) => index(process.argv.slice(3)));
} else if (process.argv[2] === "--warm") {
  void warm(process.argv[3]);
} else {
  const given = environment();
  if (given) {
    prepareOutput();
    void runAttempt(given);
  } else process.exitCode = 1;
}
