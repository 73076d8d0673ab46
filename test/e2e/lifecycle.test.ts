/** Runs of tasks and containers from kubectl apply to their output or error. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadObject } from "../support/release/bucket.ts";
import { readPayload, shell, testTask, withToken } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
beforeAll(async () => {
  ns = await TestNamespace.create("life");
  await ns.apply(
    testTask("echo"),
    testTask("triggers"),
    testTask("context"),
    testTask("throws", { retry: { maxAttempts: 2, minTimeoutInMs: 200 } }),
    testTask("aborts", { retry: { maxAttempts: 3, minTimeoutInMs: 200 } }),
    testTask("exits"),
    testTask("uncaught"),
    testTask("unhandled-rejection"),
    testTask("unreadable-output"),
    testTask("big-output"),
    testTask("log-many"),
    testTask("fills-heap"),
  );
});
afterAll(() => ns?.remove());

describe("a task", () => {
  test("a task receives its payload, and its output is in the bucket and in status", async () => {
    await ns.startRun("echo", { task: "echo", payload: { name: "Ada", ünicode: ["$(HOME)", "$$"] } });
    const status = await ns.untilFinished("echo");
    expect(status).toMatchObject({ phase: "Completed", reason: "Completed", attempt: 1 });
    expect(status.output).toEqual({ name: "Ada", ünicode: ["$(HOME)", "$$"] });
    const text = await loadObject(status.outputRef?.key);
    expect(JSON.parse(text)).toEqual(status.output);
    expect(status.outputRef).toMatchObject({
      size: Buffer.byteLength(text),
      sha256: createHash("sha256").update(text).digest("hex"),
      type: "application/json",
    });
  });

  test("a task receives a payload that is too long for an environment variable", async () => {
    const text = "x".repeat(100_000);
    await ns.startRun("long", { task: "echo", payload: { text } });
    const status = await ns.untilFinished("long");
    expect(status).toMatchObject({ phase: "Completed" });
    expect(status.output).toBeUndefined();
    expect(JSON.parse(await loadObject(status.outputRef?.key))).toEqual({ text });
  });

  test("a task receives text and metadata that no environment variable can carry", async () => {
    const metadata = { report: "x".repeat(200_000) };
    await ns.startRun("nul", { task: "echo", payloadData: "a\0b", payloadType: "text/plain" });
    await ns.startRun("metadata", { task: "context", metadata });
    expect((await ns.untilFinished("nul")).output).toBe("a\0b");
    const status = await ns.untilFinished("metadata");
    expect(status).toMatchObject({ phase: "Completed", attempt: 1 });
    expect(await loadObject(status.outputRef?.key)).toContain(metadata.report);
  });

  test("a task can read its run in ctx", async () => {
    await ns.startRun("ctx", { task: "context", tags: ["one"], maxDurationSeconds: 60 });
    const { output } = await ns.untilFinished("ctx");
    expect(output).toMatchObject({
      ctx: {
        task: { id: "context" },
        attempt: { number: 1 },
        run: { id: "run_ctx", tags: ["one"], maxDuration: 60, isTest: false },
        environment: { slug: ns.name },
      },
      aborted: false,
    });
  });

  test("a task triggers others by fetch and by the SDK, with no key in its pod", async () => {
    await ns.startRun("triggers", { task: "triggers" });
    const { output } = await ns.untilFinished("triggers");
    const outputs = (output as string[]).map((id) => ns.untilFinished(id.replace("run_", "")));
    expect((await Promise.all(outputs)).map((status) => status.output)).toEqual([
      { by: "fetch" },
      { by: "our SDK" },
    ]);
  });

  test("a task that throws is retried, then ends as Failed with its error", async () => {
    await ns.startRun("throws", { task: "throws", payload: { message: "no funds" } });
    const status = await ns.untilFinished("throws");
    expect(status).toMatchObject({ phase: "Failed", attempt: 2 });
    expect(status.error).toMatchObject({
      name: "PaymentError",
      message: expect.stringContaining("no funds"),
    });
    expect(status.attempts?.map((a) => a.outcome)).toEqual(["Failed", "Failed"]);
  });

  test("a task that throws AbortTaskRunError is not retried", async () => {
    await ns.startRun("aborts", { task: "aborts" });
    const status = await ns.untilFinished("aborts");
    expect(status).toMatchObject({ phase: "Failed", attempt: 1 });
    expect(status.message).toContain("this account does not exist");
  });

  test.each([
    ["exits", { code: 3 }, "PROCESS_EXIT", /exit.*3/],
    ["uncaught", undefined, "UNCAUGHT_EXCEPTION", /thrown in a timer/],
    ["unhandled-rejection", undefined, "UNHANDLED_REJECTION", /nobody awaits this/],
    ["unreadable-output", undefined, "OUTPUT_NOT_SERIALIZABLE", /items\[1\]/],
  ])("the task %s ends with a clear error", async (id, payload, code, message) => {
    await ns.startRun(id, { task: id, payload });
    const status = await ns.untilFinished(id);
    expect(status).toMatchObject({ phase: "Failed", error: { code } });
    expect(status.message).toMatch(message);
  });

  test("a task whose heap is full ran out of memory, and gets the larger machine, whose heap is larger", async () => {
    const retry = { maxAttempts: 1, minTimeoutInMs: 1, outOfMemory: { machine: "small-1x" as const } };
    await ns.startRun("heap", { task: "fills-heap", payload: { enoughMiB: 300 }, machine: "micro", retry });
    const status = await ns.untilFinished("heap");
    expect(status).toMatchObject({ phase: "Completed", machine: "small-1x" });
    expect(status.attempts?.map(({ outcome }) => outcome)).toEqual(["Crashed", "Completed"]);
    expect(status.attempts?.[0]?.error).toMatchObject({ name: "OOMKilled" });
    expect(status.output).toMatchObject({ limitMiB: expect.any(Number) });
  });

  test("a task may return an output that is too large for status", async () => {
    await ns.startRun("big", { task: "big-output", payload: { bytes: 1_000_000 } });
    const status = await ns.untilFinished("big");
    expect(status).toMatchObject({ phase: "Completed", outputRef: { size: 1_000_000 } });
    expect(status.output).toBeUndefined();
    expect(await loadObject(status.outputRef?.key)).toHaveLength(1_000_000);
  });

  test("a task's log is in kubectl logs and, complete, in the bucket", async () => {
    await ns.startRun("logs", { task: "log-many", payload: { lines: 2000 } });
    const status = await ns.untilCaptured("logs");
    const live = await ns.kubectl("logs", "--selector", "fairlead.dev/run=logs", "--tail=-1", "--timestamps");
    const kept = await loadObject(status.attempts?.[0]?.logKey);
    expect(kept).toBe(live);
    expect(kept.split("\n").filter((line) => / line \d/.test(line))).toHaveLength(2000);
  });
});

describe("a container", () => {
  test("a container reads its payload with its pod's token and answers in its termination message", async () => {
    const script = `test "$(${readPayload})" = '{"a":1,"b":2}' && echo '{"n": 3}' > /dev/termination-log`;
    await ns.startRun("sum", { payload: { a: 1, b: 2 }, ...shell(script) });
    const status = await ns.untilFinished("sum");
    expect(status).toMatchObject({ phase: "Completed", output: { n: 3 } });
    expect(JSON.parse(await loadObject(status.outputRef?.key))).toEqual({ n: 3 });
  });

  test("a container PUTs an output that its termination message cannot hold to the URL that it asks for", async () => {
    // busybox' wget cannot PUT, so nc does what curl --upload-file does.
    const script = [
      `${readPayload} > /tmp/in`,
      `url=$(${withToken} "$FAIRLEAD_OUTPUT_URL")`,
      "host=${url#http://}; path=/${host#*/}; host=${host%%/*}",
      "size=$(wc -c < /tmp/in)",
      '{ printf "PUT %s HTTP/1.1\\r\\nHost: %s\\r\\nContent-Length: %s\\r\\nConnection: close\\r\\n\\r\\n" "$path" "$host" "$size"; cat /tmp/in; } | nc -w 10 "${host%:*}" "${host#*:}" | head -1',
    ].join("; ");
    const payload = { text: "y".repeat(70_000) };
    await ns.startRun("put", { payload, ...shell(script) });
    const status = await ns.untilFinished("put");
    expect(status).toMatchObject({ phase: "Completed" });
    expect(JSON.parse(await loadObject(status.outputRef?.key))).toEqual(payload);
  });

  test("a container that exits with a code ends as Failed, with the code and its message", async () => {
    await ns.startRun("exit-7", shell('echo "disk is full" > /dev/termination-log; exit 7'));
    const status = await ns.untilFinished("exit-7");
    expect(status).toMatchObject({ phase: "Failed", reason: "ExitCode", attempt: 1 });
    expect(status.attempts?.[0]).toMatchObject({ exitCode: 7, outcome: "Failed" });
    expect(status.message).toBe("The container exited with code 7. It said: disk is full");
  });

  test("a container that dies of a signal ends as Crashed", async () => {
    // Kubernetes turns $$ in commands into $.
    await ns.startRun("segv", shell("sh -c 'kill -SEGV $$$$'; exit $?"));
    const status = await ns.untilFinished("segv");
    expect(status).toMatchObject({ phase: "Crashed" });
    expect(status.message).toContain("SIGSEGV");
  });

  test("a container whose termination message was cut off fails with a hint at FAIRLEAD_OUTPUT_URL", async () => {
    await ns.startRun("cut", shell("head -c 5000 /dev/zero | tr '\\0' x > /dev/termination-log"));
    const status = await ns.untilFinished("cut");
    expect(status).toMatchObject({ phase: "Failed", reason: "OutputTooLarge" });
    expect(status.message).toContain("FAIRLEAD_OUTPUT_URL");
  });

  test("a container is retried when the run asks for it", async () => {
    const script = 'test "$FAIRLEAD_ATTEMPT" = 2 || exit 1; echo "\\"second\\"" > /dev/termination-log';
    await ns.startRun("again", { maxAttempts: 3, retry: { minTimeoutInMs: 200 }, ...shell(script) });
    expect(await ns.untilFinished("again")).toMatchObject({
      phase: "Completed",
      attempt: 2,
      output: "second",
    });
  });
});

describe("what a user sees", () => {
  test("kubectl get shows task, phase, attempt, reason and age", async () => {
    await ns.startRun("shown", { task: "echo" });
    await ns.untilFinished("shown");
    const [head = "", line = ""] = (await ns.kubectl("get", "frun", "shown")).split("\n");
    expect(head.split(/\s+/).slice(0, 6)).toEqual(["NAME", "TASK", "PHASE", "ATTEMPT", "REASON", "AGE"]);
    expect(line.split(/\s+/).slice(0, 5)).toEqual(["shown", "echo", "Completed", "1", "Completed"]);
  });

  test("kubectl wait returns, however the run ended", async () => {
    await ns.startRun("good", shell("exit 0"));
    await ns.startRun("bad", shell("exit 1"));
    await ns.kubectl("wait", "--for=condition=Finished", "taskrun/good", "taskrun/bad", "--timeout=60s");
    await ns.kubectl("wait", "--for=condition=Complete", "taskrun/good", "--timeout=1s");
    await ns.kubectl("wait", "--for=condition=Failed", "taskrun/bad", "--timeout=1s");
    const not = await ns.tryKubectl("wait", "--for=condition=Complete", "taskrun/bad", "--timeout=1s");
    expect(not.code).not.toBe(0);
  });

  test("kubectl describe shows the run's events in their order", async () => {
    await ns.startRun("described", { task: "throws" });
    await ns.untilFinished("described");
    const expected = [
      "Queued",
      "Starting",
      "Started",
      "AttemptFailed",
      "Backoff",
      "Starting",
      "Started",
      "AttemptFailed",
      "Failed",
    ];
    await expect
      .poll(
        async () => {
          const text = await ns.kubectl("describe", "taskrun", "described");
          const rows = text.slice(text.indexOf("\nEvents:")).split("\n").slice(4);
          return rows.map((row) => row.trim().split(/\s+/)[1]).filter(Boolean);
        },
        { timeout: 20_000, interval: 500 },
      )
      .toEqual(expected);
  });

  test("kubectl explain describes every field", async () => {
    const text = await ns.kubectl("explain", "taskrun.spec");
    for (const field of ["task", "container", "payload", "maxDurationSeconds", "cancelRequested"]) {
      expect(text).toMatch(new RegExp(`^ {2}${field}\\t`, "m"));
    }
    expect(text).not.toContain("<no description>");
    expect(text.replaceAll(/\s+/g, " ")).toContain(
      "Default: the Task's, else the chart's maxDurationSeconds, 3600.",
    );
  });
});
