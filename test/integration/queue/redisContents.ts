/** The contents of Redis for a namespace, read without the scripts; sentinel members are left out. */
import type { Redis } from "ioredis";

export async function redisContents(redis: Redis, namespace: string) {
  const members = async (part: "pending" | "ready" | "holders"): Promise<string[]> => {
    const all = await redis.zrange(`fairlead:{release.uid:${namespace}}:${part}`, "0", "-1");
    return all.filter((member) => member !== "");
  };
  const [pending, ready, holders] = await Promise.all([
    members("pending"),
    members("ready"),
    members("holders"),
  ]);
  return { pending, ready, holders };
}
