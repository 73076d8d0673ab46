/**
 * The connection that the semaphore needs: a command is sent once, or it fails. ioredis must not repeat a
 * command after a reconnect: a script that runs twice admits runs whose grants are lost with the first
 * answer. A connection on which an answer is overdue is closed: the peer's node may be gone, and nothing else
 * would say so for a quarter of an hour.
 */
import { Redis } from "ioredis";

const maxReconnectDelayMs = 2_000;
const answerTimeoutMs = 5_000;

export function connectRedis(url: string, password?: string): Redis {
  return new Redis(url, {
    ...(password === undefined ? {} : { password }),
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 5_000,
    commandTimeout: answerTimeoutMs,
    socketTimeout: answerTimeoutMs,
    retryStrategy: (times) => Math.random() * Math.min(50 * 2 ** Math.min(times, 10), maxReconnectDelayMs),
    // After a failover this is a replica: reconnecting finds the new primary by the same name.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  });
}
