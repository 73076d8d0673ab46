/**
 * What `helm test` runs: creates a TaskRun with a container, follows it to its end and compares its output.
 * Reads FAIRLEAD_NAMESPACE, FAIRLEAD_FULLNAME and FAIRLEAD_TEST_IMAGE; returns the exit code.
 */
import { randomBytes } from "node:crypto";
import { KubeClient } from "../kube/client/client.ts";
import { pause } from "../lib/time.ts";
import { TaskRuns } from "../model/kinds.ts";
import { apiVersion, type TaskRun } from "../model/resources.ts";
import { isFinished } from "../model/run/phase.ts";

const limitMs = 120_000;
const echo = `
  const { FAIRLEAD_PAYLOAD_URL: url, FAIRLEAD_TOKEN_FILE: file } = process.env;
  const authorization = "Bearer " + fs.readFileSync(file, "utf8").trim();
  fetch(url, { headers: { authorization } })
    .then((answer) => answer.text())
    .then((text) => fs.writeFileSync("/dev/termination-log", text));
`;

export async function smoke(env: Record<string, string | undefined>): Promise<number> {
  const { FAIRLEAD_NAMESPACE: namespace, FAIRLEAD_FULLNAME: fullname, FAIRLEAD_TEST_IMAGE: image } = env;
  if (!namespace || !fullname || !image) {
    console.error("FAIRLEAD_NAMESPACE, FAIRLEAD_FULLNAME and FAIRLEAD_TEST_IMAGE must be set");
    return 2;
  }
  const client = KubeClient.fromEnvironment();
  const name = `${fullname.slice(0, 40)}-test-${randomBytes(4).toString("hex")}`;
  await client.create(TaskRuns, namespace, {
    apiVersion,
    kind: "TaskRun",
    metadata: { name, namespace },
    spec: {
      payload: { greeting: "hello" },
      container: {
        image,
        // The operator's own image, so that the test needs no other: no shell, only Node.
        command: ["/nodejs/bin/node", "-e", echo],
      },
      startTimeoutSeconds: limitMs / 1000,
    },
  });
  console.log(`created TaskRun ${namespace}/${name}`);
  try {
    const run = await untilFinished(client, namespace, name);
    const { phase, message, output, outputRef } = run.status ?? {};
    console.log(`${phase}: ${message} Output ${JSON.stringify(output)} at ${outputRef?.key}`);
    const good = phase === "Completed" && JSON.stringify(output) === '{"greeting":"hello"}' && outputRef;
    return good ? 0 : 1;
  } finally {
    await client.delete(TaskRuns, namespace, name, { propagationPolicy: "Background" });
  }
}

async function untilFinished(client: KubeClient, namespace: string, name: string): Promise<TaskRun> {
  const deadline = Date.now() + limitMs + 30_000;
  let phase: string | undefined;
  for (;;) {
    const run = await client.get(TaskRuns, namespace, name);
    if (!run) throw new Error(`TaskRun ${namespace}/${name} was deleted`);
    if (run.status?.phase !== phase) {
      phase = run.status?.phase;
      console.log(`${phase}: ${run.status?.message}`);
    }
    if (isFinished(run)) return run;
    if (Date.now() > deadline) throw new Error(`TaskRun ${namespace}/${name} has not finished: ${phase}`);
    await pause(250);
  }
}
