/**
 * Which release acts on a namespace: the one that the Lease `fairlead-owner` in it names. One namespace has
 * one owner: two would exceed its limits and look for its outputs in two buckets. Pure.
 *
 * A claim is renewed while its release runs. One that was not renewed for its whole duration is void: its
 * release was uninstalled, or does not watch the namespace any more, and another one may take the namespace.
 */
/** The part of a Lease that is read. */
interface Claim {
  spec?: { holderIdentity?: string; renewTime?: string; leaseDurationSeconds?: number };
}

export const ownerLeaseName = "fairlead-owner";
export const claimSeconds = 15 * 60;
export const renewAfterMs = 5 * 60_000;

/** As people read it; unique in the cluster. */
export const releaseName = ({ namespace, fullname }: { namespace: string; fullname: string }): string =>
  `${namespace}/${fullname}`;

/** The release that owns the namespace; undefined: none does, or its claim is void. */
export function ownerIn(lease: Claim | undefined, nowMs: number): string | undefined {
  const { holderIdentity, renewTime, leaseDurationSeconds = claimSeconds } = lease?.spec ?? {};
  if (!holderIdentity) return undefined;
  const voidAt = Date.parse(renewTime ?? "") + leaseDurationSeconds * 1000;
  return nowMs >= voidAt ? undefined : holderIdentity;
}

export const notOwner = (namespace: string, owner: string, self: string): string =>
  `Namespace ${namespace} belongs to the Fairlead release ${owner}: release ${self} does nothing in it. ` +
  `Use the other release's API, or uninstall it: 15 minutes later the namespace is free. ` +
  `To free it at once: kubectl delete lease ${ownerLeaseName} --namespace ${namespace}`;
