import { HttpError } from './http-error.ts';

export interface AdmissionLimits {
  /** Generations that go on at a time. */
  readonly maxConcurrent: number;
  /** Requests that wait for their turn. */
  readonly maxQueue: number;
}

/** Decides whose generations go on, and whose wait. */
export interface Admission {
  /**
   * Waits for its turn, in the order in which requests came.
   *
   * @param weight - Generations that the request needs at once, at most `maxConcurrent`.
   * @returns What ends it; calling it twice does nothing.
   * @throws {@link HttpError} 503 if the queue is full; the signal's reason.
   */
  acquire(weight: number, signal: AbortSignal): Promise<() => void>;
  readonly active: number;
  readonly queued: number;
}

interface Waiting {
  readonly weight: number;
  start(): void;
}

/** A first-in, first-out queue of bounded length before a bounded number of generations. */
export function createAdmission({ maxConcurrent, maxQueue }: AdmissionLimits): Admission {
  const queue: Waiting[] = [];
  let active = 0;
  // Of recent requests, so that whoever is sent away learns when to come back.
  let meanSeconds = 1;

  function startNext(): void {
    for (let first = queue[0]; first && active + first.weight <= maxConcurrent; first = queue[0]) {
      queue.shift();
      first.start();
    }
  }

  function begin(weight: number): () => void {
    active += weight;
    const started = performance.now();
    let hasEnded = false;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      active -= weight;
      meanSeconds += 0.1 * ((performance.now() - started) / 1000 - meanSeconds);
      startNext();
    };
  }

  const waitS = (): number => Math.min(60, Math.max(1, Math.ceil((queue.length * meanSeconds) / maxConcurrent)));

  return {
    async acquire(weight, signal) {
      signal.throwIfAborted();
      if (queue.length === 0 && active + weight <= maxConcurrent) return begin(weight);
      if (queue.length >= maxQueue) {
        const message = `The server is busy: ${queue.length} requests are waiting already. Try again later.`;
        throw new HttpError(503, message, { code: 'queue_full', retryAfterS: waitS() });
      }
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          queue.splice(queue.indexOf(waiting), 1);
          reject(signal.reason);
          // What waited behind may fit now.
          startNext();
        };
        const waiting: Waiting = {
          weight,
          start() {
            signal.removeEventListener('abort', onAbort);
            resolve(begin(weight));
          },
        };
        queue.push(waiting);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    },
    get active() {
      return active;
    },
    get queued() {
      return queue.length;
    },
  };
}
