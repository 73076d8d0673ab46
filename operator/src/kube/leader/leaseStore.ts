/**
 * The record that candidates compete for, as a Lease of the API server. Every write is compare-and-swap. It
 * needs a client of its own: renewals must neither wait for other requests nor pass a write hook that checks
 * leadership.
 */
import type { V1Lease } from "@kubernetes/client-node";
import type { KubeClient } from "../client/client.ts";
import { KubeError } from "../client/client.ts";
import { Leases, type Wire } from "../resources.ts";

export interface LeaseRecord {
  /** Empty: the lease is free. */
  holder: string;
  /** How often the holder has changed. */
  transitions: number;
  /** Changes with every write. */
  version: string;
}

export interface LeaseClaim {
  holder: string;
  transitions: number;
  durationSeconds: number;
  /** The holder changes with this write. */
  acquired: boolean;
}

export interface LeaseStore {
  /** Undefined when there is no record. */
  read(signal: AbortSignal): Promise<LeaseRecord | undefined>;
  /** Writes if the record is still `before` (undefined: if there is none); returns undefined if it is not. */
  write(
    claim: LeaseClaim,
    before: LeaseRecord | undefined,
    signal: AbortSignal,
  ): Promise<LeaseRecord | undefined>;
}

export class KubeLeaseStore implements LeaseStore {
  readonly #client: Pick<KubeClient, "get" | "create" | "patch">;
  readonly #namespace: string;
  readonly #name: string;

  constructor(client: Pick<KubeClient, "get" | "create" | "patch">, namespace: string, name: string) {
    this.#client = client;
    this.#namespace = namespace;
    this.#name = name;
  }

  async read(signal: AbortSignal): Promise<LeaseRecord | undefined> {
    const lease = await this.#client.get(Leases, this.#namespace, this.#name, { signal });
    return lease && recordOf(lease);
  }

  async write(
    claim: LeaseClaim,
    before: LeaseRecord | undefined,
    signal: AbortSignal,
  ): Promise<LeaseRecord | undefined> {
    const now = microTime();
    const spec = {
      holderIdentity: claim.holder,
      leaseTransitions: claim.transitions,
      leaseDurationSeconds: claim.durationSeconds,
      renewTime: now,
      ...(claim.acquired ? { acquireTime: now } : {}),
    };
    try {
      if (before) {
        const patch = { metadata: { resourceVersion: before.version }, spec };
        const options = { type: "merge", signal } as const;
        return recordOf(await this.#client.patch(Leases, this.#namespace, this.#name, patch, options));
      }
      const lease = {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: this.#name, namespace: this.#namespace },
        spec,
      };
      return recordOf(await this.#client.create(Leases, this.#namespace, lease, { signal }));
    } catch (error) {
      if (["Conflict", "AlreadyExists", "NotFound"].some((reason) => KubeError.is(error, reason)))
        return undefined;
      throw error;
    }
  }
}

function recordOf(lease: Wire<V1Lease>): LeaseRecord {
  return {
    holder: lease.spec?.holderIdentity ?? "",
    transitions: lease.spec?.leaseTransitions ?? 0,
    version: lease.metadata?.resourceVersion ?? "",
  };
}

/** Kubernetes' MicroTime: exactly six decimals. */
const microTime = (): string => new Date().toISOString().replace("Z", "000Z");
