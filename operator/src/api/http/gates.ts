/**
 * How many requests to the API server and to the bucket a replica sends at once: for each namespace, and in
 * all. One namespace never has all connections, and namespaces whose requests wait take turns: whatever one
 * asks for, another waits for what is under way, not for what is waiting.
 */
import { FairGate } from "../../lib/fairGate.ts";

/** Below the connections of the clients: what is about no namespace, as watches, has some of its own. */
const limits = { each: 16, all: 48, waiting: 500 };

export const newGates = () => ({ cluster: new FairGate(limits), bucket: new FairGate(limits) });
