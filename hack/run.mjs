/**
 * `node hack/run.mjs SCRIPT.ts args…`: runs every npm script, with any Node from 20 on that the machine has.
 * Installs the dependencies when they are missing or older than package-lock.json, then runs the script with
 * the Node that is one of them, which runs TypeScript directly. Plain JavaScript, built-in modules.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const stampFile = join(modules, ".npm-stamp");

if (Number(process.versions.node.split(".")[0]) < 20) {
  console.error(`Node ${process.versions.node} is too old: version 20 or later is needed to start`);
  process.exit(1);
}
const [script, ...args] = process.argv.slice(2);
if (!script) {
  console.error("usage: node hack/run.mjs SCRIPT.ts [arguments]");
  process.exit(2);
}
ensureDependencies();
runScript();

function ensureDependencies() {
  const stamp = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  const node = join(modules, ".bin", "node");
  if (existsSync(node) && existsSync(stampFile) && readFileSync(stampFile, "utf8").trim() === stamp) return;
  // After `npm install X` the packages are there already, only the stamp is old.
  if (!existsSync(node) || !isInstalled()) {
    console.error("Installing the dependencies (npm ci), once per change of package-lock.json …");
    // npm must not run on the Node that it is about to delete.
    const path = (process.env.PATH ?? "")
      .split(delimiter)
      .filter((dir) => resolve(dir) !== join(modules, ".bin"));
    const result = spawnSync("npm", ["ci", "--no-fund", "--no-audit"], {
      cwd: root,
      stdio: ["ignore", 2, 2],
      env: { ...process.env, PATH: path.join(delimiter) },
    });
    if (result.error || result.status !== 0) {
      console.error(`npm ci failed${result.error ? `: ${result.error.message}` : ""}`);
      process.exit(result.status || 1);
    }
  }
  writeFileSync(stampFile, `${stamp}\n`);
}

/** Whether node_modules holds what package-lock.json asks for, by npm's own record of what it installed. */
function isInstalled() {
  try {
    const read = (path) => JSON.parse(readFileSync(path, "utf8")).packages;
    const installed = read(join(modules, ".package-lock.json"));
    return Object.entries(read(join(root, "package-lock.json"))).every(([path, wanted]) => {
      if (!path.startsWith("node_modules/")) return true;
      // An optional package may be for another system.
      return installed[path] ? installed[path].version === wanted.version : wanted.optional === true;
    });
  } catch {
    return false;
  }
}

function runScript() {
  const child = spawn(join(modules, ".bin", "node"), [script, ...args], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the child as well.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("error", (error) => {
    console.error(`cannot start ${script}: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1));
  });
}
