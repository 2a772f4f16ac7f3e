import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { errorBody, HttpError, toHttpError } from './http-error.ts';

/** Answers a path that Fastify refuses before it looks for a route, in the form of all other errors. */
export function answerBadPath(
  error: Error & { readonly code: string },
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { statusCode, details } = toHttpError(error, request.id);
  // Its own message repeats the path, which may be as long as headers may be.
  const message = `The path of this URL is malformed, or a part of it is too long. GET /docs lists what is here.`;
  const body = errorBody(new HttpError(statusCode, message, details));
  // No hook is run for it.
  reply.raw.setHeader('x-request-id', request.id);
  void reply.code(statusCode).type('application/json; charset=utf-8').send(JSON.stringify(body));
}

const refusals: Readonly<Record<string, HttpError>> = {
  ERR_HTTP_REQUEST_TIMEOUT: new HttpError(408, 'The request did not arrive in time.', { code: 'request_timeout' }),
  HPE_HEADER_OVERFLOW: new HttpError(431, 'The headers of the request are too large.', { code: 'headers_too_large' }),
};
const malformed = new HttpError(400, 'The request is no HTTP/1.1.', { code: 'malformed_request' });

/** Answers what is no request, before Fastify sees it, and ends the connection. */
export function answerMalformed(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const fault = refusals[error.code ?? ''] ?? malformed;
  const body = JSON.stringify(errorBody(fault));
  const head = [
    `HTTP/1.1 ${fault.statusCode} ${STATUS_CODES[fault.statusCode]}`,
    ...[
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ],
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroy(error);
}
