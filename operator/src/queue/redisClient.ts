/**
 * The connection that the semaphore needs: a command is sent once, or it fails. ioredis must not repeat a
 * command after a reconnect: a script that runs twice admits runs whose grants are lost with the first
 * answer.
 */
import { Redis } from "ioredis";

const maxReconnectDelayMs = 2_000;

export function connectRedis(url: string, password?: string): Redis {
  return new Redis(url, {
    ...(password === undefined ? {} : { password }),
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 5_000,
    commandTimeout: 5_000,
    retryStrategy: (times) => Math.random() * Math.min(50 * 2 ** Math.min(times, 10), maxReconnectDelayMs),
    // After a failover this is a replica: reconnecting finds the new primary by the same name.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  });
}
