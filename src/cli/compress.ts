import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { defaultBudgetNats } from '../compression/bit-choice.ts';
import { defaultCalibrationTokens } from '../compression/calibration.ts';
import { type CompressedModel, compressModel } from '../compression/compress-model.ts';
import type { RoundingMethod } from '../compression/matrix-quantization.ts';
import {
  measureVariants,
  type VariantMeasurementOptions,
  type VariantMeasurements,
} from '../compression/variant-measurement.ts';
import { raiseFailed } from '../compression/variant-raising.ts';
import { defaultSchemes, type RoundingScheme, type VariantScheme } from '../compression/variant-schemes.ts';
import { createTuner, defaultTuningSteps, isTunable, refuseShortTexts } from '../compression/variant-tuning-file.ts';
import { recordVariantMeasurements, writeVariants } from '../compression/write-variants-file.ts';
import { IteraError } from '../core/errors.ts';
import { openDataset } from '../data/dataset-files.ts';
import { type Split, splits } from '../data/dataset-registry.ts';
import { distinctDatasets } from '../evaluation/dataset-quality.ts';
import { type DegradationBounds, defaultBounds, parseDegradationBounds } from '../evaluation/degradation-bounds.ts';
import { judgeVariants } from '../evaluation/gate.ts';
import { refuseOtherModel } from '../models/model-copy-file.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { type CompressedVariant, compressedVariants } from '../models/variants.ts';
import { terminalTable } from '../report/terminal-table.ts';
import { variantTable } from '../report/variants.ts';
import { defaultModel, openModel } from '../runtime/load-model-file.ts';
import { modelName } from '../validation/model-facts.ts';
import { describeProvenance } from '../validation/provenance.ts';
import { interruptSignal } from './interrupt.ts';
import { collect, parseAmount, parseChoice, parseCount, parseSeed, parseThreads } from './options.ts';
import { checkOutputFolder } from './output-folder.ts';
import { packageVersion } from './package-version.ts';
import { createProgress, type Progress } from './progress.ts';
import { chooseVariants, refuseFailures } from './variant-options.ts';

interface CompressCommandOptions {
  readonly model: string;
  readonly variant?: readonly string[];
  readonly calibration?: readonly string[];
  readonly calibrationTokens: number;
  readonly blockSize?: number;
  readonly symmetric?: boolean;
  readonly asymmetric?: boolean;
  readonly method?: RoundingMethod;
  readonly budget: number;
  readonly tune?: number | true;
  readonly raise: boolean;
  readonly out?: string;
  readonly dataset?: readonly string[];
  readonly split: Split;
  readonly dataDir?: string;
  readonly maxDegradation?: string;
  readonly seed: number;
  readonly threads: number;
  readonly json?: boolean;
}

/** Measured on unless told otherwise: they come with the package, and no model was trained on them. */
const defaultDatasets = ['stories', 'articles'] as const;

