import { HttpError } from './http-error.ts';
import type { App } from './server-context.ts';
import { isLocalHost, type ServerSettings } from './server-options.ts';

/**
 * Refuses what a web page of somebody else makes a browser send to this server: a POST that says it comes from another
 * origin, and, on a server that asks for no keys, a name of this machine that is none, under which such a page would be of
 * the same origin (DNS rebinding).
 */
export function guardOrigins(app: App, settings: ServerSettings): void {
  const { host, corsOrigins = [], allowedHosts = [], keys, keysFile } = settings;
  const isOpen = !keys?.length && keysFile === undefined;
  const names = new Set([host, ...allowedHosts].map((name) => name.toLowerCase()));
  app.addHook('onRequest', async ({ method, headers }) => {
    const { host: given = '', origin } = headers;
    const name = hostName(given);
    if (isOpen && !isLocalHost(name) && !names.has(name)) {
      const message = `Expected this server to be asked as localhost or ${host}, got another host. --allow-host lets a name in.`;
      throw new HttpError(403, message, { code: 'host_not_allowed' });
    }
    if (origin === undefined || method !== 'POST' || corsOrigins.includes(origin)) return;
    if (originHost(origin) !== given.toLowerCase()) {
      const message = 'Expected a page of this server, got one of another origin. --cors-origin lets an origin in.';
      throw new HttpError(403, message, { code: 'origin_not_allowed' });
    }
  });
}

/** Of a `Host` header, without the port and the brackets of an IPv6 address. */
function hostName(header: string): string {
  return header
    .toLowerCase()
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1');
}

function originHost(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    // `null`, of pages without an origin.
    return undefined;
  }
}
