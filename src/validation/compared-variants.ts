import { createHash } from 'node:crypto';
import { createVariantMaker, type VariantMaker } from '../compression/compress-model.ts';
import { throwIfAborted } from '../core/errors.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { readVariant } from '../models/variant-file.ts';
import { type CompressedVariant, compressedVariants, readVariantRecords } from '../models/variants.ts';
import type { ComparedVariant } from '../runtime/logit-comparer.ts';
import type { Say, Stage } from './stage.ts';

/** Those of the table that says what compression costs; `q4f16` is `int4` for other providers. */
export const comparedVariants: readonly CompressedVariant[] = ['fp16', 'int8', 'int4', 'mixed'];

/** A variant's file, from the folder or made in memory. */
export interface PreparedVariant extends ComparedVariant {
  readonly name: CompressedVariant;
  readonly model: Uint8Array;
  /** Whether the folder holds it. */
  readonly recorded: boolean;
  readonly sha256: string;
}

export interface PreparationOptions {
  readonly version: string;
  readonly seed: number;
  readonly threads: number;
  /** Of the text that the model writes to fit them to. Default: as `compress`. */
  readonly calibrationTokens?: number;
  /** The option that others of {@link comparedVariants} are left out by. */
  readonly leftOutBy: string;
  readonly signal?: AbortSignal;
}

/** The variants of a model that a validation compares. */
export interface VariantPreparation {
  /** A stage for each variant that is still to be made, and for each that is usual and left out. */
  readonly stages: readonly Stage[];
  /** Those that are there by now, in their usual order. */
  ready(): readonly PreparedVariant[];
  /** Those by their sha256, of the named ones if any are named. */
  hashes(names?: readonly CompressedVariant[]): Readonly<Record<string, string>>;
}

/**
 * Reads and checks the variants that a model's folder records. The others are made by stages, by the default schemes and
 * fitted to a text that the model writes; nothing is written to the folder.
 *
 * @throws {@link IteraError} what {@link readVariant} throws.
 */
export async function planVariants(
  folder: ModelFolder,
  variants: readonly CompressedVariant[],
  options: PreparationOptions,
): Promise<VariantPreparation> {
  const { leftOutBy, signal } = options;
  const prepared = new Map<CompressedVariant, PreparedVariant>();
  const add = (name: CompressedVariant, model: Uint8Array, recorded: boolean): void => {
    prepared.set(name, { name, model, recorded, sha256: createHash('sha256').update(model).digest('hex') });
  };
  const records = readVariantRecords(folder.itera);
  for (const name of variants) {
    if (records[name]) add(name, await readVariant(folder, name, signal ? { signal } : {}), true);
  }
  const absent = variants.filter((name) => !prepared.has(name));
  const make = absent.length > 0 ? createMaking(folder, absent, options) : undefined;
  const ready = () => compressedVariants.flatMap((name) => prepared.get(name) ?? []);
  return {
    stages: compressedVariants
      .filter((name) => absent.includes(name) || (comparedVariants.includes(name) && !variants.includes(name)))
      .map(
        (name): Stage => ({
          ...{ id: `variant/${name}`, name: `making ${name}`, expectedS: expectedS[name] },
          leftOutBy: absent.includes(name) ? undefined : leftOutBy,
          run: async (say) => ({ file: (await make?.(name, say))?.bytes as Uint8Array }),
          take: ({ file }) => file && add(name, file, false),
        }),
      ),
    ready,
    hashes: (names = compressedVariants) =>
      Object.fromEntries(
        ready()
          .filter(({ name }) => names.includes(name))
          .map(({ name, sha256 }) => [`variant/${name}`, sha256]),
      ),
  };
}

/**
 * All of some variants of a model at once: see {@link planVariants}.
 *
 * @throws {@link IteraError} what `readVariant` and `compressModel` throw.
 */
export async function prepareVariants(
  folder: ModelFolder,
  variants: readonly CompressedVariant[],
  options: Omit<PreparationOptions, 'leftOutBy'> & { readonly onStage?: (stage: string) => void },
): Promise<readonly PreparedVariant[]> {
  const { stages, ready } = await planVariants(folder, variants, { ...options, leftOutBy: '--variant' });
  let told = '';
  const say = (detail: string): void => {
    if (detail !== told) options.onStage?.(detail);
    told = detail;
  };
  for (const { leftOutBy, run, take } of stages) {
    throwIfAborted(options.signal);
    if (leftOutBy === undefined) take?.(await run(say));
  }
  return ready();
}

const expectedS: Readonly<Record<CompressedVariant, number>> = { fp16: 1, int8: 30, int4: 10, q4f16: 10, mixed: 80 };

/** One maker for all stages: the text that the model writes for it is the same. */
function createMaking(
  folder: ModelFolder,
  variants: readonly CompressedVariant[],
  { version, seed, threads, calibrationTokens, signal }: PreparationOptions,
): (variant: CompressedVariant, say: Say) => ReturnType<VariantMaker['make']> {
  let told: Say = () => undefined;
  let doing = '';
  const maker = createVariantMaker(folder, {
    ...{ variants, version, threads },
    calibration: { seed, ...(calibrationTokens !== undefined && { tokens: calibrationTokens }) },
    ...(signal && { signal }),
    onStage: (what) => {
      doing = what;
      told(what);
    },
    // The same words again, so that a display sees that it goes on.
    onProgress: () => told(doing),
  });
  return (variant, say) => {
    told = say;
    return maker.make(variant);
  };
}
