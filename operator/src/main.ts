/**
 * `main.js controller | api | smoke`: the composition root. SIGTERM ends it cleanly: a leader finishes what
 * it has begun and releases the lease, a server answers the requests that it has accepted.
 */
import { randomBytes } from "node:crypto";
import express, { type Express } from "express";
import { type Logger, pino } from "pino";
import { ApiKeys } from "./api/auth/apiKeys.ts";
import { newGates } from "./api/http/gates.ts";
import { Links } from "./api/packets.ts";
import { AttemptIdentity } from "./api/runner/attemptIdentity.ts";
import { ClusterKeys } from "./api/runner/clusterKeys.ts";
import { RunReader } from "./api/runs/reader.ts";
import { apiRouter } from "./api/server.ts";
import { Waits } from "./api/waits/waits.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { Controller } from "./controller/controller.ts";
import { KubeClient } from "./kube/client/client.ts";
import { LeaderElection } from "./kube/leader/leaderElection.ts";
import { KubeLeaseStore } from "./kube/leader/leaseStore.ts";
import type { Gate } from "./lib/fairGate.ts";
import { pause } from "./lib/time.ts";
import { TokenBuckets } from "./lib/tokenBucket.ts";
import type { WriteHook } from "./lib/writeHook.ts";
import { releaseName } from "./model/namespaceOwner.ts";
import { leastCharacters, weakness } from "./model/randomText.ts";
import { crashHook } from "./process/crashHook.ts";
import { type Health, healthRouter, listen } from "./process/health.ts";
import { installationId } from "./process/installationId.ts";
import { ensureSecrets, readSecret, retrying } from "./process/secrets.ts";
import { smoke } from "./process/smoke.ts";
import { connectRedis } from "./queue/redisClient.ts";
import { RunTokens } from "./runs/runToken.ts";
import { Bucket } from "./storage/bucket.ts";
import { ObjectStore } from "./storage/objectStore.ts";
import { newRegistry, observe } from "./telemetry/metrics.ts";

const modes = { controller: runController, api: runApi };
const defaultPorts = { controller: 8081, api: 8080 };
/** How long a stopping API answers before it closes. */
const drainMs = 2_000;
/** Lists that are polled meet the same objects again and again. */
const unreadableLogs = { burst: 20, perSecond: 1 / 10 };

async function main(): Promise<void> {
  const mode = process.argv[2];
  if (mode === "smoke") {
    process.exitCode = await smoke(process.env);
    return;
  }
  if (mode !== "controller" && mode !== "api") {
    console.error("usage: main.js controller | api | smoke");
    process.exitCode = 2;
    return;
  }
  const config = readConfig(process.env);
  const log = pino({ level: config.logLevel, base: { component: mode } });
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      log.info({ signal }, "stopping");
      stop.abort();
    });
  }
  try {
    await modes[mode](config, log, stop.signal, config.port ?? defaultPorts[mode]);
    log.info("stopped");
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    log.info({ err: error }, "stopped");
  }
  // Nothing is left to do; a connection that lingers must not hold the process.
  process.exit(0);
}

async function runController(config: Config, log: Logger, signal: AbortSignal, port: number): Promise<void> {
  const crash = crashHook(process.env.FAIRLEAD_CRASH_AT_WRITE);
  const metrics = newRegistry("controller");
  let problem: () => string | undefined = () => undefined;
  let unready: () => string | undefined = () => "starting";
  let notes: () => readonly string[] = () => [];
  const health: Health = { alive: () => problem(), ready: () => unready(), notes: () => notes(), metrics };
  const server = await listen(newApp(health), port);

  const setup = KubeClient.fromEnvironment({ onWrite: crash });
  await ensureSecrets(setup, config, log, signal);
  // Only a leader may write, to the API server and to the bucket; the lease itself has a client of its own.
  const onWrite: WriteHook = (moment, what) => {
    if (moment === "before") election.assertLeader();
    crash?.(moment, what);
  };
  const store = await connectStore(setup, config, log, signal, { onWrite });
  // Not awaited: most work does not need the bucket, which may be on a lost node.
  retrying("make the bucket", log, signal, () => store.ensureBucket()).catch((error) =>
    log.warn({ err: error }, "the bucket was not made"),
  );

  const client = KubeClient.fromEnvironment({ onWrite });
  const controller = new Controller({
    client,
    store,
    redis: connectRedis(config.redisUrl, await redisPassword(setup, config, log, signal)),
    installation: await installationId(setup, config, log, signal),
    term: () => election.term,
    onFenced: (known) => election.raiseTerm(known),
    config,
    metrics,
    log,
  });
  const lease = KubeClient.fromEnvironment({ connections: 2, requestTimeoutMs: 5_000 });
  const election: LeaderElection = new LeaderElection({
    store: new KubeLeaseStore(lease, config.namespace, config.leaseName),
    identity: `${config.podName}_${randomBytes(4).toString("hex")}`,
    onStarted: (leading) => controller.lead(leading),
    onLost: (reason) => log.error({ reason }, "leadership lost"),
    log,
  });
  problem = () => controller.stuck();
  unready = () => controller.problem();
  notes = () => controller.notes();
  await controller.sync(signal);
  await election.run(signal);
  await server.close();
}

