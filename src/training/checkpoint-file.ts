import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { IteraError } from '../core/errors.ts';
import { compareFacts, type RunFacts } from '../core/run-facts.ts';
import type { Tensor } from '../core/tensor.ts';
import { replaceFile } from '../data/atomic-file.ts';
import { makeFolder } from '../data/folder-file.ts';
import { readWholeFile } from '../data/whole-file.ts';
import { decodeSafetensors, encodeSafetensors } from '../models/safetensors.ts';
import type { Stepper } from './stepper.ts';
import type { TrainingProgress } from './trainer.ts';

const format = 'itera-lite-checkpoint-2';

/**
 * Stores weights, optimiser moments and progress in one safetensors file, atomically: a crash leaves the old one.
 *
 * @param facts - What the run depends on (recipe, texts, tokenizer); reading checks it.
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`.
 */
export async function writeCheckpoint(
  path: string,
  { parameters, optimizer }: Pick<Stepper, 'parameters' | 'optimizer'>,
  progress: TrainingProgress,
  facts: RunFacts,
): Promise<void> {
  const flat = (data: Float32Array): Tensor => ({ dtype: 'float32', shape: [data.length], data });
  const tensors = new Map([
    ['weights', flat(parameters.data)],
    ['mean', flat(optimizer.mean)],
    ['variance', flat(optimizer.variance)],
  ]);
  const content = { facts, optimizerStep: optimizer.step, progress };
  const metadata = { format, content: JSON.stringify(content), sha256: hashContent(tensors, JSON.stringify(content)) };
  try {
    await makeFolder(dirname(path));
    await replaceFile(path, encodeSafetensors(tensors, metadata));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new IteraError('OUTPUT_UNWRITABLE', `Could not write checkpoint ${path}: ${reason}`, { path }, { cause });
  }
}

/**
 * Puts a checkpoint's weights and optimiser moments into a stepper.
 *
 * @returns The progress to resume from.
 * @throws {@link IteraError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, or `CHECKPOINT_INVALID` if the file is damaged, of
 *   another run or of another model; the stepper is then unchanged.
 */
export async function readCheckpoint(
  path: string,
  { parameters, optimizer }: Pick<Stepper, 'parameters' | 'optimizer'>,
  facts: RunFacts,
): Promise<TrainingProgress> {
  const bytes = await readWholeFile(path).catch((cause: unknown) => {
    const absent = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const [code, problem] = absent
      ? (['FILE_NOT_FOUND', 'found none'] as const)
      : (['FILE_UNREADABLE', `could not read it: ${String(cause)}`] as const);
    throw new IteraError(code, `Expected a checkpoint at ${path}, ${problem}.`, { path }, { cause });
  });
  const { tensors, metadata } = decode(bytes, path);
  const content = metadata['content'] ?? '';
  if (metadata['format'] !== format || metadata['sha256'] !== hashContent(tensors, content)) {
    throw invalid(path, 'its checksum or format is wrong, so it is damaged');
  }
  const parsed = JSON.parse(content) as { facts: RunFacts; optimizerStep: number; progress: TrainingProgress };
  const { names, text } = compareFacts(parsed.facts, facts);
  if (names.length > 0) throw invalid(path, `it belongs to a run that differs in ${text}`);
  const targets = { weights: parameters.data, mean: optimizer.mean, variance: optimizer.variance };
  for (const [name, target] of Object.entries(targets)) {
    const stored = tensors.get(name);
    // The checksum covers the bytes; read as another type they would be other numbers.
    if (stored?.dtype !== 'float32' || stored.data.length !== target.length) {
      throw invalid(path, `its ${name} do not fit this model`);
    }
  }
  for (const [name, target] of Object.entries(targets)) target.set(tensors.get(name)?.data as Float32Array);
  optimizer.step = parsed.optimizerStep;
  return parsed.progress;
}

function decode(bytes: Uint8Array, path: string): ReturnType<typeof decodeSafetensors> {
  try {
    return decodeSafetensors(bytes);
  } catch (cause) {
    throw invalid(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function hashContent(tensors: ReadonlyMap<string, Tensor>, content: string): string {
  const hash = createHash('sha256').update(content);
  for (const name of ['weights', 'mean', 'variance']) {
    const data = tensors.get(name)?.data;
    if (data) hash.update(new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

function invalid(path: string, problem: string, cause?: unknown): IteraError {
  return new IteraError(
    'CHECKPOINT_INVALID',
    `Cannot resume from ${path}: ${problem.replace(/\.$/, '')}. Use another checkpoint or start over in a new folder.`,
    { path, problem },
    cause === undefined ? undefined : { cause },
  );
}