/** `itera-lite compress`: makes smaller forms of a model, compares them with it and judges them. */
export function compressCommand(): Command {
  return new Command('compress')
    .option('--model <dir>', 'model folder, or name of a bundled model', defaultModel)
    .addOption(
      new Option('--variant <name>', `form to make, repeatable: ${compressedVariants.join(', ')} or all`)
        .argParser(collect)
        .default(undefined, 'all'),
    )
    .option(
      '--calibration <name|file>',
      'text that rounding is fitted to, repeatable: a dataset (its train split), text file or folder (default: text that the model writes)',
      collect,
    )
    .option('--calibration-tokens <n>', 'tokens of it', parseCount, defaultCalibrationTokens)
    .option(
      '--block-size <n>',
      'weights that share a scale: 16, 32, 64 or 128 (default: 16 for 4 bits, 32 for 8)',
      (text) => parseChoice(text, [16, 32, 64, 128]),
    )
    .addOption(new Option('--symmetric', 'levels around 0 (default for 8 bits)').conflicts('asymmetric'))
    .option('--asymmetric', 'a zero point for each block (default for 4 bits)')
    .addOption(
      new Option('--method <name>', 'how levels are chosen (default: error-feedback)').choices([
        'nearest',
        'search',
        'error-feedback',
      ]),
    )
    .option(
      '--budget <nats>',
      'divergence that the bits of mixed may cost, as predicted, in nats per token',
      parseAmount,
      defaultBudgetNats,
    )
    .option(
      '--tune [steps]',
      `train the weights of int4, q4f16 and mixed for their levels, on the calibration text (default: ${defaultTuningSteps} steps)`,
      parseCount,
    )
    .option('--no-raise', 'do not give more bits to a variant that fails its gate')
    .option('--out <dir>', "folder to write, with a copy of the model (default: the model's own)")
    .option(
      '--dataset <name|file>',
      `text to compare on, repeatable (default: ${defaultDatasets.join(' and ')}, which come with the package)`,
      collect,
    )
    .addOption(new Option('--split <name>', 'split of named datasets').choices([...splits]).default('test'))
    .option('--data-dir <dir>', 'folder with <dataset>/<split>.txt (default: ITERA_DATA_DIR)')
    .option(
      '--max-degradation <percent>',
      `rise of perplexity allowed, for all or for each (default: ${describeBounds(defaultBounds)})`,
    )
    .option('--seed <n>', 'seed of the calibration text and of intervals', parseSeed, 1)
    .option('--threads <n>', 'threads of the comparison', parseThreads, Math.max(1, cpus().length))
    .option('--json', 'print the records as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite compress --model my-model\n' +
        '  itera-lite compress --model my-model --variant int4 --calibration my-text.txt --dataset my-test.txt\n' +
        '  itera-lite compress --model my-model --variant int4 --calibration my-text.txt --tune\n' +
        '  itera-lite compress --out small --variant int8 --variant int4 --max-degradation int8=1,int4=5\n\n' +
        'Files go to <folder>/onnx/, under the names that transformers.js looks for; itera.json keeps how they were made\n' +
        'and what was measured. generate --variant runs them. The exit code is 3 if the upper end of the interval of a\n' +
        "variant's rise of perplexity is beyond what is allowed; the files are written all the same. Before that, its most\n" +
        'sensitive matrices are given more bits, until it passes or no more can be given.\n' +
        'docs/compression.md explains methods and variants.',
    )
    .action(compress);
}