async function runApi(config: Config, log: Logger, signal: AbortSignal, port: number): Promise<void> {
  const gates = newGates();
  const client = KubeClient.fromEnvironment({ gate: gates.cluster });
  let unready: () => string | undefined = () => "starting";
  const metrics = newRegistry("api");
  const app = newApp({ alive: () => undefined, ready: () => unready(), metrics });
  const server = await listen(app, port);
  const store = await connectStore(client, config, log, signal, { gate: gates.bucket });
  const { namespace, secrets } = config;
  const { key: signingKey } = await readSecret(client, namespace, secrets.signing, ["key"], log, signal);
  const weak = weakness(signingKey);
  if (weak)
    throw new ConfigError(`Secret ${secrets.signing}: key ${weak}: at least ${leastCharacters} are needed`);
  const tokens = new RunTokens(signingKey);
  observe(metrics, "fairlead_bucket_objects_unreadable_total", () => [
    { value: store.unreadable, labels: {} },
  ]);
  const keys = new ApiKeys(client, {
    namespace,
    first: secrets["api-key"],
    others: secrets["api-keys"],
    log,
  });
  const reader = new RunReader(client, store, config.watchNamespaces, log, gates.lists);
  const links = new Links(store, signingKey, config.s3.publicEndpoint !== undefined, config.publicUrl);
  const waits = new Waits(client, { namespaces: config.watchNamespaces, signingKey, log });
  await Promise.all([keys.start(signal), reader.start(signal), waits.start(signal)]);
  const { now: clock } = Date;
  const { limits, watchNamespaces } = config;
  // Clients are to reconnect, to another replica, before this one closes.
  app.use((_request, response, next) => {
    if (signal.aborted) response.set("connection", "close");
    next();
  });
  const { random } = Math;
  const clusterKeys = new ClusterKeys(client, clock);
  const identity = new AttemptIdentity({ client, clusterKeys, tokens, watchNamespaces });
  app.use(
    apiRouter({
      ...{ client, store, tokens, keys, watchNamespaces, release: releaseName(config) },
      ...{ reader, waits, links, limits, log, clock, random, identity },
    }),
  );
  unready = () =>
    reader.isFresh(clock()) ? undefined : "the watch of TaskRuns has been silent for too long";
  log.info({ port: server.port }, "listening");
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  // Requests still arrive while the Service learns that this endpoint is not ready.
  unready = () => "stopping";
  await pause(drainMs);
  await server.close();
  await client.close();
}

/** Answers the probes from the first moment; the API is added when it can be served. */
function newApp(health: Health): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  return app.use(healthRouter(health));
}

async function connectStore(
  client: KubeClient,
  config: Config,
  log: Logger,
  signal: AbortSignal,
  { onWrite, gate }: { onWrite?: WriteHook; gate?: Gate },
): Promise<ObjectStore> {
  const { namespace, secrets } = config;
  const fields = ["accessKeyId", "secretAccessKey"] as const;
  const credentials = await readSecret(client, namespace, secrets.objectstore, fields, log, signal);
  const bucket = new Bucket({ s3: config.s3, credentials, onWrite });
  const prefix = config.s3.isShared ? await installationId(client, config, log, signal) : "";
  const said = new TokenBuckets(unreadableLogs, 1);
  const onUnreadable = (object: string, error: unknown): void => {
    if (said.take("", Date.now()).allowed) log.warn({ object, err: error }, "this object cannot be read");
  };
  return new ObjectStore(bucket, prefix, { gate, onUnreadable });
}

async function redisPassword(
  client: KubeClient,
  config: Config,
  log: Logger,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (config.secrets.redis === "") return undefined;
  const secret = await readSecret(client, config.namespace, config.secrets.redis, ["password"], log, signal);
  return secret.password;
}

main().catch((error: unknown) => {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
});
