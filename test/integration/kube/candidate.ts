/**
 * A process that competes for a Lease. While it leads, it writes its term into a ConfigMap continually.
 * Arguments: namespace, identity. Prints each event as a line on stdout.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { KubeClient } from "../../../operator/src/kube/client/client.ts";
import { LeaderElection } from "../../../operator/src/kube/leader/leaderElection.ts";
import { KubeLeaseStore } from "../../../operator/src/kube/leader/leaseStore.ts";
import { quiet } from "../../support/quiet.ts";
import { ConfigMaps, clusterConfig } from "../../support/scratchNamespace.ts";

const [, , namespace = "", identity = ""] = process.argv;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const client = new KubeClient(clusterConfig(), {
  onWrite: (phase) => phase === "before" && election.assertLeader(),
});
const election = new LeaderElection({
  store: new KubeLeaseStore(new KubeClient(clusterConfig()), namespace, "leader"),
  identity,
  log: quiet,
  onStarted: async (signal, term) => {
    print(`started ${term}`);
    while (!signal.aborted) {
      const patch = { data: { term: String(term), identity } };
      await client.patch(ConfigMaps, namespace, "ledger", patch, { type: "merge" }).catch((error: Error) => {
        print(`refused ${error.name}`);
      });
      await sleep(50, undefined, { signal }).catch(() => undefined);
    }
    print("ended");
  },
  onLost: (reason) => print(`lost ${reason}`),
});

const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
print("up");
await election.run(stop.signal);
print("released");
process.exit(0);
