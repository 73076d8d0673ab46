/** What Redis holds of a namespace, read past the scripts: members without the one that each key keeps of its own. */
import type { Redis } from "ioredis";

export async function redisContents(redis: Redis, namespace: string) {
  const members = async (part: "pending" | "ready" | "holders"): Promise<string[]> => {
    const all = await redis.zrange(`fairlead:{${namespace}}:${part}`, "0", "-1");
    return all.filter((member) => member !== "");
  };
  const [pending, ready, holders] = await Promise.all([
    members("pending"),
    members("ready"),
    members("holders"),
  ]);
  return { pending, ready, holders };
}
