/** Events as `kubectl describe` shows them. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EventRecorder } from "../../../operator/src/kube/manager/eventRecorder.ts";
import { Events } from "../../../operator/src/kube/resources.ts";
import { quiet } from "../../support/quiet.ts";
import { ConfigMaps, configMap, ScratchNamespace } from "../../support/scratchNamespace.ts";

const run = promisify(execFile);
let namespace: ScratchNamespace;

beforeAll(async () => {
  namespace = await ScratchNamespace.create("events");
});
afterAll(() => namespace?.remove());

test("kubectl describe shows recorded events, and counts repeated ones", async () => {
  const { client, name } = namespace;
  const object = await client.create(ConfigMaps, name, configMap("a"));
  const recorder = new EventRecorder({ client, component: "fairlead-controller", log: quiet });
  recorder.record(object, "Normal", "Started", "Attempt 1 started.");
  for (let i = 0; i < 3; i++) {
    recorder.record(object, "Warning", "StartBlocked", "0/1 nodes are available.");
    await recorder.flush();
  }
  const kubeconfig = process.env.FAIRLEAD_KUBECONFIG || process.env.KUBECONFIG || "";
  const { stdout } = await run("kubectl", [
    "--kubeconfig",
    kubeconfig,
    "-n",
    name,
    "describe",
    "configmap",
    "a",
  ]);
  expect(stdout).toMatch(/Normal +Started +\S+ +fairlead-controller +Attempt 1 started\./);
  expect(stdout).toMatch(
    /Warning +StartBlocked +.*x3 over.* +fairlead-controller +0\/1 nodes are available\./,
  );
  const { items } = await client.list(Events, name, { fieldSelector: "involvedObject.name=a" });
  expect(items.map((event) => `${event.reason} ${event.count}`).sort()).toEqual([
    "StartBlocked 3",
    "Started 1",
  ]);
  expect(recorder.dropped).toBe(0);
});
