/**
 * The bucket as it is, without walls: all others use it through the stores of objectStore.ts. Any S3 server
 * will do: put, get, head, presigned URLs, create-bucket. Presigned URLs are for the host that their user
 * will call: the in-cluster endpoint for pods, the public one for others. Signing needs no request. A key
 * that can be no key is refused before anything is sent or signed (BadKeyError).
 */
import { Agent } from "node:http";
import { Agent as SecureAgent } from "node:https";
import type { Readable } from "node:stream";
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { inParallel } from "../lib/parallel.ts";
import { pause } from "../lib/time.ts";
import { type WriteHook, withHook } from "../lib/writeHook.ts";
import { BadKeyError, objectKeyProblem } from "../model/keys/objectKey.ts";

/** Where the bucket is. */
export interface BucketSettings {
  endpoint: string;
  /** The same bucket for clients outside of the cluster; undefined where they cannot reach it. */
  publicEndpoint?: string;
  bucket: string;
  region: string;
  forcePathStyle: boolean;
  /** Other installations may use the bucket, too: our keys begin with our own id. */
  isShared?: boolean;
}

interface BucketOptions {
  s3: BucketSettings;
  credentials: { accessKeyId: string; secretAccessKey: string };
  /** Called around every put, copy and delete. */
  onWrite?: WriteHook;
  /** Of each request. */
  timeoutMs?: number;
}

/** Who will use a URL; `public`: a client outside of the cluster. */
type Audience = "cluster" | "public";

interface StoredObject {
  size: number;
  type?: string;
}

/** What identifies the content: it changes with every write. */
interface ObjectState extends StoredObject {
  etag?: string;
  /** In hex; where the writer gave it and the server keeps it. */
  sha256?: string;
}

/** What a presigned PUT takes; anything, as far as it is not said. */
interface SignedBody {
  size?: number;
  /** In hex. */
  sha256?: string;
}

const checksumHeader = "x-amz-checksum-sha256";
const base64Of = (hex: string): string => Buffer.from(hex, "hex").toString("base64");
/** What a PUT must send to a URL that was signed for this hash. */
export const checksumHeaders = (sha256: string): Record<string, string> => ({
  [checksumHeader]: base64Of(sha256),
});

export interface ListOptions {
  /** Only keys after this one. */
  startAfter?: string;
  /** At most 1,000. */
  limit: number;
  delimiter?: "/";
}

export interface ObjectPage {
  objects: { key: string; size: number; modifiedMs: number }[];
  folders: string[];
  more: boolean;
}

const requestTimeoutMs = 30_000;
const connectTimeoutMs = 5_000;
const connections = { keepAlive: true, maxSockets: 50 };
/** Of downloads, which last as long as their reader: they are apart from all other requests. */
const downloadConnections = { keepAlive: true, maxSockets: 256 };
/** The most that a request may delete; how many are deleted at once where each needs its own. */
const [deletesAtOnce, singleDeletesAtOnce] = [1000, 8];
const [conflictTries, conflictPauseMs] = [5, 20];

type Agents = readonly [Agent, SecureAgent];

function checked(key: string): string {
  const problem = objectKeyProblem(key);
  if (problem) throw new BadKeyError(key, problem);
  return key;
}

export class Bucket {
  readonly #clients: Record<Audience, S3Client>;
  readonly #bucket: string;
  readonly #onWrite: WriteHook | undefined;
  readonly #timeoutMs: number;
  readonly #region: string;
  readonly #downloads: S3Client;
  readonly #agents = [new Agent(connections), new SecureAgent(connections)] as const;

