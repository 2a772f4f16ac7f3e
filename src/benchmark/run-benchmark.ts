import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { type MeasurementRecord, recordId } from '../core/measurement.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { countParameters } from '../models/parameters.ts';
import type { VariantName } from '../models/variants.ts';
import { createModelTokenizer } from '../runtime/model.ts';
import { createSampler } from '../runtime/sampling.ts';
import { absentRecord, latencyRecords, timingRecord } from './bench-records.ts';
import type { BenchSide } from './bench-side.ts';
import { measureProductRate } from './floor.ts';
import { interleave } from './interleave.ts';
import { type BenchRuntime, planSides } from './sides.ts';

export interface BenchmarkOptions {
  /** Name of the model, in records. */
  readonly name: string;
  /** ONNX files by variant. */
  readonly files: ReadonlyMap<VariantName, Uint8Array>;
  readonly runtimes: readonly BenchRuntime[];
  readonly threads: readonly number[];
  /** Lengths of the texts that are passed through, batch 1. */
  readonly lengths: readonly number[];
  readonly rounds: number;
  /** Fresh starts from which loading is timed. Default 3. */
  readonly loads?: number;
  readonly signal?: AbortSignal;
  /** What is being done, in words. */
  readonly onStage?: (stage: string) => void;
  readonly onRound?: (done: number, total: number) => void;
}

/** Passes of a turn that count, after two that do not. */
const passesPerTurn = 5;
const warmupRounds = 2;
const promptTokens = 64;
const newTokens = 50;

/**
 * Times a model in several runtimes side by side: each in a process of its own, taking turns in one run. Loading, passes
 * over texts, the time to the first token after a prompt, tokens per second when decoding, and the most memory; and apart
 * from them tokenising, sampling and what the passes' arithmetic alone would take.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if there is nothing to time, `RUNTIME_FAILED`, `EXPORT_INVALID`,
 *   `OUTPUT_UNWRITABLE`, `ABORTED`.
 */
export async function runBenchmark(
  folder: ModelFolder,
  options: BenchmarkOptions,
): Promise<readonly MeasurementRecord[]> {
  const { signal, onStage, loads = 3 } = options;
  // Every side listens.
  if (signal) setMaxListeners(0, signal);
  const dir = await mkdtemp(join(tmpdir(), 'itera-bench-'));
  const sides: BenchSide[] = [];
  try {
    const planned = await planSides(folder, { ...options, dir });
    if (planned.length === 0) throw new IteraError('INVALID_ARGUMENT', 'Expected a runtime to time, got none.');
    const records: MeasurementRecord[] = [];
    for (const [index, side] of planned.entries()) {
      onStage?.(`loading ${index + 1} of ${planned.length}`);
      const loadMs: number[] = [];
      for (let load = 1; load <= loads; load++) {
        throwIfAborted(signal);
        const started = await side.start(signal);
        if ('reason' in started) {
          records.push(absentRecord(side.conditions, started.reason));
          break;
        }
        loadMs.push(started.loadMs);
        if (load < loads) {
          await started.close();
          continue;
        }
        sides.push(started);
        const method = `from the file to a model that can run, ${loads} fresh processes`;
        records.push(timingRecord('load_ms', started.conditions, loadMs, method));
      }
    }
    for (const length of options.lengths) {
      records.push(...(await timePasses(sides, length, options)), ...(await timePrompts(sides, length, options)));
    }
    records.push(...(await timeGeneration(sides, options)));
    for (const side of sides) {
      const method = 'most resident memory of the process, its runtime included, over the whole benchmark';
      records.push(timingRecord('memory_bytes', side.conditions, [await side.peakMemory()], method));
    }
    onStage?.('timing what is not the model');
    return [...records, ...timeText(folder, options.name), ...(await estimateFloors(folder, options))];
  } finally {
    await Promise.all(sides.map((side) => side.close()));
    await rm(dir, { recursive: true, force: true });
  }
}

async function timePasses(
  sides: readonly BenchSide[],
  length: number,
  { rounds, signal, onStage, onRound }: BenchmarkOptions,
): Promise<readonly MeasurementRecord[]> {
  onStage?.(`passes over ${length} tokens`);
  const turns = sides.map((side) => ({
    take: async () => (await side.forward(length, passesPerTurn + 2)).slice(2),
  }));
  const samples = await interleave(turns, { rounds, warmupRounds, signal, onRound });
  const method = `forward pass, logits of all positions; ${rounds} rounds of ${passesPerTurn} passes, sides in turns`;
  return sides.flatMap(({ conditions }, index) =>
    latencyRecords({ ...conditions, batch: 1, sequenceLength: length }, samples[index] ?? [], method),
  );
}

