/**
 * The namespaces that this release owns (model/namespaceOwner.ts).
 *
 *   unknown ─(claim: create, or replace a void one)─► ours ─(renewed)─► ours
 *                    └─► another release's: nothing is done there, and that is said
 *
 * - A claim is a compare-and-swap on a Lease of the namespace, which a watch brings to every release at once.
 *   So one that was deleted or taken by hand is seen within moments, and the work there ends.
 * - `verify` reads the claim from the API server; admission calls it before it opens.
 */

import { namespaceOwnerLabel } from "@fairlead/protocol/labels";
import type { V1Lease } from "@kubernetes/client-node";
import type { Logger } from "pino";
import type { Config } from "../../config.ts";
import type { Informer } from "../../kube/cache/informer.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { KubeError } from "../../kube/client/client.ts";
import type { ObjectEvent } from "../../kube/manager/controller.ts";
import type { PeriodicWork } from "../../kube/manager/manager.ts";
import { Leases, type Wire } from "../../kube/resources.ts";
import { TokenBuckets } from "../../lib/tokenBucket.ts";
import {
  claimSeconds,
  notOwner,
  ownerIn,
  ownerLeaseName,
  releaseName,
  renewAfterMs,
} from "../../model/namespaceOwner.ts";

interface OwnersOptions {
  client: Pick<KubeClient, "get" | "create" | "patch">;
  leases: Pick<Informer<Wire<V1Lease>>, "get" | "list" | "on" | "upsertFromWrite">;
  config: Pick<Config, "namespace" | "fullname">;
  clock: () => number;
  log: Pick<Logger, "info" | "warn">;
  /** The namespace is ours from now on. */
  onOurs: (namespace: string) => void;
  /** It could not be claimed: what was applied there waits. */
  onUnclaimed?: (namespace: string) => void;
}

/** Events in a namespace of another release: some at once, then one a minute. */
const eventLimit = { burst: 10, perSecond: 1 / 60 };
const rememberedNamespaces = 1_000;

export class NamespaceOwners {
  readonly #options: OwnersOptions;
  readonly #self: string;
  readonly #claiming = new Set<string>();
  /** Namespaces that we wanted and another release has, with its name. */
  readonly #refused = new Map<string, string>();
  /** Namespaces that could not be claimed, and why. */
  readonly #failed = new Map<string, string>();
  readonly #events = new TokenBuckets(eventLimit, rememberedNamespaces);

