import type { Socket } from 'node:net';
import type { App } from './server-context.ts';

/**
 * Closes the connections that would keep a server that stops: those that clients opened ahead and never used, and those
 * that are kept alive after an answer.
 */
export function closeIdleConnections(app: App): void {
  const unused = new Set<Socket>();
  let isClosing = false;
  app.server.on('connection', (socket: Socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  app.server.on('request', ({ socket }) => unused.delete(socket));
  app.addHook('preClose', async () => {
    isClosing = true;
    // Node counts only those as idle that have had a request.
    for (const socket of unused) socket.destroy();
  });
  app.addHook('onResponse', async () => {
    if (isClosing) setImmediate(() => app.server.closeIdleConnections());
  });
}
