/**
 * The tasks of this image. The runner imports this module and looks for the run's task among those defined in
 * it.
 */
import { AbortTaskRunError, logger, task } from "@fairlead/sdk";

export const helloWorld = task({
  id: "hello-world",
  run: async (payload: { name?: string } = {}, { ctx }) => {
    const name = payload.name ?? "World";
    console.log(`Hello, ${name}! This is ${ctx.run.id}, attempt ${ctx.attempt.number}.`);
    logger.info("greeted", { name });
    return { greeting: `Hello, ${name}!` };
  },
});

/** Fails until the attempt that the payload names: `{"succeedOn": 3}`. */
export const flaky = task({
  id: "flaky",
  run: async (payload: { succeedOn?: number } = {}, { ctx }) => {
    const { number } = ctx.attempt;
    const { succeedOn = 2 } = payload;
    if (succeedOn > (ctx.run.maxAttempts ?? 1)) {
      throw new AbortTaskRunError(
        `succeedOn is ${succeedOn}, the run has only ${ctx.run.maxAttempts} attempts`,
      );
    }
    if (number < succeedOn) throw new Error(`attempt ${number} fails on purpose`);
    return { attempt: number };
  },
});

/**
 * Counts seconds until it is asked to stop (`kubectl patch taskrun … cancelRequested`), and tidies up then.
 */
export const patient = task({
  id: "patient",
  run: async (payload: { seconds?: number } = {}, { signal }) => {
    const { seconds = 60 } = payload;
    for (let second = 1; second <= seconds; second++) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      signal.throwIfAborted();
      console.log(`${second} of ${seconds} s`);
    }
    return { seconds };
  },
  onCancel: () => console.log("canceled"),
  cleanup: () => console.log("tidied up"),
});
