/** The images that an archive contains. */
import { tryRun } from "../lib/exec.ts";
import { ClusterError, type ImageArchive } from "./provider.ts";

/** One entry for each name in the archive; an archive without a fully qualified name is refused. */
export async function readArchive(path: string): Promise<ImageArchive[]> {
  const refs = (await dockerRefs(path)) ?? (await ociRefs(path)) ?? [];
  if (refs.length === 0) {
    throw new ClusterError(
      `${path}: not an image archive, or its image has no name (docker save NAME -o FILE)`,
    );
  }
  for (const ref of refs) {
    if (!isFullyQualified(ref)) {
      throw new ClusterError(
        `${path}: ${ref} is not fully qualified (registry.example/name:tag): containerd drops it`,
      );
    }
  }
  return refs.map((ref) => ({ ref, path }));
}

function isFullyQualified(ref: string): boolean {
  const [registry, ...rest] = ref.split("/");
  const named = registry !== undefined && (/[.:]/.test(registry) || registry === "localhost");
  return named && rest.length > 0 && /:[\w][\w.-]*$/.test(rest.at(-1) ?? "");
}

async function dockerRefs(path: string): Promise<string[] | undefined> {
  const manifest = await member(path, "manifest.json");
  if (manifest === undefined) return undefined;
  return (JSON.parse(manifest) as { RepoTags?: string[] }[]).flatMap(({ RepoTags }) => RepoTags ?? []);
}

async function ociRefs(path: string): Promise<string[] | undefined> {
  const index = await member(path, "index.json");
  if (index === undefined) return undefined;
  const { manifests } = JSON.parse(index) as { manifests?: { annotations?: Record<string, string> }[] };
  return (manifests ?? []).flatMap(({ annotations }) => {
    const name =
      annotations?.["io.containerd.image.name"] ?? annotations?.["org.opencontainers.image.ref.name"];
    return name ? [name] : [];
  });
}

async function member(path: string, name: string): Promise<string | undefined> {
  const { code, stdout } = await tryRun("tar", ["-xOf", path, name]);
  return code === 0 ? stdout : undefined;
}
