import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it came. */
export interface SeenRequest {
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly authorization: string | undefined;
}

/** Answers a request in a way of its own; returns false to have it answered as usual. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse, count: number) => boolean;

/** A small Hugging Face Hub on this machine. */
export interface HubServer {
  readonly endpoint: string;
  readonly requests: SeenRequest[];
  /** Bytes of file content sent in all. */
  bytesSent(): number;
  /** By repository path; what is set here is served. */
  readonly files: Map<string, Uint8Array>;
  /** Consulted before every request for a file's content. */
  onFile: Behaviour;
  /** Consulted before every request of the API. */
  onApi: Behaviour;
  close(): Promise<void>;
}

export const commit = '0123456789abcdef0123456789abcdef01234567';

export const sha256 = (content: Uint8Array | string): string => createHash('sha256').update(content).digest('hex');

const usual: Behaviour = () => false;

export async function startHub(): Promise<HubServer> {
  const files = new Map<string, Uint8Array>();
  const requests: SeenRequest[] = [];
  let sent = 0;
  let fileRequests = 0;
  let apiRequests = 0;
  const server: Server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    const { range, authorization } = request.headers;
    const ifRange = request.headers['if-range'];
    requests.push({ path, range, ifRange: typeof ifRange === 'string' ? ifRange : undefined, authorization });
    if (path.startsWith('/api/')) {
      if (!hub.onApi(request, response, apiRequests++)) answerApi(path, files, response);
      return;
    }
    const write = response.write.bind(response);
    response.write = ((chunk: Uint8Array, ...rest: never[]) => {
      sent += chunk.length;
      return write(chunk, ...rest);
    }) as typeof response.write;
    if (hub.onFile(request, response, fileRequests++)) return;
    const content = files.get(path.replace(/^.*\/resolve\/[^/]+\//, ''));
    if (content === undefined) response.writeHead(404).end();
    else sendContent(content, range, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const hub: HubServer = {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    bytesSent: () => sent,
    files,
    onFile: usual,
    onApi: usual,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return hub;
}

/** Sends a file or the rest of it, as a server that knows ranges does. */
export function sendContent(content: Uint8Array, range: string | undefined, response: ServerResponse): void {
  const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  const etag = `"${sha256(content)}"`;
  if (start >= content.length && start > 0) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    return;
  }
  const length = content.length - start;
  const ranged = { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` };
  response.writeHead(start > 0 ? 206 : 200, { etag, 'content-length': length, ...(start > 0 && ranged) });
  response.write(content.subarray(start));
  response.end();
}

/** Sends so many bytes of a file, from where the request asks, and then breaks the connection. */
export function sendAndCut(
  content: Uint8Array,
  range: string | undefined,
  bytes: number,
  response: ServerResponse,
): void {
  const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  response.writeHead(start > 0 ? 206 : 200, {
    etag: `"${sha256(content)}"`,
    'content-length': content.length - start,
    ...(start > 0 && { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` }),
  });
  response.write(content.subarray(start, start + bytes), () => {
    // The other side must have had time to read what was sent: a reset throws away what it has not.
    setTimeout(() => response.destroy(), 30);
  });
}

function answerApi(path: string, files: ReadonlyMap<string, Uint8Array>, response: ServerResponse): void {
  response.setHeader('content-type', 'application/json');
  if (path.includes('/revision/')) {
    response.end(JSON.stringify({ id: 'some/repository', sha: commit }));
    return;
  }
  const folder = /\/tree\/[^/]+\/?(.*)$/.exec(path)?.[1] ?? '';
  const listed = [...files]
    .filter(([name]) => name.slice(0, Math.max(0, name.lastIndexOf('/'))) === folder)
    .map(([name, content]) => ({
      type: 'file',
      path: name,
      oid: 'f'.repeat(40),
      size: content.length,
      lfs: { oid: sha256(content), size: content.length, pointerSize: 130 },
    }));
  response.end(JSON.stringify([{ type: 'directory', path: 'other', oid: 'e'.repeat(40), size: 0 }, ...listed]));
}
