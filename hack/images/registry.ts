/** Names of registries: what `--push` accepts, and which of them are on this machine. */

const hostPattern = /^(?:\[[0-9a-f:]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?$/;
const pathPattern = /^[a-z0-9]+(?:(?:[._-]|__)[a-z0-9]+)*$/;

/** `HOST[:PORT][/PATH]`, checked; throws with what is wrong and what would be right. */
export function parseRegistry(text: string): string {
  const wrong = (why: string): Error =>
    new Error(`--push ${text || "''"}: ${why}; give HOST[:PORT][/PATH], like registry.example.com/team`);
  if (text.trim() === "" || text.startsWith("-")) throw wrong("a registry must follow");
  if (text.includes("://")) throw wrong("leave out the scheme");
  const [host = "", ...path] = text.replace(/\/+$/, "").split("/");
  if (!host.includes(".") && !host.includes(":") && host !== "localhost") {
    throw wrong(`"${host}" is no host name (for Docker Hub write docker.io/${text})`);
  }
  if (!hostPattern.test(host)) throw wrong(`"${host}" is no host name with an optional port`);
  const bad = path.find((part) => !pathPattern.test(part));
  if (bad !== undefined) {
    throw wrong(`"${bad}" is no part of a repository's path (lower-case letters, digits, . _ -; no tag)`);
  }
  return [host, ...path].join("/");
}

/** Whether a registry or an image name is on this machine's loopback, where plain HTTP is fine. */
export function isLoopback(name: string): boolean {
  const host = (name.split("/")[0] ?? "").replace(/:\d+$/, "");
  return host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
