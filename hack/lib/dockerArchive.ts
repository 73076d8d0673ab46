/**
 * A docker-archive (what `docker save` writes) with one image of one layer, for images of a few files.
 * It is deterministic: the same files make the same bytes.
 */
import { createHash } from "node:crypto";

interface ImageFile {
  /** Relative to the root, e.g. `pause` or `etc/passwd`. */
  path: string;
  content: Uint8Array | string;
  /** 0644 by default. */
  mode?: number;
}

interface ImageConfig {
  Entrypoint?: string[];
  Cmd?: string[];
  Env?: string[];
  User?: string;
  WorkingDir?: string;
}

export function dockerArchive(
  reference: string,
  files: readonly ImageFile[],
  config: ImageConfig,
  architecture = process.arch === "arm64" ? "arm64" : "amd64",
): Buffer {
  const layer = tar(files);
  const layerName = `${sha256(layer)}/layer.tar`;
  const image = JSON.stringify({
    architecture,
    os: "linux",
    config,
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created: "1970-01-01T00:00:00Z" }],
  });
  const imageName = `${sha256(image)}.json`;
  const manifest = JSON.stringify([{ Config: imageName, RepoTags: [reference], Layers: [layerName] }]);
  return tar([
    { path: layerName, content: layer },
    { path: imageName, content: image },
    { path: "manifest.json", content: manifest },
  ]);
}

/** An ustar archive of plain files; parent folders are made with mode 0755. */
export function tar(files: readonly ImageFile[]): Buffer {
  const parts: Buffer[] = [];
  const made = new Set<string>();
  for (const file of files) {
    const content = Buffer.from(file.content);
    const segments = file.path.split("/");
    for (let depth = 1; depth < segments.length; depth++) {
      const folder = `${segments.slice(0, depth).join("/")}/`;
      if (!made.has(folder)) parts.push(header(folder, 0o755, 0, "5"));
      made.add(folder);
    }
    parts.push(header(file.path, file.mode ?? 0o644, content.length, "0"), content);
    parts.push(Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  parts.push(Buffer.alloc(1024));
  return Buffer.concat(parts);
}

function header(path: string, mode: number, size: number, type: "0" | "5"): Buffer {
  if (Buffer.byteLength(path) > 100)
    throw new Error(`${path}: names of at most 100 bytes fit in the archive`);
  const block = Buffer.alloc(512);
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, "0")}\0`;
  block.write(path, 0);
  block.write(octal(mode, 8), 100);
  block.write(octal(0, 8), 108); // owner
  block.write(octal(0, 8), 116); // group
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136); // time
  block.write("        ", 148); // the checksum counts as spaces while it is computed
  block.write(type, 156);
  block.write("ustar\0", 257, "latin1");
  block.write("00", 263);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}
