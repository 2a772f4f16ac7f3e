import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { Check } from 'typebox/schema';
import { expect, it } from 'vitest';
import { errorSchema } from '../../../src/server/schemas.ts';
import { createToyServer, get, post } from './toy-server.ts';

/** Connections, a few at a time. */
const count = Math.ceil(Number(process.env['ITERA_FUZZ_REQUESTS'] ?? 2000) / 8);
const atATime = 12;

/** What a client sends, piece by piece, and how it leaves. */
interface Conversation {
  readonly pieces: readonly Buffer[];
  readonly leaves: 'waits' | 'halfCloses' | 'resets';
}

const body = '{"input_text":"The dog","max_length":4,"seed":1}';
const jsonHead = 'Host: localhost\r\nContent-Type: application/json';
const valid = `POST /infer HTTP/1.1\r\n${jsonHead}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const stream = '{"prompt":"The dog","max_tokens":8,"stream":true}';

const lines = fc.constantFrom(
  ...['GET /health HTTP/1.1', 'get /health HTTP/1.1', 'GET  /health  HTTP/1.1', 'GET /health', 'GET /health HTTP/1.0'],
  ...['GET /health HTTP/9.9', 'GET /health HTCPCP/1.0', 'FOO /health HTTP/1.1', 'POST /infer HTTP/1.1', '', '\0', ' '],
  ...['GET http://other.example/health HTTP/1.1', 'GET * HTTP/1.1', 'OPTIONS * HTTP/1.1', 'CONNECT a:1 HTTP/1.1'],
  ...['GET health HTTP/1.1', 'GET /%zz HTTP/1.1', 'GET /\u00e9 HTTP/1.1', 'GET /a\tb HTTP/1.1', 'PRI * HTTP/2.0'],
  ...[`GET /${'a'.repeat(20_000)} HTTP/1.1`, `GET /v1/versions/${'a'.repeat(9000)}/promote HTTP/1.1`],
);

const headers = fc.constantFrom(
  ...[
    'Host: a',
    'Host: localhost',
    'Host: a\r\nHost: b',
    'Content-Length: 5',
    'Content-Length: -1',
    'Content-Length: 5\r\nContent-Length: 6',
  ],
  ...['Content-Length: 99999999999999999999', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked, gzip'],
  ...['Transfer-Encoding: chunked\r\nContent-Length: 4', 'Transfer-Encoding: x', 'Expect: 100-continue', 'Expect: x'],
  ...[
    'Connection: Upgrade\r\nUpgrade: websocket',
    'Connection: close',
    'no colon',
    ': empty',
    'a : b',
    'a: b\r\n c',
    'X: \0',
  ],
  ...['X: \u00ff', `X: ${'a'.repeat(20_000)}`, 'a: b\r\n'.repeat(2500), 'Content-Type: application/json', 'X: a\nY: b'],
);

const rawHead = fc
  .tuple(lines, fc.array(headers, { maxLength: 4 }), fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r'))
  .map(([line, own, end]) => [line, ...own, '', ''].join(end));

const rawBody = fc.constantFrom(
  ...[
    '',
    body,
    body.slice(0, 20),
    '5\r\nhello\r\n0\r\n\r\n',
    'zz\r\n',
    '5\r\nhel',
    '-1\r\n\r\n',
    'ffffffffffffffff\r\na',
    '\0\0\0',
  ],
  ...['1\r\n{\r\n0\r\n\r\n', '1;a=b\r\n{\r\n', valid],
);

/** Requests that are right, though more, fewer or slower than one. */
const rightTexts = fc.constantFrom(
  ...[
    valid,
    valid + valid + valid,
    `${valid}GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `${valid}garbage\r\n\r\n`,
  ],
  ...[
    `\r\n\r\n${valid}`,
    valid.slice(0, -10),
    valid.slice(0, 60),
    `${valid.slice(0, -1)}]`,
    `${valid}${'\0'.repeat(100)}`,
  ],
  `POST /v1/completions HTTP/1.1\r\n${jsonHead}\r\nContent-Length: ${stream.length}\r\n\r\n${stream}`,
  `POST /infer HTTP/1.1\r\n${jsonHead}\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
  `POST /infer HTTP/1.1\r\n${jsonHead}\r\nContent-Length: 900000\r\n\r\n${'a'.repeat(300_000)}`,
);

const conversations: fc.Arbitrary<Conversation> = fc
  .tuple(
    fc.oneof(
      fc.tuple(rawHead, rawBody).map((parts) => Buffer.from(parts.join(''), 'latin1')),
      rightTexts.map((text) => Buffer.from(text)),
      // Such as what a browser sends that was given https.
      fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    ),
    fc.constantFrom(1, 1, 1, 2, 7),
    fc.constantFrom('waits' as const, 'halfCloses' as const, 'resets' as const),
  )
  .map(([bytes, parts, leaves]) => {
    const size = Math.ceil(bytes.length / parts);
    const pieces = Array.from({ length: parts }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
    return { pieces, leaves };
  });

/** @returns What came back until the server was silent for a moment or closed. */
async function converse(port: number, { pieces, leaves }: Conversation): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let [came, heardAt, isOpen] = ['', performance.now(), true];
  socket.on('data', (block: Buffer) => {
    came += block.toString('latin1');
    heardAt = performance.now();
  });
  // Refusing means to close while the client still sends.
  socket.on('error', () => undefined);
  socket.once('close', () => {
    isOpen = false;
  });
  for (const piece of pieces) {
    if (isOpen) socket.write(piece);
    if (pieces.length > 1) await sleep(5);
  }
  if (leaves === 'halfCloses') socket.end();
  if (leaves === 'resets') socket.resetAndDestroy();
  while (isOpen && performance.now() - heardAt < 150) await sleep(5);
  socket.destroy();
  return came;
}

/** Each answer begins as one, is no fault of the server, and tells errors in our form. */
function checkAnswers(came: string, sent: string): void {
  if (came === '') return;
  const about = `for ${JSON.stringify(sent.slice(0, 300))}: ${came.slice(0, 500)}`;
  expect(came, about).toMatch(/^HTTP\/1\.1 \d{3} /);
  for (const [, status] of came.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)) expect(Number(status), about).toBeLessThan(500);
  const [head = '', ...rest] = came.split('\r\n\r\n');
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
  const json = rest.join('\r\n\r\n').slice(0, length);
  // An answer may be cut off by our own leaving.
  if (/^HTTP\/1\.1 4/.test(head) && json.length === length && length > 0) {
    expect(Check(errorSchema, JSON.parse(json)), about).toBe(true);
  }
}

it('survives what is no HTTP, and clients that send half or leave', async () => {
  const server = await createToyServer({ maxNewTokens: 16, deadlineMs: 10_000 });
  const port = Number(new URL(await server.listen()).port);
  const say = async () => (await post(server, '/infer', { input_text: 'The dog', max_length: 8, seed: 1 })).body;
  const before = await say();
  const chosen = fc.sample(conversations, { numRuns: count, seed: 11 });
  const codes = new Set<string>();
  for (let from = 0; from < chosen.length; from += atATime) {
    await Promise.all(
      chosen.slice(from, from + atATime).map(async (conversation) => {
        const came = await converse(port, conversation);
        checkAnswers(came, Buffer.concat([...conversation.pieces]).toString('latin1'));
        codes.add(/^HTTP\/1\.1 (\d+)/.exec(came)?.[1] ?? 'nothing');
      }),
    );
  }
  for (const code of ['200', '400', '431', 'nothing']) expect(codes).toContain(code);
  expect((await say()).output_text).toBe(before.output_text);
  const { text } = await get(server, '/metrics', { accept: 'application/json' });
  expect(JSON.parse(text)).toMatchObject({ active_generations: 0, queue_length: 0 });
  const closing = performance.now();
  await server.close();
  expect(performance.now() - closing).toBeLessThan(3000);
}, 3_600_000);
