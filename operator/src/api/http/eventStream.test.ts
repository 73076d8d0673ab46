/** Streams over a real connection, so that there is a reader who does not read. */
import { once } from "node:events";
import { createServer, get, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { Shares } from "../../lib/shares.ts";
import { EventStream, Frame, type FrameSource } from "./eventStream.ts";

const bytes = 300_000;
let server: Server;
let now = 0;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

interface Source extends FrameSource {
  newest: Frame;
  hasEnded: boolean;
}

const frame = (version: number, text = "x".repeat(bytes)): Frame =>
  new Frame(version, [`data: ${version} ${text}\n\n`]);

/** Streams of one source, and what their readers got so far. */
async function open(source: Source, unsent: Shares, readers: number) {
  const streams: EventStream[] = [];
  server = createServer((_request, response) => {
    const options = { source, address: "", unsent, tenant: "a", clock: () => now };
    streams.push(new EventStream(response, options));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const answers: IncomingMessage[] = [];
  for (let at = 0; at < readers; at++) {
    const asked = get({ port, host: "127.0.0.1", agent: false });
    answers.push(((await once(asked, "response")) as [IncomingMessage])[0]);
  }
  const publish = (next: Frame): void => {
    source.newest = next;
    for (const stream of streams) stream.changed();
  };
  return { streams, answers, publish };
}

async function versionsIn(answer: IncomingMessage): Promise<number[]> {
  let text = "";
  for await (const part of answer) text += part;
  return [...text.matchAll(/data: (\d+)/g)].map(([, version]) => Number(version));
}

test("a reader that falls behind gets the newest state next, and few in all", async () => {
  const source = { newest: frame(1), hasEnded: false };
  const unsent = new Shares({ each: 3 * bytes, all: 3 * bytes });
  const { streams, answers, publish } = await open(source, unsent, 1);
  const changes = 200;
  for (let version = 2; version <= changes; version++) {
    publish(frame(version));
    await new Promise(setImmediate);
  }
  source.hasEnded = true;
  streams[0]?.changed();
  const versions = await versionsIn(answers[0] as IncomingMessage);
  expect(versions.at(-1)).toBe(changes);
  expect(versions.length).toBeLessThan(changes / 2);
  expect(versions).toEqual([...versions].sort((a, b) => a - b));
  // Everything was given back.
  expect(unsent.take("a", 3 * bytes)).toBe(true);
});

test("a state that many have not taken counts once", async () => {
  const source = { newest: frame(1, "small"), hasEnded: false };
  const large = 20_000_000;
  const unsent = new Shares({ each: large + 100, all: large + 100 });
  const { streams, answers, publish } = await open(source, unsent, 10);
  publish(frame(2, "x".repeat(large)));
  expect(unsent.take("a", 100)).toBe(false);
  source.hasEnded = true;
  for (const stream of streams) stream.changed();
  for (const answer of answers) expect(await versionsIn(answer)).toEqual([1, 2]);
});

test("a stream is left when its tenant has too much that is not taken", async () => {
  const source = { newest: frame(1, "small"), hasEnded: false };
  const { answers, publish } = await open(source, new Shares({ each: 1_000, all: 1_000 }), 1);
  publish(frame(2));
  await expect(versionsIn(answers[0] as IncomingMessage)).rejects.toThrow("aborted");
});

test("a reader that takes nothing for a minute is left", async () => {
  const source = { newest: frame(1, "x".repeat(20_000_000)), hasEnded: false };
  const { streams, answers } = await open(source, new Shares({ each: 1e9, all: 1e9 }), 1);
  now += 59_000;
  streams[0]?.tick();
  now += 1_000;
  streams[0]?.tick();
  await expect(versionsIn(answers[0] as IncomingMessage)).rejects.toThrow("aborted");
});

test("an idle stream gets a line in a while", async () => {
  const source = { newest: frame(1, "small"), hasEnded: false };
  const { streams, answers } = await open(source, new Shares({ each: 1e9, all: 1e9 }), 1);
  await once(answers[0] as IncomingMessage, "readable");
  now += 15_000;
  streams[0]?.tick();
  streams[0]?.tick();
  source.hasEnded = true;
  streams[0]?.changed();
  let text = "";
  for await (const part of answers[0] as IncomingMessage) text += part;
  expect(text).toBe("data: 1 small\n\n: still there\n\n");
});