async function compress(options: CompressCommandOptions): Promise<void> {
  const { seed, threads, dataDir } = options;
  const variants = chooseVariants(options.variant ?? ['all']);
  if (options.tune && !variants.some(isTunable)) {
    const message = `Expected --tune with a variant below 8 bits (${compressedVariants.filter(isTunable).join(', ')}), got ${variants.join(', ')}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { variants });
  }
  const bounds = options.maxDegradation === undefined ? defaultBounds : parseDegradationBounds(options.maxDegradation);
  const datasets = distinctDatasets(options.dataset ?? defaultDatasets);
  const progress = createProgress();
  const { signal, stop } = interruptSignal('stopping');
  try {
    const folder = await openModel(options.model, { signal });
    await checkOutputFolder(options.out ?? folder.dir);
    if (options.out !== undefined) await refuseOtherModel(folder, options.out);
    await refuseSharedTexts(datasets, options, signal);
    const { calibration = [] } = options;
    if (options.tune) await refuseShortTexts(folder, { texts: calibration, ...(dataDir && { dataDir }), signal });
    const compressed = await compressModel(folder, {
      variants,
      schemes: chosenSchemes(variants, options),
      calibration: {
        texts: calibration,
        tokens: options.calibrationTokens,
        seed,
        ...(dataDir && { dataDir }),
      },
      version: packageVersion,
      budgetNats: options.budget,
      threads,
      signal,
      onStage: (stage) => progress.note(stage),
      onProgress: (done, total) => {
        progress.update({ done, total, unit: 'token' });
        if (done === total) progress.end();
      },
      ...(options.tune && { refine: tuner(folder, options, progress, signal) }),
    });
    progress.end();
    let written = await writeVariants(folder, compressed, options.out);
    noteFiles(progress, written.dir, compressed);
    const measurement: VariantMeasurementOptions = {
      datasets,
      split: options.split,
      ...(dataDir && { dataDir }),
      ...{ seed, threads, signal },
      onProgress: (dataset, { documents, tokens }) =>
        progress.count(`comparing on ${dataset}: ${documents} documents, ${tokens} tokens`),
    };
    const measure = async (): Promise<VariantMeasurements> => {
      const found = await measureVariants(written, modelName(written), variants, measurement);
      progress.end();
      return found;
    };
    let measured = await measure();
    if (options.raise) {
      const verdicts = judgeVariants(measured.records, bounds, { variants });
      const onStage = (stage: string): void => {
        progress.end();
        progress.note(stage);
      };
      const raised = await raiseFailed(
        written,
        modelName(written),
        compressed,
        { verdicts, bounds },
        { ...measurement, onStage },
      );
      if (raised.length > 0) {
        written = await writeVariants(folder, { ...compressed, files: raised }, options.out);
        noteFiles(progress, written.dir, { ...compressed, files: raised });
        measured = await measure();
      }
    }
    await recordVariantMeasurements(written.dir, variants, measured.records);
    const verdicts = judgeVariants(measured.records, bounds, { variants });
    process.stdout.write(
      options.json
        ? await describeAsJson(folder, measured, { seed, threads })
        : `${terminalTable(variantTable(measured.records, verdicts))}\n`,
    );
    refuseFailures(verdicts);
  } finally {
    progress.end();
    stop();
  }
}

function tuner(
  folder: ModelFolder,
  { tune, calibration = [], dataDir, seed, threads }: CompressCommandOptions,
  progress: Progress,
  signal: AbortSignal,
) {
  return createTuner(folder, {
    texts: calibration,
    steps: typeof tune === 'number' ? tune : defaultTuningSteps,
    ...{ seed, threads, signal },
    ...(dataDir && { dataDir }),
    onStage: (stage) => {
      progress.end();
      progress.note(stage);
    },
    onWriting: (done, total) => progress.update({ done, total, unit: 'token', detail: 'written' }),
    onStep: ({ step, totalSteps, divergence = Number.NaN }) =>
      progress.update({ done: step, total: totalSteps, unit: 'step', detail: `from FP32 ${divergence.toFixed(4)}` }),
  });
}

/** The default schemes with what the options change in them. */
function chosenSchemes(
  variants: readonly CompressedVariant[],
  { blockSize, symmetric, asymmetric, method }: CompressCommandOptions,
): Partial<Record<CompressedVariant, VariantScheme>> {
  const changes: Partial<RoundingScheme> = {
    ...(blockSize !== undefined && { blockSize }),
    ...((symmetric || asymmetric) && { symmetric: symmetric === true }),
    ...(method && { method }),
  };
  return Object.fromEntries(
    variants.map((variant) => {
      const scheme = defaultSchemes[variant];
      return [variant, scheme.rounding ? { ...scheme, rounding: { ...scheme.rounding, ...changes } } : scheme];
    }),
  );
}

/** A variant fitted to the text it is judged on would look better than it is. */
async function refuseSharedTexts(
  datasets: readonly string[],
  { calibration = [], split, dataDir }: CompressCommandOptions,
  signal: AbortSignal,
): Promise<void> {
  const places = { ...(dataDir && { dataDir }), signal };
  // Also finds out, before long work, whether all texts can be had.
  const hashes = new Map<string, string>();
  for (const dataset of datasets) hashes.set((await openDataset(dataset, { ...places, split })).sha256, dataset);
  if (calibration.length === 0) return;
  for (const text of calibration) {
    const shared = hashes.get((await openDataset(text, { ...places, split: 'train' })).sha256);
    if (shared === undefined) continue;
    const message = `Expected other texts to measure on than to calibrate with, got ${text} for both. Name another with --dataset or --calibration.`;
    throw new IteraError('INVALID_ARGUMENT', message, { calibration: text, dataset: shared });
  }
}

function noteFiles(progress: Progress, dir: string, { files, baselineBytes }: CompressedModel): void {
  for (const { variant, bytes } of files) {
    const share = ((100 * bytes.length) / baselineBytes).toFixed(1);
    progress.note(`${variant}: ${bytes.length} bytes, ${share}% of FP32`);
  }
  progress.note(`wrote ${resolve(dir)}/onnx`);
}

async function describeAsJson(
  folder: ModelFolder,
  { records, hashes }: VariantMeasurements,
  conditions: { readonly seed: number; readonly threads: number },
): Promise<string> {
  const model = Object.fromEntries(Object.entries(folder.sha256).map(([file, hash]) => [`model/${file}`, hash]));
  const provenance = await describeProvenance(packageVersion, { ...conditions, hashes: { ...model, ...hashes } });
  return `${JSON.stringify({ schemaVersion: 1, provenance, records }, undefined, 2)}\n`;
}

const describeBounds = (bounds: DegradationBounds): string =>
  Object.entries(bounds)
    .map(([variant, bound]) => `${variant}=${100 * bound}`)
    .join(',');
