import type { ModelFolder } from '../../../src/models/model-folder-file.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { createServer, type Server } from '../../../src/server/server.ts';
import type { ServerOptions } from '../../../src/server/server-options.ts';

let folder: Promise<ModelFolder> | undefined;

/** A silent server of the smallest bundled model, in this process, on a free port, without a rate limit. */
export async function createToyServer(options: Partial<ServerOptions> = {}): Promise<Server> {
  folder ??= openModel('itera-lite-micro');
  return createServer({
    ...{ folder: await folder, name: 'itera-lite-micro', version: '0.0.0' },
    ...{ port: 0, rateLimit: 0, logLevel: 'silent', isolate: false },
    ...options,
  });
}

/** Posts JSON. */
export async function post(server: Server, url: string, body: unknown, headers: Record<string, string> = {}) {
  const answer = await server.app.inject({
    ...{ method: 'POST', url },
    payload: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
  return { status: answer.statusCode, headers: answer.headers, body: answer.json() };
}

export async function get(server: Server, url: string, headers: Record<string, string> = {}) {
  const answer = await server.app.inject({ method: 'GET', url, headers });
  return { status: answer.statusCode, headers: answer.headers, text: answer.body };
}
