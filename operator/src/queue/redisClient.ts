/**
 * The connection that the semaphore needs: a command is sent once or it fails. ioredis must not send one again after
 * a reconnect, since a script that ran twice has admitted runs that nobody was told of.
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
    // A replica after a failover: find the new primary by the same name.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  });
}
