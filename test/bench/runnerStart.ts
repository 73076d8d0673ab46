/**
 * What the runner costs compared to a bare `node file.mjs`: milliseconds from the start of the process to the
 * first line of user code, to the accepted report, and to the exit. Bare and runner take turns, so that both
 * see the same machine.
 *
 *   node test/bench/runnerStart.ts [pairs, default 40]
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { RunnerImage } from "../support/runnerProcess.ts";
import { ScriptedEngine } from "../support/servers/scriptedEngine.ts";

const root = join(import.meta.dirname, "../..");
const node = join(root, "node_modules/node/bin/node");
const pairs = Number(process.argv[2] ?? 40);

interface Sample {
  firstLine: number;
  report: number;
  exit: number;
}

const image = await RunnerImage.build();
const engine = await ScriptedEngine.start();
const file = (name: string): string => join(image.folder, name);
await build({
  absWorkingDir: root,
  entryPoints: ["examples/hello-world/src/tasks.ts"],
  outfile: file("hello.mjs"),
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node24",
  keepNames: true,
});
writeFileSync(file("bare.mjs"), 'console.log("Hello, Ada!");\n');
writeFileSync(file("token"), "pod");
engine.give("pod", { payload: { type: "application/json", text: '{"name":"Ada"}' } });
const date = new Date().toISOString();
const variables = {
  PATH: process.env.PATH,
  NODE_ENV: "production",
  FAIRLEAD_API_URL: engine.url,
  FAIRLEAD_TOKEN_FILE: file("token"),
  FAIRLEAD_ATTEMPT: "1",
  FAIRLEAD_POD_UID: "uid",
  FAIRLEAD_TASK_ID: "hello-world",
  FAIRLEAD_ENTRY: file("hello.mjs"),
  FAIRLEAD_TERMINATION_LOG: file("termination-log"),
  FAIRLEAD_CTX: JSON.stringify({
    run: { id: "run_x", createdAt: date, startedAt: date },
    attempt: { number: 1, startedAt: date },
  }),
};
const cached = { ...variables, NODE_COMPILE_CACHE: file("compile-cache") };
execFileSync(node, [file("runner.mjs"), "--warm", file("hello.mjs")], { env: cached });

const variants: Record<string, { args: string[]; env: NodeJS.ProcessEnv }> = {
  "bare node": { args: [file("bare.mjs")], env: variables },
  runner: { args: [file("runner.mjs")], env: cached },
  "runner without compile cache": { args: [file("runner.mjs")], env: variables },
};
const samples = Object.fromEntries(Object.keys(variants).map((name) => [name, [] as Sample[]]));
for (let i = 0; i <= pairs; i++) {
  for (const [name, { args, env }] of Object.entries(variants)) {
    const sample = await measure(args, env);
    if (i > 0) samples[name]?.push(sample);
  }
}
await engine.close();
await image.remove();

const median = (name: string, what: keyof Sample): number => quantile(name, what, 0.5);
console.log(`${pairs} pairs, milliseconds, median (90 %)`);
for (const name of Object.keys(variants)) {
  const cell = (what: keyof Sample): string =>
    `${what} ${median(name, what).toFixed(1)} (${quantile(name, what, 0.9).toFixed(1)})`;
  const over = median(name, "firstLine") - median("bare node", "firstLine");
  console.log(
    `${name.padEnd(30)} ${cell("firstLine")}  ${cell("report")}  ${cell("exit")}  +${over.toFixed(1)} to the first line`,
  );
}

async function measure(args: string[], env: NodeJS.ProcessEnv): Promise<Sample> {
  engine.calls.length = 0;
  const began = performance.now();
  const since = (): number => performance.now() - began;
  const sample: Sample = { firstLine: 0, report: 0, exit: 0 };
  engine.answers.report = () => {
    sample.report = since();
    return { status: 204 };
  };
  const child: ChildProcess = spawn(node, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  child.stdout?.once("data", () => {
    sample.firstLine = since();
  });
  await new Promise((resolve) => child.on("close", resolve));
  sample.exit = since();
  return sample;
}

function quantile(name: string, what: keyof Sample, q: number): number {
  const values = (samples[name] ?? []).map((sample) => sample[what]).sort((a, b) => a - b);
  return values[Math.floor(values.length * q)] ?? 0;
}
