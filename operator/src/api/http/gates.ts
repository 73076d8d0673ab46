/**
 * How much a replica does at once for each namespace, and in all: requests to the API server and to the
 * bucket, and lists, which cost this process the most. One namespace never has all connections, and
 * namespaces that wait take turns: whatever one asks for, another waits for what is under way, not for what
 * is waiting.
 */
import { FairGate } from "../../lib/fairGate.ts";

/** Below the connections of the clients: what is about no namespace, as watches, has some of its own. */
const cluster = { each: 16, shared: 6, all: 48, waiting: 500 };
const bucket = { each: 16, shared: 12, all: 48, waiting: 500 };
const lists = { each: 4, shared: 2, all: 8, waiting: 100 };

export const newGates = () => ({
  cluster: new FairGate(cluster),
  bucket: new FairGate(bucket),
  lists: new FairGate(lists),
});
