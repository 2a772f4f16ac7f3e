import { createHash } from 'node:crypto';
import type { DegradationBounds } from '../evaluation/degradation-bounds.ts';
import type { GateVerdict } from '../evaluation/gate.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { variantMetadata } from '../models/variants.ts';
import {
  type BitChoiceOptions,
  type FittedText,
  formatOf,
  measureFormats,
  type ProductFormat,
  withFormats,
} from './bit-choice.ts';
import { type RaisedMeasurement, raiseBits } from './bit-raising.ts';
import type { CompressedFile, CompressedModel } from './compress-model.ts';
import { assignedMatrices, bitOptions, type MeasuredOption } from './mixed-precision.ts';
import { encodeVariant, prepareGraph } from './variant-graph.ts';
import { judgeCandidate, type VariantMeasurementOptions } from './variant-measurement.ts';
import type { RoundingScheme } from './variant-schemes.ts';

/** What raising the bits of a variant came to. */
interface RaisedVariant {
  /** The smallest file found that passes; absent if none does. */
  readonly file?: CompressedFile;
  /** The result for people. */
  readonly sentence: string;
}

export interface RaiseFailedOptions extends VariantMeasurementOptions {
  /** What is being done, in words. */
  readonly onStage?: (stage: string) => void;
}

/**
 * Raises the bits of every variant that a gate found beyond its bound on some text, see {@link raiseVariant}.
 *
 * @param name - Of the model, in records.
 * @param options - How the variants were measured; they are judged so again.
 * @returns The files that pass now and did not before.
 * @throws {@link IteraError} what {@link raiseVariant} and `measureVariants` throw.
 */
export async function raiseFailed(
  folder: ModelFolder,
  name: string,
  compressed: CompressedModel,
  { verdicts, bounds }: { readonly verdicts: readonly GateVerdict[]; readonly bounds: DegradationBounds },
  { onStage, ...options }: RaiseFailedOptions,
): Promise<readonly CompressedFile[]> {
  const { threads, signal } = options;
  const raised: CompressedFile[] = [];
  for (const file of compressed.files) {
    const { variant, scheme } = file;
    const { rounding } = scheme;
    // What could not be judged is not for more bits to mend.
    const failed = verdicts.some((verdict) => verdict.variant === variant && verdict.finding === 'beyond');
    if (!failed || !rounding) continue;
    onStage?.(`${variant} is beyond its bound: looking for matrices that need more bits`);
    const judge = (bytes: Uint8Array) => judgeCandidate(folder, name, { variant, bytes }, bounds, options);
    const fitted = await compressed.fit(scheme);
    const found = await raiseVariant(folder, compressed, file, rounding, fitted, judge, {
      threads,
      ...(signal && { signal }),
    });
    onStage?.(found.sentence);
    if (found.file) raised.push(found.file);
  }
  return raised;
}

/** What a product may be raised to. */
const larger: readonly ProductFormat[] = [
  { bits: 4, blockSize: 16 },
  { bits: 8, blockSize: 32 },
];

/**
 * Gives more bits to the products of a variant that failed its gate, first where that takes away most predicted loss per
 * byte, until it passes: see {@link raiseBits}.
 *
 * @param judge - Judges the bytes of a file.
 * @param rounding - Of the file's scheme.
 * @throws {@link IteraError} what {@link raiseBits}, `measureSensitivity` and `judge` throw.
 */
async function raiseVariant(
  folder: ModelFolder,
  { source, version }: Pick<CompressedModel, 'source' | 'version'>,
  file: CompressedFile,
  rounding: RoundingScheme,
  fitted: FittedText,
  judge: (bytes: Uint8Array) => Promise<RaisedMeasurement>,
  options: Omit<BitChoiceOptions, 'budgetNats'> = {},
): Promise<RaisedVariant> {
  const { variant, scheme, products } = file;
  const weight = ({ bits, blockSize }: ProductFormat): number => bits + 24 / blockSize;
  const formatsOf = (name: string): readonly ProductFormat[] => {
    const matrix = products.get(name);
    if (!matrix) return [];
    const own = formatOf(matrix);
    return [own, ...larger.filter((format) => weight(format) > weight(own))];
  };
  if (![...products.keys()].some((name) => formatsOf(name).length > 1)) {
    return { sentence: `${variant} cannot pass: no product can be stored better in this format.` };
  }
  const rounded = { ...scheme, rounding };
  const sensitivities = await measureFormats(folder, rounded, fitted, formatsOf, options);
  const tensors = bitOptions(sensitivities);
  const start = new Map(
    tensors.map(({ name, options: own }): [string, MeasuredOption] => {
      const matrix = products.get(name);
      const option = own.find((each) => each.bits === matrix?.bits && each.blockSize === matrix.blockSize);
      return [name, option as MeasuredOption];
    }),
  );
  const encode = (assignment: ReadonlyMap<string, MeasuredOption>): CompressedFile => {
    const raised = withFormats(rounded, assignment);
    const matrices = assignedMatrices(assignment);
    const graph = prepareGraph(folder, raised);
    const bytes = encodeVariant(graph, raised, matrices, variantMetadata(variant, source, version));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { ...file, bytes, sha256, scheme: raised, products: matrices };
  };
  const { status, final, sentence } = await raiseBits(start, tensors, (assignment) => judge(encode(assignment).bytes));
  // Other levels than those that weights were trained for: raising begins again from the model's own.
  const { tuning, ...kept } = file.refinement ?? {};
  const facts = { ...kept, raisedProducts: final.raised };
  return {
    ...(status === 'passed' && { file: { ...encode(final.assignment), refinement: facts } }),
    sentence: `${variant}: ${sentence}${tuning === undefined ? '' : ' Its weights are those before the tuning.'}`,
  };
}
