import { createHash } from 'node:crypto';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { variantSource } from '../models/variant-file.ts';
import { type CompressedVariant, type VariantSource, variantMetadata } from '../models/variants.ts';
import { type CalibrationFacts, type CalibrationOptions, readCalibration } from './calibration.ts';
import { type CalibrationStatistics, gatherStatistics } from './calibration-statistics.ts';
import type { RoundedProducts } from './rounded-weights.ts';
import { encodeBaseline, encodeVariant, preparedForm, prepareGraph, roundProducts } from './variant-graph.ts';
import { checkScheme, defaultSchemes, type VariantScheme } from './variant-schemes.ts';

export interface CompressOptions {
  readonly variants: readonly CompressedVariant[];
  /** Whole schemes in place of {@link defaultSchemes}; `mixed` needs one with `exceptions`, or `refine`. */
  readonly schemes?: Readonly<Partial<Record<CompressedVariant, VariantScheme>>>;
  /** What rounding is fitted to, where a method needs it. */
  readonly calibration: Omit<CalibrationOptions, 'signal' | 'onProgress'>;
  /**
   * Changes what rounding gives before it is written: other matrices for its products, and weights trained for them.
   * Undefined keeps everything.
   */
  readonly refine?: (rounded: RoundedVariant) => Promise<RefinedVariant | undefined>;
  /** Version of Itera-Lite, written into the files. */
  readonly version: string;
  readonly signal?: AbortSignal;
  readonly onStage?: (stage: string) => void;
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

export interface CompressedModel {
  /** Size of the ONNX file of the same model in float32, which the variants' sizes are compared with. */
  readonly baselineBytes: number;
  readonly source: VariantSource;
  readonly version: string;
  readonly files: readonly CompressedFile[];
}

/**
 * Makes compressed variants of a model. Equal folders, schemes and calibration texts give equal bytes.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for no variants, `mixed` without bits, or a scheme that is not allowed,
 *   before anything is computed, and for weights that a format cannot hold; what {@link readCalibration} throws;
 *   `RUNTIME_FAILED`, `ABORTED`.
 */
export async function compressModel(folder: ModelFolder, options: CompressOptions): Promise<CompressedModel> {
  const { version, signal, onStage } = options;
  const schemes = chooseSchemes(options);
  const source = variantSource(folder);
  const calibrate = createCalibration(folder, options);
  const files: CompressedFile[] = [];
  for (const [variant, scheme] of schemes) {
    throwIfAborted(signal);
    const fitted = scheme.rounding && scheme.rounding.method !== 'nearest' ? await calibrate(scheme) : undefined;
    onStage?.(`making ${variant}`);
    const prepared = prepareGraph(folder, scheme);
    const products: RoundedProducts = scheme.rounding
      ? roundProducts(prepared.graph, scheme.rounding, fitted?.statistics)
      : new Map();
    const rounded = { variant, scheme, products, ...(fitted && { statistics: fitted.statistics }) };
    const refined = scheme.rounding && (await options.refine?.(rounded));
    const made = { scheme, products, ...refined };
    const graph = refined?.weights ? prepareGraph({ ...folder, weights: refined.weights }, made.scheme) : prepared;
    const bytes = encodeVariant(graph, made.scheme, made.products, variantMetadata(variant, source, version));
    files.push({
      ...{ variant, bytes, scheme: made.scheme, products: made.products },
      sha256: createHash('sha256').update(bytes).digest('hex'),
      ...(fitted && { calibration: fitted.facts }),
      ...(refined && { refinement: refined.facts }),
    });
    // Lets an interrupt be noticed between variants.
    await new Promise(setImmediate);
  }
  throwIfAborted(signal);
  return { baselineBytes: encodeBaseline(folder).length, source, version, files };
}

function chooseSchemes({
  variants,
  schemes = {},
  refine,
}: CompressOptions): ReadonlyMap<CompressedVariant, VariantScheme> {
  if (variants.length === 0) throw new IteraError('INVALID_ARGUMENT', 'Expected variants to make, got none.');
  const chosen = new Map(variants.map((variant) => [variant, schemes[variant] ?? defaultSchemes[variant]]));
  for (const [variant, scheme] of chosen) checkScheme(variant, scheme);
  const named = Object.keys(chosen.get('mixed')?.rounding?.exceptions ?? {}).filter((name) => !name.startsWith('*'));
  if (chosen.has('mixed') && named.length === 0 && !refine) {
    const message = 'Expected the bits of each product for mixed, in exceptions of its scheme; got none.';
    throw new IteraError('INVALID_ARGUMENT', message);
  }
  return chosen;
}

interface Fitting {
  readonly statistics: CalibrationStatistics;
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
    }
    onStage?.('gathering what its products multiply');
    const { graph, experts } = prepareGraph(folder, scheme);
    const statistics = await gatherStatistics(graph, experts, folder.config, text.windows, follow);
    const fitting = { statistics, facts: text.facts };
    gathered.set(form, fitting);
    return fitting;
  };
}