  constructor(options: OwnersOptions) {
    this.#options = options;
    this.#self = releaseName(options.config);
    options.leases.on("change", (_key, before, after) => this.#changed(before, after));
  }

  isOurs(namespace: string): boolean {
    return this.#options.leases.get(namespace, ownerLeaseName)?.spec?.holderIdentity === this.#self;
  }

  /** Another release, whose claim is not void. */
  otherOwner(namespace: string): string | undefined {
    const { leases, clock } = this.#options;
    const owner = ownerIn(leases.get(namespace, ownerLeaseName), clock());
    return owner === this.#self ? undefined : owner;
  }

  /** What was wanted and is another release's, as sentences. */
  refusals(): string[] {
    return [
      ...[...this.#refused].map(([namespace, owner]) => notOwner(namespace, owner, this.#self)),
      ...[...this.#failed].map(([namespace, why]) => notClaimed(namespace, why)),
    ];
  }

  /** For an object that was applied where another release acts; undefined: none acts, or enough was said. */
  refusalEvent(namespace: string): ObjectEvent | undefined {
    const owner = this.otherOwner(namespace);
    const failure = this.#failed.get(namespace);
    if (!owner && failure === undefined) return undefined;
    if (!this.#events.take(namespace, this.#options.clock()).allowed) return undefined;
    return owner
      ? { type: "Warning", reason: "NamespaceNotOwned", message: notOwner(namespace, owner, this.#self) }
      : { type: "Warning", reason: "NamespaceNotClaimed", message: notClaimed(namespace, failure ?? "") };
  }

  /** Claims the namespace if no release has it. May be called often: mostly it does nothing. */
  want(namespace: string): void {
    if (this.#claiming.has(namespace) || this.isOurs(namespace)) return;
    const owner = this.otherOwner(namespace);
    if (owner) {
      this.#refuse(namespace, owner);
      return;
    }
    this.#claiming.add(namespace);
    this.#claim(namespace)
      .then(() => this.#failed.delete(namespace))
      .catch((error: unknown) => {
        this.#options.log.warn({ err: error, namespace }, "the namespace could not be claimed; trying again");
        const isNews = !this.#failed.has(namespace);
        if (this.#failed.size < rememberedNamespaces) this.#failed.set(namespace, String(error));
        if (isNews) this.#options.onUnclaimed?.(namespace);
      })
      .finally(() => this.#claiming.delete(namespace));
  }

  /** Throws unless the API server says that the namespace is ours. */
  async verify(namespace: string): Promise<void> {
    const lease = await this.#options.client.get(Leases, namespace, ownerLeaseName);
    const owner = lease?.spec?.holderIdentity;
    if (owner === this.#self) return;
    throw new Error(
      owner ? notOwner(namespace, owner, this.#self) : `namespace ${namespace} is not claimed yet`,
    );
  }

  /** Renews our claims, and tries again for what we wanted. */
  async keep(wanted: Iterable<string>): Promise<void> {
    const { leases, clock, log } = this.#options;
    for (const namespace of new Set([...wanted, ...this.#refused.keys(), ...this.#failed.keys()]))
      this.want(namespace);
    for (const lease of [...leases.list()]) {
      const namespace = lease.metadata?.namespace ?? "";
      const renewedAt = Date.parse(lease.spec?.renewTime ?? "");
      if (!this.isOurs(namespace) || clock() - renewedAt < renewAfterMs) continue;
      await this.#renew(lease).catch((error: unknown) => {
        if (!KubeError.is(error, "Conflict") && !KubeError.is(error, "NotFound"))
          log.warn({ err: error, namespace }, "the claim of the namespace was not renewed; trying again");
      });
    }
  }

  async #claim(namespace: string): Promise<void> {
    const { client, leases, clock, log } = this.#options;
    const found = await client.get(Leases, namespace, ownerLeaseName);
    const owner = ownerIn(found, clock());
    if (found) leases.upsertFromWrite(found);
    if (owner && owner !== this.#self) this.#refuse(namespace, owner);
    if (owner) return;
    const before = found?.spec?.holderIdentity;
    const now = microTime(clock());
    const spec = {
      holderIdentity: this.#self,
      leaseDurationSeconds: claimSeconds,
      acquireTime: now,
      renewTime: now,
    };
    try {
      leases.upsertFromWrite(
        found
          ? await client.patch(Leases, namespace, ownerLeaseName, withVersion(found, spec), { type: "merge" })
          : await client.create(Leases, namespace, newLease(namespace, spec)),
      );
      log.info({ namespace, before }, "the namespace is ours");
    } catch (error) {
      // Another process was faster: the watch brings what it wrote.
      if (!["Conflict", "AlreadyExists", "NotFound"].some((reason) => KubeError.is(error, reason)))
        throw error;
    }
  }

  async #renew(lease: Wire<V1Lease>): Promise<void> {
    const { client, leases, clock } = this.#options;
    const patch = withVersion(lease, { renewTime: microTime(clock()) });
    const namespace = lease.metadata?.namespace ?? "";
    leases.upsertFromWrite(await client.patch(Leases, namespace, ownerLeaseName, patch, { type: "merge" }));
  }

  #changed(before: Wire<V1Lease> | undefined, after: Wire<V1Lease> | undefined): void {
    const namespace = (after ?? before)?.metadata?.namespace ?? "";
    const wasOurs = before?.spec?.holderIdentity === this.#self;
    const isOurs = after?.spec?.holderIdentity === this.#self;
    if (isOurs) this.#refused.delete(namespace);
    if (isOurs) this.#failed.delete(namespace);
    if (isOurs && !wasOurs) this.#options.onOurs(namespace);
    if (wasOurs && !isOurs) this.#options.log.warn({ namespace }, "the namespace is not ours any more");
    if (!isOurs && (wasOurs || this.#refused.has(namespace))) this.want(namespace);
  }

  #refuse(namespace: string, owner: string): void {
    if (this.#refused.get(namespace) === owner) return;
    this.#refused.set(namespace, owner);
    this.#options.log.warn({ namespace, owner }, notOwner(namespace, owner, this.#self));
  }
}

const notClaimed = (namespace: string, why: string): string =>
  `Namespace ${namespace} could not be claimed, so that nothing is executed there: ${why}. It is tried again.`;

function newLease(namespace: string, spec: object): Wire<V1Lease> {
  const labels = { [namespaceOwnerLabel]: "true" };
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: ownerLeaseName, namespace, labels },
    spec,
  };
}

const withVersion = ({ metadata }: Wire<V1Lease>, spec: object): object => ({
  metadata: { resourceVersion: metadata?.resourceVersion, labels: { [namespaceOwnerLabel]: "true" } },
  spec,
});

/** Kubernetes' MicroTime: exactly six decimals. */
const microTime = (ms: number): string => new Date(ms).toISOString().replace("Z", "000Z");

/** Renews the claims; those that are named in the configuration are claimed also while nothing is in them. */
export const ownerKeeper: PeriodicWork<{ owners: NamespaceOwners; config: Pick<Config, "watchNamespaces"> }> =
  {
    everyMs: 30_000,
    firstMs: 0,
    failure: "claims of namespaces could not be renewed",
    begin:
      ({ owners, config }) =>
      () =>
        owners.keep(config.watchNamespaces),
  };
