/**
 * Manifests for tests on a cluster, with the images that `npm run images -- --load --tests` made of this work
 * tree.
 */
import { originLabel } from "@fairlead/protocol/labels";
import type { ImageName } from "../../../hack/images/catalog.ts";
import { readImagesFile } from "../../../hack/images/imageFiles.ts";
import { slug } from "../../../operator/src/model/ids.ts";
import { apiVersion } from "../../../operator/src/model/resources.ts";

export type Manifest = { apiVersion: string; kind: string; metadata: { name: string } & object } & object;

export const task = (name: string, spec: object): Manifest => manifest("Task", name, spec);

export const taskRun = (name: string, spec: object): Manifest => manifest("TaskRun", name, spec);

export const taskQueue = (name: string, spec: object): Manifest => manifest("TaskQueue", name, spec);

const manifest = (kind: string, name: string, spec: object): Manifest =>
  ({ apiVersion, kind, metadata: { name }, spec }) as Manifest;

export function imageOf(name: ImageName): string {
  const image = readImagesFile()[name];
  if (!image) throw new Error(`there is no image ${name}: run npm run images -- --load --tests`);
  return image.ref;
}

/** One of the tasks in test/e2e/fixtures/tasks/tasks.ts, without retries and with a short grace period. */
export const testTask = (id: string, spec: object = {}): Manifest =>
  task(id, {
    image: imageOf("e2e-tasks"),
    retry: { maxAttempts: 1 },
    podTemplate: { terminationGracePeriodSeconds: 2 },
    ...spec,
  });

/** The spec of a run whose container executes a shell script. */
export const shell = (script: string, more: object = {}): object => ({
  container: { image: imageOf("shell"), command: ["sh", "-c", script], ...more },
});

/** Within such a script: GETs a URL of the API with the pod's token. */
export const withToken = 'wget -q -O - --header "Authorization: Bearer $(cat "$FAIRLEAD_TOKEN_FILE")"';

/** Prints the run's payload, within such a script. */
export const readPayload = `${withToken} "$FAIRLEAD_PAYLOAD_URL"`;

/** As the API makes it for a queue that runs name: a limit that a trigger brings along counts. */
export const queueOnDemand = (name: string): Manifest => {
  const metadata = { name: slug(name), labels: { [originLabel]: "trigger" } };
  return { apiVersion, kind: "TaskQueue", metadata, spec: { name } } as Manifest;
};
