/**
 * A program that uses Itera-Lite as its users do, for scripts/check-install.ts: compiled and run in a folder where the
 * package is installed. It is checked there with every option of TypeScript's that is strict, libraries included.
 */
import { strict as assert } from 'node:assert';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  compressModel,
  createServer,
  exportOnnx,
  type GenerationPiece,
  IteraError,
  listDatasets,
  loadModel,
  type Model,
  openModel,
  openStore,
  packageVersion,
  readModelFolder,
  writeVariants,
} from 'itera-lite';

const micro = 'itera-lite-micro';
const folder = await mkdtemp(join(tmpdir(), 'itera-consumer-'));
try {
  const model: Model = await loadModel(micro);
  const pieces: GenerationPiece[] = [];
  for await (const piece of model.generate('Once upon a time', { maxNewTokens: 8, seed: 1 })) pieces.push(piece);
  assert(pieces.length === 8 && pieces.some(({ text }) => text.trim() !== ''));
  const { logProbs } = await model.score('The dog sat.');
  assert(logProbs.length > 0 && logProbs.every((logProb) => logProb < 0));
  assert.equal((await model.suggest('Once upon a ti', { count: 2 })).length, 2);
  await model.release();
  console.log('ok: a model writes, scores and suggests');

  const small = await loadModel();
  assert((await small.score('The dog sat.')).totalLogProb < 0);
  await small.release();
  console.log('ok: the default model comes along');

  const absent = await loadModel('itera-lite-tiny-transformer').catch((error: unknown) => error);
  assert(absent instanceof IteraError && absent.code === 'FILE_NOT_FOUND' && /train it with/.test(absent.message));
  console.log('ok: a model that does not come along says how to get it');

  const bundled = (await listDatasets()).filter(({ splits }) => splits.some(({ place }) => place === 'package'));
  assert.deepEqual(bundled.map(({ entry }) => entry.name).sort(), ['articles', 'stories']);
  console.log('ok: texts come along');

  const source = await openModel(micro);
  const calibration = { seed: 1, tokens: 512 };
  const made = await compressModel(source, { variants: ['fp16', 'int8'], calibration, version: packageVersion });
  const compressed = await writeVariants(source, made, join(folder, 'compressed'));
  const half = await loadModel(compressed.dir, { variant: 'int8' });
  assert((await half.score('The dog sat.')).totalLogProb < 0);
  await half.release();
  const exported = await exportOnnx(source, join(folder, 'exported'), { name: micro, version: packageVersion });
  assert.equal(
    (await readModelFolder(join(folder, 'exported'))).sha256['model.safetensors'],
    source.sha256['model.safetensors'],
  );
  assert(exported.bytes > 1e6);
  console.log('ok: compressed and exported');

  const store = await openStore(join(folder, 'store'));
  const server = await createServer({
    ...{ folder: source, name: micro, version: packageVersion, store, versionsDir: join(folder, 'versions') },
    ...{ logLevel: 'silent', port: 0 },
  });
  for (const page of ['/ui/', '/ui/dashboard.html', '/ui/browser.html']) {
    const { statusCode, body } = await server.app.inject(page);
    assert.equal(statusCode, 200, page);
    assert.match(body, /<script[^>]* src="\.?\/?assets\//, page);
  }
  const answer = await server.app.inject({
    ...{ method: 'POST', url: '/infer', payload: { input_text: 'Once upon a time', max_length: 4 } },
  });
  assert.equal(answer.statusCode, 200, answer.body);
  await server.close();
  console.log('ok: serves, with its pages, and keeps feedback in a store');

  const schema = createRequire(import.meta.url).resolve('itera-lite/schemas/report.schema.json');
  assert.equal(JSON.parse(await readFile(schema, 'utf8')).type, 'object');
  console.log('ok: the schema of report.json comes along');
} finally {
  await rm(folder, { recursive: true });
}
