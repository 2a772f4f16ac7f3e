import { IteraError, throwIfAborted } from '../core/errors.ts';

/** A fault that may pass: a lost connection, a busy server. */
export class TransientFault extends Error {
  override readonly name = 'TransientFault';
  /** How long the server asks to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: ErrorOptions & { readonly retryAfterMs?: number | undefined } = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** How often, and after how long, a request that failed is made again; times in milliseconds. */
export interface RetryOptions {
  /** Attempts in a row that get nowhere; default 6. */
  readonly attempts?: number;
  /** Wait after the first; it doubles with each; default 1000. */
  readonly baseDelayMs?: number;
  /** Longest wait of our own choice; default 30,000. */
  readonly maxDelayMs?: number;
  /** Longest wait that a server may ask for; default 300,000. */
  readonly maxRetryAfterMs?: number;
  /** In [0, 1): waits are scattered, so that many clients do not come back at once. */
  readonly random?: () => number;
  /** Ends after so long, or with `ABORTED` as soon as the signal fires. */
  readonly wait?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** Before each wait. */
  readonly onRetry?: (reason: string, delayMs: number) => void;
}

/**
 * Repeats an operation while it throws {@link TransientFault}, with waits of `base * 2^k * u`, u in [0.5, 1), or as long
 * as the server asks.
 *
 * @param what - What is attempted, for the message.
 * @param hasProgressed - Whether the last attempt got further than any before it: then the count begins anew.
 * @throws {@link IteraError} `DOWNLOAD_FAILED` after the last attempt, or if a server asks to wait too long; `ABORTED`.
 */
export async function withRetries<T>(
  what: string,
  operation: () => Promise<T>,
  options: RetryOptions = {},
  signal?: AbortSignal,
  hasProgressed: () => boolean = () => false,
): Promise<T> {
  const { attempts = 6, baseDelayMs = 1000, maxDelayMs = 30_000, maxRetryAfterMs = 300_000 } = options;
  const { random = Math.random, wait = waitFor, onRetry } = options;
  for (let failures = 0; ; ) {
    throwIfAborted(signal);
    try {
      return await operation();
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof TransientFault)) throw error;
      failures = hasProgressed() ? 1 : failures + 1;
      const { message, retryAfterMs } = error;
      if (failures >= attempts) throw failed(what, `${message}; ${failures} attempts`, error);
      if (retryAfterMs !== undefined && retryAfterMs > maxRetryAfterMs) {
        const seconds = Math.ceil(retryAfterMs / 1000);
        throw failed(what, `${message}; the server asks to wait ${seconds} s`, error);
      }
      const own = Math.min(maxDelayMs, baseDelayMs * 2 ** (failures - 1)) * (0.5 + random() / 2);
      const delayMs = Math.round(retryAfterMs ?? own);
      onRetry?.(message, delayMs);
      await wait(delayMs, signal);
    }
  }
}

/**
 * Milliseconds that a `Retry-After` header asks for (RFC 9110, section 10.2.3): seconds or a date; `undefined` if it is
 * neither.
 */
export function parseRetryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

async function waitFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
  throwIfAborted(signal);
}

function failed(what: string, reason: string, cause: TransientFault): IteraError {
  return new IteraError(
    'DOWNLOAD_FAILED',
    `Could not ${what}: ${reason}. Try again later: what has arrived is kept.`,
    { what, reason },
    { cause },
  );
}
