/**
 * The cluster's certificate authority, certificates and kubeconfig files, made with openssl. Existing files
 * are kept, so the next call continues an interrupted one.
 */
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../lib/exec.ts";
import type { ClusterPlan, NodePlan } from "./plan.ts";
import { type ClusterPaths, writeFileAtomic } from "./state.ts";

const days = "3650";
const ecKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** The API server's clients, by the name of their certificate and its subject. */
const clients = {
  admin: "/O=system:masters/CN=fairlead-admin",
  "kube-controller-manager": "/CN=system:kube-controller-manager",
  "kube-scheduler": "/CN=system:kube-scheduler",
  "kube-proxy": "/CN=system:kube-proxy",
  "apiserver-to-kubelet": "/O=system:masters/CN=apiserver-to-kubelet",
} as const;

export async function ensurePki(plan: ClusterPlan, paths: ClusterPaths): Promise<void> {
  const { pki } = paths;
  if (!existsSync(join(pki, "ca.crt"))) {
    await make(pki, "ca", (key, crt) => ["req", "-x509", ...ecKey, ...caArgs(key, crt)]);
  }
  const service = "kubernetes.default.svc";
  await certificate(pki, "apiserver", "/CN=kube-apiserver", [
    ...["kubernetes", "kubernetes.default", service, `${service}.cluster.local`, "localhost"].map(dns),
    ...["127.0.0.1", plan.apiServiceAddress, plan.controlPlaneAddress, plan.hostLinkAddress].map(address),
  ]);
  await Promise.all(
    Object.entries(clients).map(([name, subject]) => certificate(pki, name, subject, [dns(name)])),
  );
  if (!existsSync(join(pki, "service-account.pub"))) {
    const [key, pub] = [join(pki, "service-account.key"), join(pki, "service-account.pub")];
    await run("openssl", ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key]);
    await run("openssl", ["ec", "-in", key, "-pubout", "-out", `${pub}.new`]);
    renameSync(`${pub}.new`, pub);
  }
  for (const name of ["kube-controller-manager", "kube-scheduler", "kube-proxy"]) {
    writeKubeconfig(plan, paths, name, kubeconfigPath(paths, name));
  }
  writeKubeconfig(plan, paths, "admin", paths.kubeconfig);
}

export async function ensureNodePki(plan: ClusterPlan, paths: ClusterPaths, node: NodePlan): Promise<void> {
  const subject = `/O=system:nodes/CN=system:node:${node.name}`;
  await certificate(paths.pki, node.name, subject, [dns(node.name), address(node.address)]);
  writeKubeconfig(plan, paths, node.name, kubeconfigPath(paths, node.name));
}

export function kubeconfigPath(paths: ClusterPaths, client: string): string {
  return join(paths.pki, `${client}.kubeconfig`);
}

function caArgs(key: string, crt: string): string[] {
  const usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"];
  return ["-keyout", key, "-out", crt, "-days", days, "-subj", "/CN=fairlead-cluster-ca", ...usage];
}

async function certificate(pki: string, name: string, subject: string, names: string[]): Promise<void> {
  if (existsSync(join(pki, `${name}.crt`))) return;
  const issuer = ["-CA", join(pki, "ca.crt"), "-CAkey", join(pki, "ca.key")];
  const extensions = [
    `subjectAltName=${names.join(",")}`,
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    "extendedKeyUsage=serverAuth,clientAuth",
  ].flatMap((extension) => ["-addext", extension]);
  await make(pki, name, (key, crt) => {
    const files = ["-keyout", key, "-out", crt, "-days", days, "-subj", subject];
    return ["req", "-x509", ...ecKey, ...files, ...issuer, ...extensions];
  });
}

/** The certificate is renamed last: when it exists, so does its key. */
async function make(pki: string, name: string, args: (key: string, crt: string) => string[]): Promise<void> {
  const [key, crt] = [join(pki, `${name}.key`), join(pki, `${name}.crt`)];
  await run("openssl", args(key, `${crt}.new`));
  renameSync(`${crt}.new`, crt);
}

function dns(name: string): string {
  return `DNS:${name}`;
}

function address(ip: string): string {
  return `IP:${ip}`;
}

/** Certificates are embedded, so that the file can be copied elsewhere. */
function writeKubeconfig(plan: ClusterPlan, paths: ClusterPaths, client: string, path: string): void {
  if (existsSync(path)) return;
  const base64 = (file: string) => readFileSync(join(paths.pki, file)).toString("base64");
  const name = plan.netns;
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: plan.server, "certificate-authority-data": base64("ca.crt") } }],
    users: [
      {
        name: client,
        user: {
          "client-certificate-data": base64(`${client}.crt`),
          "client-key-data": base64(`${client}.key`),
        },
      },
    ],
    contexts: [{ name, context: { cluster: name, user: client } }],
    "current-context": name,
  };
  writeFileAtomic(path, `${JSON.stringify(config, null, 2)}\n`, 0o600);
}
