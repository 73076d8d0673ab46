/**
 * Runs in memory, and a controller that keeps the order of writes: slot in Redis → Starting → slot confirmed
 * → Job. A run may wait: it gives its slot back, and goes on within whileHeld. The limits are checked against
 * the runs whose code runs; violations are in `broken`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Admission, Grant, PendingRun } from "../../../operator/src/queue/admission.ts";
import type { AdmissionSource, Holder, Limits } from "../../../operator/src/queue/clusterState.ts";
import { laneOf } from "../../../operator/src/queue/keys.ts";
import { AdmissionClosedError } from "../../../operator/src/queue/namespaceAdmission.ts";

type Phase = "Queued" | "Starting" | "Executing" | "Waiting" | "Completed";

interface FakeRun extends PendingRun {
  phase: Phase;
  /** How often it is still to wait. */
  waits: number;
}

export class FakeCluster implements AdmissionSource {
  readonly all = new Map<string, FakeRun>();
  readonly broken: string[] = [];
  readonly limit: Limits;
  /** Uids in the order of their starts. */
  readonly begun: string[] = [];
  together = 0;
  /** Called after each completed run. */
  onCompleted: (count: number) => void = () => undefined;
  #leader: FakeController | undefined;

  constructor(limit: Limits) {
    this.limit = limit;
  }

  get completed(): number {
    return this.#in("Completed").length;
  }

  isLeader(controller: FakeController): boolean {
    return this.#leader === controller;
  }

  /** Another controller leads from now on: writes of the previous one are refused. */
  lead(controller: FakeController): void {
    this.#leader = controller;
  }

  startJob(run: FakeRun): void {
    this.begun.push(run.uid);
    this.goOn(run);
  }

  goOn(run: FakeRun): void {
    Object.assign(run, { phase: "Executing", resumes: false });
    const running = this.#in("Executing");
    this.together = Math.max(this.together, running.length);
    const lane = running.filter((one) => laneOf(one) === laneOf(run)).length;
    const most = this.limit.queues.find((queue) => queue.name === run.queue)?.limit ?? Infinity;
    if (lane > most) this.broken.push(`${lane} of ${JSON.stringify(laneOf(run))}`);
    if (running.length > (this.limit.namespace ?? Infinity)) this.broken.push(`${running.length} in all`);
  }

  async limits(): Promise<Limits> {
    await pause(2);
    return this.limit;
  }

  async runs(): Promise<{ holders: Holder[]; pending: PendingRun[] }> {
    await pause(2);
    const read = [...this.#in("Starting"), ...this.#in("Executing")];
    return {
      holders: read.map((run) => ({ ...run, tentative: run.phase === "Starting" })),
      pending: [...this.#in("Queued"), ...this.#in("Waiting").filter(({ resumes }) => resumes)].map(
        (run) => ({
          ...run,
        }),
      ),
    };
  }

  #in(phase: Phase): FakeRun[] {
    return [...this.all.values()].filter((run) => run.phase === phase);
  }
}

export class FakeController {
  readonly #cluster: FakeCluster;
  readonly #admission: Admission;
  readonly stop = new AbortController();

  constructor(cluster: FakeCluster, admission: Admission) {
    this.#cluster = cluster;
    this.#admission = admission;
  }

  /** Becomes the leader, and continues every run from its phase. */
  async start(): Promise<void> {
    this.#cluster.lead(this);
    await this.#admission.start((grant) => void this.#granted(grant), this.stop.signal);
    for (const run of this.#cluster.all.values()) {
      if (run.phase === "Queued") await this.#admission.enqueue({ ...run });
      if (run.phase === "Starting") void this.#create(run, run.slot);
      if (run.phase === "Executing") void this.#finish(run, run.slot);
      if (run.phase === "Waiting") void this.#resume(run);
    }
  }

  async #granted(grant: Grant): Promise<void> {
    await pause(3);
    const run = this.#cluster.all.get(grant.uid);
    if (!this.#leads()) return;
    if (run?.phase === "Waiting" && run.resumes && grant.slot > run.slot) return this.#goOn(run, grant);
    if (run?.phase !== "Queued" || grant.slot <= run.slot) {
      // A superfluous grant, unless it is the slot that the run already has.
      if (run?.slot !== grant.slot || run.phase === "Queued") await this.#admission.release(grant);
      return;
    }
    Object.assign(run, { phase: "Starting", slot: grant.slot });
    await this.#create(run, grant.slot);
  }

  async #create(run: FakeRun, slot: number): Promise<void> {
    while (this.#leads() && run.phase === "Starting" && run.slot === slot) {
      try {
        const held = await this.#admission.confirm(grantOf(run));
        if (held) await pause(3);
        if (!this.#leads() || run.phase !== "Starting") return;
        if (held) {
          this.#cluster.startJob(run);
          return this.#finish(run, slot);
        }
        run.phase = "Queued";
        await this.#admission.release(grantOf(run));
        return this.#admission.enqueue({ ...run });
      } catch (error) {
        if (!(error instanceof AdmissionClosedError)) throw error;
        await pause(10);
      }
    }
  }

  async #finish(run: FakeRun, slot: number): Promise<void> {
    await pause(20);
    if (!this.#leads() || run.phase !== "Executing" || run.slot !== slot) return;
    if (run.waits > 0) return this.#wait(run);
    run.phase = "Completed";
    await pause(1);
    if (this.#leads()) await this.#admission.release(grantOf(run));
    this.#cluster.onCompleted(this.#cluster.completed);
  }

  async #wait(run: FakeRun): Promise<void> {
    Object.assign(run, { phase: "Waiting", waits: run.waits - 1 });
    await pause(1);
    if (!this.#leads()) return;
    await this.#admission.release(grantOf(run));
    await pause(20);
    if (this.#leads()) await this.#resume(run);
  }

  async #resume(run: FakeRun): Promise<void> {
    if (run.phase !== "Waiting") return;
    run.resumes = true;
    await this.#admission.enqueue({ ...run });
  }

  async #goOn(run: FakeRun, grant: Grant): Promise<void> {
    try {
      const goesOn = await this.#admission.whileHeld(grant, async () => {
        await pause(3);
        if (!this.#leads() || run.phase !== "Waiting" || run.slot >= grant.slot) return false;
        run.slot = grant.slot;
        this.#cluster.goOn(run);
        return true;
      });
      if (goesOn) return this.#finish(run, grant.slot);
    } catch (error) {
      // The rebuild grants it again.
      if (error instanceof AdmissionClosedError) return;
      throw error;
    }
    await this.#admission.release(grant);
    if (this.#leads()) await this.#resume(run);
  }

  #leads(): boolean {
    return this.#cluster.isLeader(this);
  }
}

const grantOf = ({ namespace, name, uid, slot }: FakeRun): Grant => ({ namespace, name, uid, slot });

const pause = (most: number): Promise<void> => sleep(Math.random() * most);
