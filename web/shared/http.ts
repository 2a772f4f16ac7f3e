import { apiKey, askForKey } from './api-key.ts';

/** An answer of the server that is an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status; 0 if the server was not reached. */
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';

/** The server's root, two levels above any page: it may lie under another path behind a proxy. */
export const serverRoot = new URL('..', document.baseURI).href;

/**
 * Sends a request.
 *
 * @param path - Without a leading slash.
 * @throws {@link ApiError} for any answer that is not a success; an abort as `fetch` throws it.
 */
async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const key = apiKey();
  if (key !== undefined) headers.set('authorization', `Bearer ${key}`);
  let response: Response;
  try {
    response = await fetch(new URL(path, serverRoot), { ...init, headers });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, 'unreachable', 'The server does not answer. Is it running?');
  }
  if (response.ok) return response;
  if (response.status === 401) askForKey();
  throw await readError(response);
}

async function readError(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => undefined);
  const { error } = (body ?? {}) as { error?: { code?: string; message?: string } };
  const message = error?.message ?? `The server answered ${response.status} ${response.statusText}.`;
  return new ApiError(response.status, error?.code ?? 'unknown', message);
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const init = { headers: { accept: 'application/json' }, ...(signal && { signal }) };
  return (await (await request(path, init)).json()) as T;
}

export async function postJson<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return (await (await sendJson(path, body, signal)).json()) as T;
}

/** Posts JSON and leaves the answer's body to be read. */
export const sendJson = (path: string, body: unknown, signal?: AbortSignal): Promise<Response> =>
  request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
