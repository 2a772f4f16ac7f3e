/**
 * Decoding, one token after the other, by the compressed variants of the bundled models and by FP32, interleaved in one
 * run. The variants are made in memory by the default schemes, fitted to little text: their speed does not depend on it.
 *
 *   npx tsx benchmarks/decode-variants.ts [--models micro,tiny,small] [--threads 1] [--rounds 15] [--json]
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { compressModel } from '../src/compression/compress-model.ts';
import { createRandom } from '../src/core/random.ts';
import { median, quantile } from '../src/core/statistics.ts';
import { encodeInferenceModel } from '../src/models/inference-model.ts';
import { readModelFolder } from '../src/models/model-folder-file.ts';
import { compressedVariants } from '../src/models/variants.ts';
import { createSession, runtimeVersion } from '../src/runtime/session.ts';
import { createSessionEngine } from '../src/runtime/session-engine.ts';

const promptTokens = 64;
const tokensPerTurn = 100;
const warmupRounds = 2;
const calibration = { seed: 1, tokens: 2048 };

const { values } = parseArgs({
  options: {
    models: { type: 'string', default: 'micro,tiny,small' },
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '15' },
    json: { type: 'boolean', default: false },
  },
});

async function compare(model: string, threads: number, rounds: number) {
  const folder = await readModelFolder(`models/itera-lite-${model}`);
  const { config } = folder;
  const made = await compressModel(folder, { variants: compressedVariants, calibration, version: 'benchmark' });
  const files = [
    { variant: 'fp32', bytes: encodeInferenceModel(folder) },
    ...made.files.map(({ variant, bytes }) => ({ variant, bytes })),
  ];
  const random = createRandom(1);
  const draw = (count: number): number[] => Array.from({ length: count }, () => random.integer(config.vocabSize));
  const prompt = draw(promptTokens);
  const sides = [];
  for (const { variant, bytes } of files) {
    const session = await createSession(bytes, { threads });
    const engine = createSessionEngine(session, config);
    sides.push({ variant, session, engine, begun: (await engine.run(prompt)).state, turns: [] as number[] });
  }
  for (let round = 0; round < rounds + warmupRounds; round++) {
    const tokens = draw(tokensPerTurn);
    for (const { engine, begun, turns } of sides) {
      let state = begun;
      const started = performance.now();
      for (const token of tokens) ({ state } = await engine.run([token], state));
      if (round >= warmupRounds) turns.push((performance.now() - started) / tokensPerTurn);
    }
  }
  for (const { session } of sides) await session.release();
  const baseline = sides[0]?.turns as number[];
  return sides.map(({ variant, turns }) => {
    const ratios = turns.map((turn, round) => (baseline[round] as number) / turn);
    return {
      model,
      variant,
      threads,
      msPerToken: median(turns),
      tokensPerSecond: 1000 / median(turns),
      fasterThanFp32: median(ratios),
      fasterThanFp32Quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
      rounds,
    };
  });
}

const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  loadBefore: loadavg()[0],
  node: process.version,
  onnxruntime: runtimeVersion(),
};
const results = [];
for (const model of values.models.split(',')) {
  for (const threads of values.threads.split(',')) {
    results.push(...(await compare(model, Number(threads), Number(values.rounds))));
  }
}
if (values.json) {
  process.stdout.write(`${JSON.stringify({ machine, results })}\n`);
} else {
  process.stdout.write(`${JSON.stringify(machine)}\n`);
  for (const { model, variant, threads, msPerToken, tokensPerSecond, fasterThanFp32, ...row } of results) {
    process.stdout.write(
      `${model.padEnd(6)} ${threads} thread(s)  ${variant.padEnd(6)} median ${msPerToken.toFixed(3)} ms/token ` +
        `(${tokensPerSecond.toFixed(0)} tok/s)  ${fasterThanFp32.toFixed(2)} times as fast as FP32 ` +
        `(quartiles ${row.fasterThanFp32Quartiles.map((end) => end.toFixed(2)).join(' to ')})\n`,
    );
  }
}