async function timePrompts(
  sides: readonly BenchSide[],
  length: number,
  { rounds, signal, onStage, onRound }: BenchmarkOptions,
): Promise<readonly MeasurementRecord[]> {
  onStage?.(`prompts of ${length} tokens`);
  const turns = sides.map((side) => ({ take: async () => [(await side.generate(length, 0)).firstMs] }));
  const samples = await interleave(turns, { rounds, warmupRounds, signal, onRound });
  const method = `reading a prompt up to its first new token, its last logits only where the runtime can; ${rounds} rounds, sides in turns`;
  return sides.map(({ conditions }, index) => {
    const perSecond = (samples[index] ?? []).flat().map((ms) => (1000 * length) / ms);
    const own = { ...conditions, phase: 'prefill', batch: 1, sequenceLength: length };
    return timingRecord('tokens_per_second', own, perSecond, method);
  });
}

async function timeGeneration(
  sides: readonly BenchSide[],
  { rounds, signal, onStage, onRound }: BenchmarkOptions,
): Promise<readonly MeasurementRecord[]> {
  onStage?.('generating');
  const first: number[][] = sides.map(() => []);
  const turns = sides.map((side, index) => ({
    async take() {
      const { firstMs, tokenMs } = await side.generate(promptTokens, newTokens);
      first[index]?.push(firstMs);
      return [tokenMs];
    },
  }));
  const samples = await interleave(turns, { rounds, warmupRounds, signal, onRound });
  return sides.flatMap(({ conditions }, index) => {
    const own = { ...conditions, batch: 1, sequenceLength: promptTokens };
    const perSecond = (samples[index] ?? []).flat().map((tokenMs) => 1000 / tokenMs);
    const waiting = (first[index] ?? []).slice(warmupRounds);
    return [
      timingRecord(
        'time_to_first_token_ms',
        own,
        waiting,
        `a prompt of ${promptTokens} tokens; ${rounds} rounds, sides in turns`,
      ),
      timingRecord(
        'tokens_per_second',
        { ...own, phase: 'decode' },
        perSecond,
        `greedy, with state, ${newTokens} tokens after a prompt; ${rounds} rounds, sides in turns`,
      ),
    ];
  });
}

/** What generating text takes besides the model: reading text into tokens, drawing a token from logits. */
function timeText(folder: ModelFolder, name: string): readonly MeasurementRecord[] {
  const tokenizer = createModelTokenizer(folder);
  const sentence = 'Once upon a time there was a little dog who lived in a house by the sea. ';
  const text = sentence.repeat(100);
  const tokens = tokenizer.encode(text).length;
  const sample = createSampler({ temperature: 0.7, topP: 0.95, seed: 1 });
  const logits = Float32Array.from({ length: folder.config.vocabSize }, (_, index) => Math.sin(index * index) * 5);
  const time = (act: () => void): number => {
    const started = performance.now();
    act();
    return performance.now() - started;
  };
  const repeat = (count: number, act: () => void): number[] =>
    Array.from({ length: count + 3 }, () => time(act)).slice(3);
  return [
    timingRecord(
      'latency_ms',
      { model: name, stage: 'tokenize', sequenceLength: tokens },
      repeat(20, () => tokenizer.encode(text)),
      `${text.length} characters into ${tokens} tokens, one text again and again, so that its words are known`,
    ),
    timingRecord(
      'latency_ms',
      { model: name, stage: 'sample' },
      repeat(50, () => sample(logits)),
      'one token drawn at temperature 0.7, top-p 0.95',
    ),
  ];
}

/** What the multiplications of a pass would take at the rate of a large matrix product. */
async function estimateFloors(
  folder: ModelFolder,
  { name, lengths, threads }: BenchmarkOptions,
): Promise<readonly MeasurementRecord[]> {
  const records: MeasurementRecord[] = [];
  const { activePerToken: active } = countParameters(folder.config);
  for (const count of threads) {
    const rate = await measureProductRate(count);
    for (const length of lengths) {
      const conditions = { model: name, stage: 'arithmetic floor', threads: count, batch: 1, sequenceLength: length };
      records.push({
        ...{ id: recordId(name, 'latency_ms', conditions), subject: name, metric: 'latency_ms', conditions, n: 1 },
        ...{ unit: 'ms', status: 'estimated', value: (1000 * 2 * active * length) / rate },
        method: `2 x ${active} active parameters x tokens at ${(rate / 1e9).toFixed(1)} GFLOP/s, the rate of a product of 1024 x 1024 matrices`,
      });
    }
  }
  return records;
}
