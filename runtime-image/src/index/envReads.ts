/**
 * Which variables of the environment code reads that are not set. `process.env` becomes a proxy of what it
 * was: values, deleting and listing are the same.
 */

/** Read by Node, packages and tools all the time; nobody has to set them. */
const optional =
  /^(NODE_|npm_|DEBUG|CI$|FORCE_COLOR|NO_COLOR|TERM|COLORTERM|TZ$|LANG|LC_|HOME$|PATH$|TMPDIR|TEMP|TMP$|PWD$|SHELL|USER$|VERCEL|AWS_LAMBDA|OTEL_|TRIGGER_|FAIRLEAD_|READABLE_STREAM|UV_|WATCH_|WS_NO_|NEXT_RUNTIME|JEST_|VITEST|BUN|DENO|SSL_|HTTPS?_PROXY|https?_proxy|NO_PROXY|no_proxy|HOSTNAME|XDG_|CIRCLE|GITHUB_ACTIONS|GITLAB_CI|TEAMCITY|BUILDKITE|TRAVIS|APPVEYOR|TF_BUILD)/;

export class EnvReads {
  readonly #missing = new Set<string>();

  constructor() {
    process.env = new Proxy(process.env, {
      get: (env, name) => {
        const value = Reflect.get(env, name);
        if (value === undefined && typeof name === "string" && !optional.test(name)) this.#missing.add(name);
        return value;
      },
    });
  }

  /** Since the last call. */
  take(): string[] {
    const names = [...this.#missing];
    this.#missing.clear();
    return names;
  }
}

/**
 * Those that the error is probably about: the ones that it names, else all that were read; the last read is
 * first, since the error followed it.
 */
export function missingIn(message: string, read: readonly string[]): string[] {
  const words = new Set(message.match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g));
  const named = [...words].filter((name) => process.env[name] === undefined && !/^ERR_|^E[A-Z]+$/.test(name));
  const also = read.filter((name) => new RegExp(`\\b${name}\\b`).test(message));
  const all = [...new Set([...named, ...also])];
  return all.length > 0 ? all : [...read].reverse();
}

/** A value that most code takes for the real one, as long as it connects to nothing. */
export function standInFor(name: string): string {
  if (/PORT$|_(COUNT|LIMIT|SIZE|MS|SECONDS)$/.test(name)) return "1";
  if (/(DATABASE|POSTGRES|PG|DB)\w*_UR[LI]$/.test(name))
    return "postgresql://stand:in@stand-in.invalid:5432/db";
  if (/MONGO\w*_UR[LI]$/.test(name)) return "mongodb://stand-in.invalid:27017/db";
  if (/REDIS\w*_UR[LI]$/.test(name)) return "redis://stand-in.invalid:6379";
  if (/UR[LI]$|ENDPOINT|ORIGIN|WEBHOOK/.test(name)) return "https://stand-in.invalid";
  if (/E?MAIL/.test(name)) return "stand-in@stand-in.invalid";
  if (/HOST/.test(name)) return "stand-in.invalid";
  return `stand-in-${name.toLowerCase().replaceAll("_", "-")}`;
}