  constructor({ s3, credentials, onWrite, timeoutMs = requestTimeoutMs }: BucketOptions) {
    const client = (endpoint: string, [httpAgent, httpsAgent]: Agents = this.#agents) =>
      new S3Client({
        endpoint,
        region: s3.region,
        forcePathStyle: s3.forcePathStyle,
        credentials,
        maxAttempts: 3,
        requestHandler: {
          httpAgent,
          httpsAgent,
          connectionTimeout: connectTimeoutMs,
        },
        // A presigned PUT must not demand a checksum of a body that the signer does not know.
        requestChecksumCalculation: "WHEN_REQUIRED",
        responseChecksumValidation: "WHEN_REQUIRED",
      });
    const cluster = client(s3.endpoint);
    this.#clients = { cluster, public: s3.publicEndpoint ? client(s3.publicEndpoint) : cluster };
    this.#downloads = client(s3.endpoint, [
      new Agent(downloadConnections),
      new SecureAgent(downloadConnections),
    ]);
    this.#bucket = s3.bucket;
    this.#region = s3.region;
    this.#onWrite = onWrite;
    this.#timeoutMs = timeoutMs;
  }

  /** Creates the bucket if there is none. */
  async ensureBucket(): Promise<void> {
    const Bucket = this.#bucket;
    try {
      await this.#send(new HeadBucketCommand({ Bucket }));
      return;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    const location = this.#region === "us-east-1" ? undefined : { LocationConstraint: this.#region as never };
    try {
      await this.#send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: location }));
    } catch (error) {
      const name = error instanceof Error ? error.name : "";
      if (!["BucketAlreadyOwnedByYou", "BucketAlreadyExists"].includes(name)) throw error;
    }
  }

  async put(
    key: string,
    body: string | Uint8Array,
    { type, timeoutMs = this.#timeoutMs }: { type: string; timeoutMs?: number },
  ): Promise<void> {
    const object = { Bucket: this.#bucket, Key: checked(key), Body: body, ContentType: type };
    const send = this.#within(timeoutMs);
    await this.#write(`put object ${key}`, () => send(new PutObjectCommand(object)));
  }

  /** Undefined when there is no such object. */
  async head(key: string): Promise<ObjectState | undefined> {
    const object = { Bucket: this.#bucket, Key: checked(key) };
    try {
      const head = await this.#send(new HeadObjectCommand({ ...object, ChecksumMode: "ENABLED" }));
      const { ETag: etag, ChecksumSHA256: sum } = head;
      const sha256 = sum && Buffer.from(sum, "base64").toString("hex");
      return { size: head.ContentLength ?? 0, type: head.ContentType, etag, sha256 };
    } catch (error) {
      if (!isMissing(error)) throw error;
      // Only the answer of a GET says whether it is the object that is missing, or the whole bucket.
      const found = await this.get(key, { maxBytes: 1 });
      return found && this.head(key);
    }
  }

  /** The first `maxBytes` bytes; undefined when there is no such object. */
  async get(
    key: string,
    options: { maxBytes: number },
  ): Promise<(StoredObject & { body: Uint8Array }) | undefined> {
    try {
      const Range = `bytes=0-${options.maxBytes - 1}`;
      const got = await this.#send(new GetObjectCommand({ Bucket: this.#bucket, Key: checked(key), Range }));
      const body = (await got.Body?.transformToByteArray()) ?? new Uint8Array();
      return { body, size: got.ContentLength ?? body.length, type: got.ContentType };
    } catch (error) {
      if (isMissing(error)) return undefined;
      // An empty object has no first byte.
      if (hasStatus(error, 416)) {
        return { body: new Uint8Array(), size: 0 };
      }
      throw error;
    }
  }

  /**
   * Creates the object; false when there is one of that key, which stays. Throws when other writes of the key
   * interfere again and again: then it is not known whether there is one.
   */
  async putNew(key: string, body: string | Uint8Array, options: { type: string }): Promise<boolean> {
    this.#onWrite?.("before", `put object ${key}`);
    const object = { Bucket: this.#bucket, Key: checked(key), Body: body, ContentType: options.type };
    for (let tries = 1; ; tries++) {
      try {
        await this.#send(new PutObjectCommand({ ...object, IfNoneMatch: "*" }));
        break;
      } catch (error) {
        if (hasStatus(error, 412)) return false;
        // 409: another write of this key at the same moment, which may still fail.
        if (!hasStatus(error, 409) || tries === conflictTries) throw error;
        await pause(conflictPauseMs * 2 ** tries);
      }
    }
    this.#onWrite?.("after", `put object ${key}`);
    return true;
  }

  /**
   * Copies an object within the bucket, with its type. With an `etag` only that content: false when there is
   * another by now, or none.
   */
  async copy(from: string, to: string, { etag }: { etag?: string } = {}): Promise<boolean> {
    const source = `${this.#bucket}/${checked(from).split("/").map(encodeURIComponent).join("/")}`;
    const copy = { Bucket: this.#bucket, Key: checked(to), CopySource: source, CopySourceIfMatch: etag };
    try {
      await this.#write(`put object ${to}`, () => this.#send(new CopyObjectCommand(copy)));
      return true;
    } catch (error) {
      if (etag !== undefined && (isMissing(error) || hasStatus(error, 412))) return false;
      throw error;
    }
  }

  /** A page of objects in the order of their keys, and with a delimiter the folders among them. */
  async list(prefix: string, options: ListOptions): Promise<ObjectPage> {
    const page = await this.#send(
      new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: prefix,
        StartAfter: options.startAfter,
        Delimiter: options.delimiter,
        MaxKeys: options.limit,
      }),
    );
    return {
      objects: (page.Contents ?? []).map(({ Key = "", Size = 0, LastModified }) => ({
        key: Key,
        size: Size,
        modifiedMs: LastModified?.getTime() ?? 0,
      })),
      folders: (page.CommonPrefixes ?? []).map(({ Prefix = "" }) => Prefix),
      more: page.IsTruncated ?? false,
    };
  }

  /** Deletes the object, if there is one. */
  async delete(key: string): Promise<void> {
    const object = { Bucket: this.#bucket, Key: checked(key) };
    await this.#write(`delete object ${key}`, () => this.#send(new DeleteObjectCommand(object)));
  }

  /** Deletes objects, a thousand in a request. Returns the keys of those that are still there. */
  async deleteMany(keys: readonly string[]): Promise<string[]> {
    const failed: string[] = [];
    for (let at = 0; at < keys.length; at += deletesAtOnce)
      failed.push(...(await this.#deletePage(keys.slice(at, at + deletesAtOnce))));
    return failed;
  }

  async #deletePage(keys: readonly string[]): Promise<string[]> {
    const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true };
    const command = new DeleteObjectsCommand({ Bucket: this.#bucket, Delete });
    try {
      this.#onWrite?.("before", `delete ${keys.length} objects`);
      const { Errors = [] } = await this.#send(command);
      this.#onWrite?.("after", `delete ${keys.length} objects`);
      return Errors.flatMap(({ Key = "", Code }) => (Code === "NoSuchKey" ? [] : [Key]));
    } catch (error) {
      if (!isUnsupported(error)) throw error;
    }
    // A server that deletes one by one only.
    const failed: string[] = [];
    await inParallel(keys.values(), singleDeletesAtOnce, (key) =>
      this.delete(key).catch(() => {
        failed.push(key);
      }),
    );
    return failed;
  }

  /**
   * The whole object as a stream, which its reader ends: only the beginning of the answer has a time limit.
   * Undefined when there is no such object.
   */
  async read(key: string): Promise<(StoredObject & { body: Readable }) | undefined> {
    const overdue = new AbortController();
    const timer = setTimeout(() => overdue.abort(), this.#timeoutMs);
    try {
      const command = new GetObjectCommand({ Bucket: this.#bucket, Key: checked(key) });
      const got = await this.#downloads.send(command, { abortSignal: overdue.signal });
      return { body: got.Body as Readable, size: got.ContentLength ?? 0, type: got.ContentType };
    } catch (error) {
      if (isMissing(error)) return undefined;
      if (isWithoutBucket(error)) await this.ensureBucket();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async presignGet(
    key: string,
    { expiresSeconds, audience }: { expiresSeconds: number; audience: Audience },
  ): Promise<string> {
    const command = new GetObjectCommand({ Bucket: this.#bucket, Key: checked(key) });
    return getSignedUrl(this.#clients[audience], command, { expiresIn: expiresSeconds });
  }

  async presignPut(
    key: string,
    { expiresSeconds, audience, size, sha256 }: { expiresSeconds: number; audience: Audience } & SignedBody,
  ): Promise<string> {
    const command = new PutObjectCommand({
      ...{ Bucket: this.#bucket, Key: checked(key), ContentLength: size },
      ChecksumSHA256: sha256 && base64Of(sha256),
    });
    const expiresIn = expiresSeconds;
    // As a header of the request, which the server compares with the body.
    const unhoistableHeaders = new Set([checksumHeader]);
    return getSignedUrl(this.#clients[audience], command, { expiresIn, unhoistableHeaders });
  }

  async #write(what: string, send: () => Promise<unknown>): Promise<void> {
    await withHook(this.#onWrite, what, send);
  }

  get #send(): S3Client["send"] {
    return this.#within(this.#timeoutMs);
  }

  // With the client's type, since its overloads are many; the time limit is in one place.
  #within(timeoutMs: number): S3Client["send"] {
    const { cluster } = this.#clients;
    const send = async (command: Parameters<S3Client["send"]>[0]) => {
      const limit = AbortSignal.timeout(timeoutMs);
      try {
        return await cluster.send(command, { abortSignal: limit });
      } catch (error) {
        if (limit.aborted) this.#dropIdleConnections();
        // A store without a volume comes back without its bucket.
        if (!isWithoutBucket(error)) throw error;
        await this.ensureBucket();
        // An empty bucket is no answer to what was asked of the lost one: a key would count as free.
        if (command instanceof GetObjectCommand) throw error;
        return cluster.send(command, { abortSignal: AbortSignal.timeout(timeoutMs) });
      }
    };
    return send as S3Client["send"];
  }

  /** An answer is overdue: the server's node may be gone, and each idle connection would cost a request. */
  #dropIdleConnections(): void {
    for (const { freeSockets } of this.#agents)
      for (const socket of Object.values(freeSockets).flat()) socket?.destroy();
  }
}

/** 400: it wants a checksum that it does not know; 501: it does not know the request. */
const isUnsupported = (error: unknown): boolean =>
  error instanceof S3ServiceException && [400, 405, 501].includes(error.$metadata.httpStatusCode ?? 0);

const hasStatus = (error: unknown, status: number): boolean =>
  error instanceof S3ServiceException && error.$metadata.httpStatusCode === status;

const isWithoutBucket = (error: unknown): boolean =>
  error instanceof S3ServiceException && error.name === "NoSuchBucket";

/** The object, or what a HEAD asked for; not the bucket. */
const isMissing = (error: unknown): boolean =>
  error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404 && !isWithoutBucket(error);
