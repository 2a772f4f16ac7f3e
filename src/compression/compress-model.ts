import { createHash } from 'node:crypto';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { encodeInferenceModel } from '../models/inference-model.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { variantSource } from '../models/variant-file.ts';
import { type CompressedVariant, type VariantSource, variantMetadata } from '../models/variants.ts';
import { type BitChoice, chooseBits, type FittedText } from './bit-choice.ts';
import {
  type CalibrationFacts,
  type CalibrationOptions,
  defaultCalibrationTokens,
  readCalibration,
} from './calibration.ts';
import { type CalibrationStatistics, gatherStatistics } from './calibration-statistics.ts';
import type { RoundedProducts } from './rounded-weights.ts';
import { encodeVariant, preparedForm, prepareGraph, roundProducts } from './variant-graph.ts';
import { checkScheme, defaultSchemes, type VariantScheme } from './variant-schemes.ts';

/** Which variants are made, and what they are fitted to. */
export interface CompressOptions {
  readonly variants: readonly CompressedVariant[];
  /** Whole schemes in place of {@link defaultSchemes}; one for `mixed` that names products decides their bits. */
  readonly schemes?: Readonly<Partial<Record<CompressedVariant, VariantScheme>>>;
  /** What rounding is fitted to, where a method needs it. */
  readonly calibration: Omit<CalibrationOptions, 'signal' | 'onProgress'>;
  /** What the bits of `mixed` may cost, predicted nats per token; see `chooseBits`. */
  readonly budgetNats?: number;
  /** Of the measurements that bits are chosen by. */
  readonly threads?: number;
  /**
   * Changes what rounding gives before it is written: other matrices for its products, and weights trained for them.
   * Undefined keeps everything.
   */
  readonly refine?: (rounded: RoundedVariant) => Promise<RefinedVariant | undefined>;
  /** Version of Itera-Lite, written into the files. */
  readonly version: string;
  readonly signal?: AbortSignal;
  /** What is being done, in words. */
  readonly onStage?: (stage: string) => void;
  /** How far the present stage is, in tokens or measurements. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A variant whose products are rounded. */
export interface RoundedVariant {
  readonly variant: CompressedVariant;
  readonly scheme: VariantScheme;
  /** The rounded products, by name. */
  readonly products: RoundedProducts;
  /** What the products multiply, where that was gathered. */
  readonly statistics?: CalibrationStatistics;
}

/** What a variant becomes. */
export interface RefinedVariant {
  readonly products: RoundedProducts;
  /** In place of the model's: all that is not rounded is taken from here. */
  readonly weights?: ModelFolder['weights'];
  /** What is recorded in place of the scheme asked for; products must be in the same form. */
  readonly scheme?: VariantScheme;
  /** How it was refined, for `itera.json`. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A variant as it is to be written. */
export interface CompressedFile {
  readonly variant: CompressedVariant;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly scheme: VariantScheme;
  readonly products: RoundedProducts;
  /** Absent where nothing was fitted to a text. */
  readonly calibration?: CalibrationFacts;
  readonly refinement?: Readonly<Record<string, unknown>>;
}

/** Variants of a model, not written yet; {@link writeVariants} writes them. */
export interface CompressedModel {
  /** What the rounding of a variant was fitted to: for raising its bits. Reads or writes the text if nothing has yet. */
  readonly fit: (scheme: VariantScheme) => Promise<FittedText>;
  /** Size of the ONNX file of the same model in float32, which the variants' sizes are compared with. */
  readonly baselineBytes: number;
  readonly source: VariantSource;
  readonly version: string;
  readonly files: readonly CompressedFile[];
}

/**
 * Makes compressed variants of a model. Equal folders, schemes and calibration texts give equal bytes.
 *
 * @throws {@link IteraError} as `createVariantMaker` and its `make`; `ABORTED`.
 */
export async function compressModel(folder: ModelFolder, options: CompressOptions): Promise<CompressedModel> {
  const { version, signal } = options;
  const maker = createVariantMaker(folder, options);
  const files: CompressedFile[] = [];
  for (const variant of maker.variants) {
    throwIfAborted(signal);
    files.push(await maker.make(variant));
    // Lets an interrupt be noticed between variants.
    await new Promise(setImmediate);
  }
  throwIfAborted(signal);
  const baselineBytes = encodeInferenceModel(folder).length;
  return { baselineBytes, source: variantSource(folder), version, files, fit: maker.fit };
}

/** Makes variants of one model one at a time; the text that they are fitted to is read or written once for all. */
export interface VariantMaker extends Pick<CompressedModel, 'fit'> {
  /** Those that were asked for, each once. */
  readonly variants: readonly CompressedVariant[];
  /**
   * @throws {@link IteraError} `INVALID_ARGUMENT` for weights that a format cannot hold or a budget that no bits keep; what
   *   {@link readCalibration} throws; `RUNTIME_FAILED`, `ABORTED`.
   */
  make(variant: CompressedVariant): Promise<CompressedFile>;
}

/**
 * @throws {@link IteraError} `INVALID_ARGUMENT` for no variants or a scheme that is not allowed, `MODEL_INVALID`; nothing is
 *   computed yet.
 */
export function createVariantMaker(folder: ModelFolder, options: CompressOptions): VariantMaker {
  const schemes = chooseSchemes(options);
  const source = variantSource(folder);
  const calibrate = createCalibration(folder, options);
  return {
    variants: [...schemes.keys()],
    fit: calibrate,
    make: (variant) => makeVariant(folder, variant, schemes.get(variant) as VariantScheme, source, calibrate, options),
  };
}

async function makeVariant(
  folder: ModelFolder,
  variant: CompressedVariant,
  scheme: VariantScheme,
  source: VariantSource,
  calibrate: (scheme: VariantScheme) => Promise<Fitting>,
  options: CompressOptions,
): Promise<CompressedFile> {
  const chosen = variant === 'mixed' && !namesProducts(scheme);
  const isFitted = scheme.rounding && (chosen || scheme.rounding.method !== 'nearest');
  const fitted = isFitted ? await calibrate(scheme) : undefined;
  const choice = chosen && fitted ? await choose(folder, scheme, fitted, options) : undefined;
  options.onStage?.(`making ${variant}`);
  const prepared = prepareGraph(folder, scheme);
  const products: RoundedProducts = scheme.rounding
    ? (choice?.products ?? roundProducts(prepared.graph, scheme.rounding, fitted?.statistics))
    : new Map();
  const statistics = fitted && { statistics: fitted.statistics };
  const rounded = { variant, scheme: choice?.scheme ?? scheme, products, ...statistics };
  const refined = scheme.rounding && (await options.refine?.(rounded));
  const made = { ...rounded, ...refined };
  const facts = { ...choice?.facts, ...refined?.facts };
  const graph = refined?.weights ? prepareGraph({ ...folder, weights: refined.weights }, made.scheme) : prepared;
  const bytes = encodeVariant(graph, made.scheme, made.products, variantMetadata(variant, source, options.version));
  return {
    ...{ variant, bytes, scheme: made.scheme, products: made.products },
    sha256: createHash('sha256').update(bytes).digest('hex'),
    ...(fitted && { calibration: fitted.facts }),
    ...(Object.keys(facts).length > 0 && { refinement: facts }),
  };
}

function chooseSchemes({ variants, schemes = {} }: CompressOptions): ReadonlyMap<CompressedVariant, VariantScheme> {
  if (variants.length === 0) throw new IteraError('INVALID_ARGUMENT', 'Expected variants to make, got none.');
  const chosen = new Map(variants.map((variant) => [variant, schemes[variant] ?? defaultSchemes[variant]]));
  for (const [variant, scheme] of chosen) checkScheme(variant, scheme);
  return chosen;
}

/** Whether a scheme says itself how single products are stored. */
const namesProducts = ({ rounding }: VariantScheme): boolean =>
  Object.keys(rounding?.exceptions ?? {}).some((name) => !name.startsWith('*'));

function choose(
  folder: ModelFolder,
  scheme: VariantScheme,
  fitted: FittedText,
  { budgetNats, threads, signal, onStage, onProgress }: CompressOptions,
): Promise<BitChoice> {
  onStage?.('measuring what rounding each matrix costs');
  return chooseBits(folder, scheme as Parameters<typeof chooseBits>[1], fitted, {
    ...(budgetNats !== undefined && { budgetNats }),
    ...(threads !== undefined && { threads }),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
}

interface Fitting extends FittedText {
  readonly facts: CalibrationFacts;
}

/** Reads the text at most once, and runs it at most once for each form of graph. */
function createCalibration(
  folder: ModelFolder,
  { calibration, signal, onStage, onProgress }: CompressOptions,
): (scheme: VariantScheme) => Promise<Fitting> {
  const follow = { ...(signal && { signal }), ...(onProgress && { onProgress }) };
  const gathered = new Map<string, Fitting>();
  let text: Awaited<ReturnType<typeof readCalibration>> | undefined;
  return async (scheme) => {
    const form = preparedForm(scheme);
    const known = gathered.get(form);
    if (known) return known;
    if (!text) {
      const isOwn = (calibration.texts ?? []).length === 0;
      onStage?.(isOwn ? 'the model writes a text to calibrate with' : 'reading the text to calibrate with');
      text = await readCalibration(folder, { ...calibration, ...follow });
      const { tokens: wanted = defaultCalibrationTokens } = calibration;
      const found = text.facts.tokens;
      if (found < wanted)
        onStage?.(`only ${found} tokens to calibrate with, of ${wanted} wanted: a longer text rounds better`);
    }
    onStage?.('gathering what its products multiply');
    const { graph, experts } = prepareGraph(folder, scheme);
    const statistics = await gatherStatistics(graph, experts, folder.config, text.windows, follow);
    const fitting = { statistics, windows: text.windows, facts: text.facts };
    gathered.set(form, fitting);
    return fitting;
  };
}
