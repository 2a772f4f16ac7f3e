import { abortError, IteraError, throwIfAborted } from '../core/errors.ts';
import type { HubSettings } from './hub-settings-file.ts';
import { parseRetryAfter, type RetryOptions, TransientFault } from './retry.ts';

/** What every request to the Hub needs. */
export interface HubAccess {
  readonly settings: HubSettings;
  /** A connection that carries nothing for so long is given up; default 30,000. */
  readonly stallMs?: number;
  readonly retry?: RetryOptions;
  readonly signal?: AbortSignal;
}

/** An answer whose body has not been read. */
export interface HubAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Blocks as they arrive. Throws {@link TransientFault} where the connection breaks or stalls. */
  blocks(): AsyncGenerator<Uint8Array>;
  /** To be called if the body is not read to its end. */
  close(): Promise<void>;
}

const maximumRedirects = 10;
/** Faults of the network that another attempt seconds later does not cure. */
const lastingFaults = /^(ENOTFOUND|CERT_|ERR_TLS|ERR_SSL|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_INVALID_URL)/;

/**
 * Sends one GET request and follows its redirects. The token goes to the endpoint's own origin and nowhere else.
 *
 * @returns An answer with status 200, 206 or 416.
 * @throws {@link IteraError} `DOWNLOAD_REFUSED` for answers that stay the same (401, 403, 404 and the like, too many
 *   redirects, one from https to http), `DOWNLOAD_FAILED` for a server that cannot be found or trusted, `ABORTED`.
 * @throws {@link TransientFault} for what may pass.
 */
export async function requestHub(
  address: string,
  { settings, stallMs = 30_000, signal }: HubAccess,
  headers: Readonly<Record<string, string>> = {},
): Promise<HubAnswer> {
  throwIfAborted(signal);
  const watch = watchForStall(stallMs, signal);
  const home = new URL(settings.endpoint).origin;
  try {
    let url = new URL(address);
    for (let redirects = 0; redirects <= maximumRedirects; redirects++) {
      const authorization =
        settings.token && url.origin === home ? { authorization: `Bearer ${settings.token}` } : undefined;
      watch.restart();
      const response = await fetch(url, {
        redirect: 'manual',
        // Compressed on the way, lengths and ranges would not be those of the file.
        headers: { 'accept-encoding': 'identity', 'user-agent': 'itera-lite', ...headers, ...authorization },
        signal: watch.signal,
      });
      const location = response.headers.get('location');
      if (response.status >= 300 && response.status < 400 && location !== null) {
        await response.body?.cancel();
        url = nextAddress(url, location);
        continue;
      }
      if (![200, 206, 416].includes(response.status)) {
        await response.body?.cancel();
        throw refusal(response, url, settings);
      }
      return openAnswer(response, url, watch, signal);
    }
    throw refused(`more than ${maximumRedirects} redirects`, address, 'Check HF_ENDPOINT.');
  } catch (error) {
    watch.stop();
    throw describeFault(error, address, watch, signal);
  }
}

function openAnswer(response: Response, url: URL, watch: StallWatch, signal: AbortSignal | undefined): HubAnswer {
  return {
    status: response.status,
    headers: response.headers,
    async *blocks() {
      try {
        if (!response.body) return;
        watch.restart();
        for await (const block of response.body as unknown as AsyncIterable<Uint8Array>) {
          // Time that the reader takes is not the connection's.
          watch.stop();
          yield block;
          watch.restart();
        }
      } catch (error) {
        throw describeFault(error, url.href, watch, signal);
      } finally {
        watch.stop();
      }
    },
    async close() {
      watch.stop();
      await response.body?.cancel().catch(() => undefined);
    },
  };
}

function nextAddress(from: URL, location: string): URL {
  let to: URL;
  try {
    to = new URL(location, from);
  } catch (cause) {
    throw refused('a redirect to no address', from.href, 'Check HF_ENDPOINT.', cause);
  }
  const isDowngrade = from.protocol === 'https:' && to.protocol !== 'https:';
  if (isDowngrade || !/^https?:$/.test(to.protocol)) {
    throw refused(`a redirect to ${to.protocol}//${to.host}`, from.href, 'Check HF_ENDPOINT.');
  }
  return to;
}

/** What an answer without the content means: whether to come back, and what to do. */
function refusal({ status, headers }: Response, url: URL, { token }: HubSettings): Error {
  if (status === 408 || status === 429 || status >= 500) {
    const retryAfterMs = parseRetryAfter(headers.get('retry-after'), Date.now());
    const busy = status === 429 ? ' (too many requests)' : '';
    return new TransientFault(`${url.host} answered ${status}${busy}`, { retryAfterMs });
  }
  const advice: Readonly<Record<number, string>> = {
    401: token
      ? 'The token in HF_TOKEN was not accepted, or the repository does not exist: check both.'
      : 'The repository needs a token, or does not exist: check its name, or set HF_TOKEN.',
    403: 'Accept its terms on its page at the Hub, with the account whose token is in HF_TOKEN.',
    404: 'Check the name, and HF_ENDPOINT if a mirror is set: it may lack this file.',
  };
  return refused(`status ${status}`, url.href, advice[status] ?? 'Check HF_ENDPOINT.', undefined, status);
}

function refused(came: string, address: string, advice: string, cause?: unknown, status?: number): IteraError {
  // A signed address is a secret; what follows the path does not belong in messages.
  const { origin, pathname } = new URL(address);
  return new IteraError(
    'DOWNLOAD_REFUSED',
    `Expected ${origin}${pathname} to give its content, got ${came}. ${advice}`,
    { url: origin + pathname, ...(status !== undefined && { status }) },
    { cause },
  );
}

function describeFault(error: unknown, address: string, watch: StallWatch, signal: AbortSignal | undefined): Error {
  if (error instanceof IteraError || error instanceof TransientFault) return error;
  if (signal?.aborted) return abortError(signal);
  const { host } = new URL(address);
  if (watch.hasStalled()) return new TransientFault(`${host} sent nothing for ${watch.stallMs} ms`, { cause: error });
  const { code, message } = rootOf(error);
  const reason = code ? `${message} (${code})` : message;
  if (code && lastingFaults.test(code)) {
    return new IteraError(
      'DOWNLOAD_FAILED',
      `Could not reach ${host}: ${reason}. Check the connection, or name a mirror in HF_ENDPOINT.`,
      { host, code },
      { cause: error },
    );
  }
  return new TransientFault(`lost the connection to ${host}: ${reason}`, { cause: error });
}

/** The innermost cause: fetch wraps what happened in "fetch failed" or "terminated". */
function rootOf(error: unknown): { readonly message: string; readonly code?: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  if (error.cause instanceof Error) return rootOf(error.cause);
  const { code } = error as NodeJS.ErrnoException;
  return { message: error.message, ...(code && { code }) };
}

interface StallWatch {
  readonly stallMs: number;
  readonly signal: AbortSignal;
  restart(): void;
  stop(): void;
  hasStalled(): boolean;
}

/** Fires its signal when nothing has restarted it for so long, or with the caller's. */
function watchForStall(stallMs: number, signal: AbortSignal | undefined): StallWatch {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => clearTimeout(timer);
  return {
    stallMs,
    signal: signal ? AbortSignal.any([signal, controller.signal]) : controller.signal,
    restart() {
      stop();
      timer = setTimeout(() => controller.abort(), stallMs);
    },
    stop,
    hasStalled: () => controller.signal.aborted,
  };
}
