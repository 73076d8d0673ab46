/**
 * A bundle of files as one archive: tar (ustar), so that any tool can look into it. The same files make the
 * same bytes: names are sorted, times and owners are zero. Only plain files, with relative paths without
 * `..`; a reader refuses everything else, and more than `archiveLimits`.
 */
export interface ArchiveFile {
  /** Relative, with `/`. */
  path: string;
  content: Uint8Array;
  /** May be executed. */
  executable?: boolean;
}

export const archiveLimits = { files: 50_000, bytes: 512 * 1024 * 1024, pathBytes: 255 };

export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
}

const block = 512;
const prefixBytes = 155;
const nameBytes = 100;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Throws ArchiveError for a path or a size that an archive cannot have. */
export function packArchive(files: readonly ArchiveFile[]): Uint8Array {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  if (sorted.length > archiveLimits.files) throw tooLarge(`${sorted.length} files`);
  const sizes = sorted.map(({ content }) => block + Math.ceil(content.length / block) * block);
  const total = sizes.reduce((sum, size) => sum + size, 2 * block);
  if (total > archiveLimits.bytes) throw tooLarge(`${total} bytes`);
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const [index, file] of sorted.entries()) {
    if (sorted[index - 1]?.path === file.path) throw new ArchiveError(`${file.path}: comes twice`);
    bytes.set(header(file), at);
    bytes.set(file.content, at + block);
    at += sizes[index] ?? 0;
  }
  return bytes;
}

/** Throws ArchiveError for everything that packArchive does not make. */
export function unpackArchive(bytes: Uint8Array): ArchiveFile[] {
  if (bytes.length > archiveLimits.bytes) throw tooLarge(`${bytes.length} bytes`);
  const files: ArchiveFile[] = [];
  for (let at = 0; ; ) {
    const head = bytes.subarray(at, at + block);
    if (head.length < block) throw new ArchiveError("it ends in the middle of a file");
    if (head.every((byte) => byte === 0)) return files;
    if (files.length === archiveLimits.files) throw tooLarge(`more than ${archiveLimits.files} files`);
    if (numberOf(head, 148, 8) !== checksum(head)) throw new ArchiveError("a header is damaged");
    const prefix = textOf(head, 345, prefixBytes);
    const path = (prefix === "" ? "" : `${prefix}/`) + textOf(head, 0, nameBytes);
    const type = String.fromCharCode(head[156] ?? 0);
    if (type !== "0") throw new ArchiveError(`${path}: only plain files are allowed`);
    checkPath(path);
    const size = numberOf(head, 124, 12);
    const content = bytes.subarray(at + block, at + block + size);
    if (content.length < size) throw new ArchiveError(`${path}: it ends in the middle of the file`);
    files.push({ path, content, executable: (numberOf(head, 100, 8) & 0o100) !== 0 });
    at += block + Math.ceil(size / block) * block;
  }
}

function header({ path, content, executable }: ArchiveFile): Uint8Array {
  checkPath(path);
  const head = new Uint8Array(block);
  const put = (text: string, at: number): void => head.set(encoder.encode(text), at);
  const [prefix, name] = splitPath(path);
  put(name, 0);
  put(octal(executable ? 0o755 : 0o644, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(content.length, 11), 124);
  put(octal(0, 11), 136);
  put("0", 156);
  put("ustar\0" + "00", 257);
  put(prefix, 345);
  put(octal(checksum(head), 6), 148);
  put("\0 ", 154);
  return head;
}

function checkPath(path: string): void {
  const parts = path.split("/");
  const isPlain = parts.every((part) => part !== "" && part !== "." && part !== "..");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (!isPlain || /[\u0000-\u001f\\]/.test(path))
    throw new ArchiveError(
      `${JSON.stringify(path)}: a path must be relative, without "..", backslashes and control characters`,
    );
  splitPath(path);
}

/** A name of up to 100 bytes, and what is before it. */
function splitPath(path: string): [prefix: string, name: string] {
  const bytes = (text: string): number => encoder.encode(text).length;
  if (bytes(path) <= nameBytes) return ["", path];
  for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (bytes(prefix) <= prefixBytes && bytes(name) <= nameBytes) return [prefix, name];
  }
  throw new ArchiveError(`${path}: the path is too long for an archive`);
}

/** The sum of a header's bytes, its own field read as spaces. */
function checksum(head: Uint8Array): number {
  let sum = 0;
  for (const [index, byte] of head.entries()) sum += index >= 148 && index < 156 ? 32 : byte;
  return sum;
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");

function textOf(head: Uint8Array, at: number, length: number): string {
  const field = head.subarray(at, at + length);
  const end = field.indexOf(0);
  try {
    return decoder.decode(end === -1 ? field : field.subarray(0, end));
  } catch {
    throw new ArchiveError("a path is not UTF-8");
  }
}

function numberOf(head: Uint8Array, at: number, length: number): number {
  const text = textOf(head, at, length).trim();
  if (!/^[0-7]+$/.test(text)) throw new ArchiveError("a header is damaged");
  return Number.parseInt(text, 8);
}

const tooLarge = (what: string): ArchiveError =>
  new ArchiveError(
    `${what}, at most ${archiveLimits.files} files of ${archiveLimits.bytes} bytes in all are allowed`,
  );
