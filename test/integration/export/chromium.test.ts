import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, extname, join, normalize } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compressModel } from '../../../src/compression/compress-model.ts';
import { writeVariants } from '../../../src/compression/write-variants-file.ts';
import { exportOnnx } from '../../../src/export/export-onnx.ts';
import { loadModel, openModel } from '../../../src/runtime/load-model-file.ts';
import { chromiumPath, requirement } from '../../requirements.ts';

const browserNeeded = requirement('chromium');
const prompt = 'Once upon a time';
const newTokens = 24;

const library = createRequire(import.meta.url).resolve('@huggingface/transformers');
const libraryDir = dirname(library);
// transformers.js brings its own version of the runtime, which its bundle looks for.
const wasmDir = join(dirname(createRequire(library).resolve('onnxruntime-web')));

/** What runs in the page; as text, because the test runner would rewrite a function's imports. */
const inPage = `async ([model, dtype, text, count]) => {
  const { env, pipeline } = await import('/library/transformers.min.js');
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/models/';
  env.backends.onnx.wasm.wasmPaths = { mjs: '/wasm/ort-wasm-simd-threaded.mjs', wasm: '/wasm/ort-wasm-simd-threaded.wasm' };
  env.backends.onnx.wasm.numThreads = 1;
  const generate = await pipeline('text-generation', model, { dtype, device: 'wasm' });
  const settings = { max_new_tokens: count, do_sample: false };
  const [alone] = await generate(text, settings);
  const [together] = await generate([text, 'A much longer beginning, so that the other is padded, was here'], settings);
  await generate.dispose();
  return [alone.generated_text, together[0].generated_text];
}`;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** Serves folders by the first part of the path; all else is an empty page. */
function serve(folders: Readonly<Record<string, string>>): Promise<Server> {
  const server = createServer(async (request, response) => {
    const [, first = '', ...rest] = normalize(new URL(request.url ?? '/', 'http://x').pathname).split('/');
    const folder = folders[first];
    if (folder === undefined) {
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>test</title>');
      return;
    }
    const path = join(folder, ...rest);
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader('content-type', types[extname(path)] ?? 'application/octet-stream');
    response.setHeader('content-length', found.size);
    createReadStream(path).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

describe.skipIf(!browserNeeded.available)(`an exported folder in headless Chromium ${browserNeeded.reason}`, () => {
  const name = 'itera-lite-micro';
  let dir: string;
  let server: Server;
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'itera-chromium-'));
    const folder = await openModel(name);
    const compressed = await compressModel(folder, {
      ...{ variants: ['int8', 'int4'], calibration: { seed: 1, tokens: 2000 }, version: '0.0.0' },
    });
    const copy = await writeVariants(folder, compressed, join(dir, 'compressed'));
    await exportOnnx(copy, join(dir, 'models', name), { name, version: '0.0.0' });
    server = await serve({ models: join(dir, 'models'), library: libraryDir, wasm: wasmDir });
    browser = await chromium.launch({
      executablePath: chromiumPath,
      args: [
        ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
        ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ],
    });
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
    await rm(dir, { recursive: true });
  });

  it.each([
    ['fp32', 'fp32'],
    ['q8', 'int8'],
    ['q4', 'int4'],
  ] as const)(
    '%s continues texts as we do, one by one and padded to one length',
    { timeout: 120_000 },
    async (dtype, variant) => {
      const found = await page.evaluate(`(${inPage})(${JSON.stringify([name, dtype, prompt, newTokens])})`);
      const model = await loadModel(join(dir, 'models', name), { variant });
      let ours: string = prompt;
      for await (const piece of model.generate(prompt, { maxNewTokens: newTokens, temperature: 0 })) ours += piece.text;
      await model.release();
      expect(found).toEqual([ours, ours]);
    },
  );
});
