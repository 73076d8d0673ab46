/**
 * What the volume with the pod's token costs at the start of a pod: bare Jobs with and without it, in turns.
 * Nothing else is different. docs/adr/0012-pod-identity.md has the figures.
 */
import { podTokenMount, podTokenVolume } from "../../operator/src/jobs/podToken.ts";
import { KubeClient } from "../../operator/src/kube/client/client.ts";
import { Namespaces } from "../../operator/src/kube/resources.ts";
import { bareJob, quantile, type Times, warmUpPairs } from "./latency.ts";

const withToken = { volumes: [podTokenVolume], volumeMounts: [podTokenMount] };

export async function podTokenBench({ pairs, image }: { pairs: number; image: string }): Promise<void> {
  const client = KubeClient.fromEnvironment();
  const namespace = `bench-token-${Date.now().toString(36)}`;
  await client.create(Namespaces, undefined, { metadata: { name: namespace } });
  try {
    const without: Times[] = [];
    const mounted: Times[] = [];
    for (let pair = -warmUpPairs; pair < pairs; pair++) {
      const name = `p${pair + warmUpPairs}`;
      const measure = [
        async () => [without, await bareJob(client, namespace, `bare-${name}`, image)] as const,
        async () => [mounted, await bareJob(client, namespace, `token-${name}`, image, withToken)] as const,
      ];
      // They take turns in being first.
      for (const one of pair % 2 === 0 ? measure : measure.reverse()) {
        const [list, times] = await one();
        if (pair >= 0) list.push(times);
      }
    }
    print(without, mounted);
  } finally {
    await client.delete(Namespaces, undefined, namespace);
    await client.close();
  }
}

function print(without: Times[], mounted: Times[]): void {
  console.log(`${without.length} pairs, milliseconds from the request that creates the Job\n`);
  console.log("                        without           with the token    median of the pairs' differences");
  for (const [title, key] of [
    ["first line of code", "firstLineMs"],
    ["known completion", "completionMs"],
  ] as const) {
    const [bare, token] = [without, mounted].map((list) => list.map((times) => times[key]));
    const differences = bare?.map((ms, pair) => (token?.[pair] ?? Number.NaN) - ms);
    const cell = (list: number[] | undefined) =>
      `${quantile(list, 0.5)} (p90 ${quantile(list, 0.9)})`.padEnd(18);
    const spread = `${quantile(differences, 0.5)} (p10 ${quantile(differences, 0.1)}, p90 ${quantile(differences, 0.9)})`;
    console.log(`${title.padEnd(24)}${cell(bare)}${cell(token)}${spread}`);
  }
}
