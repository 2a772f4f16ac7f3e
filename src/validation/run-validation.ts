import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scenario } from '../adaptation/scenarios.ts';
import { runBenchmark } from '../benchmark/run-benchmark.ts';
import type { BenchRuntime } from '../benchmark/sides.ts';
import { measureSizes } from '../compression/variant-size.ts';
import { type IteraError, throwIfAborted } from '../core/errors.ts';
import { type MeasurementRecord, recordId } from '../core/measurement.ts';
import { openDataset } from '../data/dataset-files.ts';
import type { Split } from '../data/dataset-registry.ts';
import { unmeasuredComparison } from '../evaluation/dataset-comparison.ts';
import { defaultWindow, distinctDatasets, evaluateDataset, isUnavailable } from '../evaluation/dataset-quality.ts';
import { type DegradationBounds, defaultBounds } from '../evaluation/degradation-bounds.ts';
import { encodeInferenceModel } from '../models/inference-model.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { countParameters } from '../models/parameters.ts';
import type { CompressedVariant, VariantName } from '../models/variants.ts';
import type { Report, Sample } from '../report/report.ts';
import { reportVerdicts } from '../report/verdicts.ts';
import { createModel, type Model } from '../runtime/model.ts';
import { type PreparedVariant, prepareVariants } from './compared-variants.ts';
import { createDatasetScorer, type DatasetScorer } from './dataset-scorer.ts';
import { modelName, trainingCurves } from './model-facts.ts';
import { describeProvenance } from './provenance.ts';
import { drillStages } from './run-drills.ts';
import { energyStage } from './run-energy.ts';
import { checkExports } from './run-exports.ts';
import { serverStage } from './run-server.ts';
import { runStages, type Stage } from './stages.ts';

export interface ValidationOptions {
  readonly version: string;
  readonly datasets: readonly string[];
  readonly split: Split;
  readonly dataDir?: string;
  /** Score every document instead of a sample. */
  readonly fullText: boolean;
  /** Compressed variants to compare with the model, see {@link prepareVariants}; none if absent. */
  readonly variants?: readonly CompressedVariant[];
  /** What the gate allows them; default {@link defaultBounds}. */
  readonly bounds?: DegradationBounds;
  /** Whether exported files are compared with the model. Default: not. */
  readonly exports?: boolean;
  /** Runtimes that the model is timed in. Default: none. */
  readonly runtimes?: readonly BenchRuntime[];
  /** Whether the energy of the model and its variants is measured, or bounded. Default: not. */
  readonly energy?: boolean;
  /** Whether the model is served, and the server asked. Default: not. */
  readonly server?: boolean;
  /** Feedback that the model is adapted to, each in a drill of its own. Default: none. */
  readonly drills?: readonly Scenario[];
  readonly seed: number;
  readonly threads: number;
  readonly signal?: AbortSignal;
  /** What is being done, in words, and its place among all stages. */
  readonly onStage?: (stage: string, index: number, total: number) => void;
}

/** What `--full-text` lifts: so much of each dataset is scored that the whole run ends within two minutes on 2 cores. */
const sampleLimits = { maxDocuments: 400, maxBytes: 150_000, minDocuments: 12 } as const;

const prompts = ['Once upon a time', 'The dog was sad because', 'The city is'] as const;
const sampling = { temperature: 0.7, topP: 0.95, maxNewTokens: 120 } as const;

/**
 * The main job: measures a model on every dataset that can be had, lets it write, and collects all of it as a report.
 * A dataset that is not on this machine is reported as not run.
 *
 * @throws {@link IteraError} at once, for the caller's faults: `DATASET_UNKNOWN`, `INVALID_ARGUMENT` (a split that a
 *   dataset lacks, files of one name), `FILE_CORRUPT`, `TEXT_EMPTY`; later what {@link evaluateDataset} throws; `ABORTED`.
 */
export async function runValidation(folder: ModelFolder, options: ValidationOptions): Promise<Report> {
  const { seed, threads, signal, onStage, variants = [], bounds = defaultBounds } = options;
  const name = modelName(folder);
  const datasets = await findDatasets(options);
  const plan: readonly ((ready: Ready) => Stage)[] = [
    ...datasets.map((dataset) => (ready: Ready) => qualityStage(ready, dataset, name, options)),
    ({ model }) => samplesStage(model, name, options),
    ...(options.exports ? [() => exportsStage(folder, name, options)] : []),
    ...(options.runtimes?.length ? [({ prepared }: Ready) => benchmarkStage(folder, name, prepared, options)] : []),
    ...(options.energy ? [({ prepared }: Ready) => energyStage(folder, prepared, { ...options, name })] : []),
    ...(options.server ? [() => serverStage(folder, { ...options, name })] : []),
    ...drillStages(folder, name, options).map((stage) => () => stage),
  ];
  const total = plan.length + 1;
  const prepare = (what: string): void => onStage?.(what, 0, total);
  const prepared = await prepareVariants(folder, variants, { ...options, onStage: prepare });
  throwIfAborted(signal);
  if (prepared.length > 0) prepare('measuring memory');
  const sizes = await sizeRecords(folder, name, prepared, signal);
  prepare('loading the model');
  const model = await createModel(folder, { threads });
  const scorer = await createDatasetScorer(folder, { name, tokenizer: model.tokenizer, threads }, prepared);
  try {
    const stages = plan.map((build) => build({ model, scorer, prepared }));
    const found = await runStages(stages, {
      signal,
      onStage: (stage, index) => onStage?.(stage, index + 1, total),
    });
    const files = Object.fromEntries(prepared.map((variant) => [`variant/${variant.name}`, variant.sha256]));
    const hashes = { ...prefixKeys('model/', folder.sha256), ...files, ...found.hashes };
    const compared = variants.length > 0 ? { bounds } : {};
    const verdicts = reportVerdicts({ records: found.records, ...compared });
    const findings = [...verdicts.map(({ sentence }) => sentence), ...found.findings];
    return {
      schemaVersion: 1,
      kind: 'validation',
      title: `Validation of ${name}`,
      provenance: await describeProvenance(options.version, { threads, seed, hashes }),
      model: describeModel(folder, name),
      records: [...sizes, ...found.records],
      samples: found.samples,
      curves: trainingCurves(folder),
      protocol: describeProtocol(options, prepared),
      ...compared,
      ...(findings.length > 0 && { findings }),
      ...(found.failures.length > 0 && { failures: found.failures }),
    };
  } finally {
    await scorer.release();
    await model.release();
  }
}

/** What stages work with, once it is there. */
interface Ready {
  readonly model: Model;
  readonly scorer: DatasetScorer;
  readonly prepared: readonly PreparedVariant[];
}

function exportsStage(folder: ModelFolder, name: string, { version, seed, signal }: ValidationOptions): Stage {
  const run = () => checkExports(folder, { name, version, seed, ...(signal && { signal }) });
  return { name: 'comparing exported files', run };
}

/** Few rounds and single starts: the whole benchmark is a command of its own. */
const benchmarkSize = { threads: [1], lengths: [128], rounds: 9, loads: 1 } as const;

function benchmarkStage(
  folder: ModelFolder,
  name: string,
  prepared: readonly PreparedVariant[],
  { runtimes = [], signal }: ValidationOptions,
): Stage {
  const variants = prepared.filter((variant) => variant.name === 'int8' || variant.name === 'int4');
  const run: Stage['run'] = async (say) => {
    const files = new Map<VariantName, Uint8Array>([
      ['fp32', encodeInferenceModel(folder)],
      ...variants.map((variant): [VariantName, Uint8Array] => [variant.name, variant.model]),
    ]);
    const records = await runBenchmark(folder, {
      ...{ name, files, runtimes, ...benchmarkSize, onStage: say },
      ...(signal && { signal }),
    });
    return { records };
  };
  return { name: 'timing runtimes', run };
}

/** A dataset to be measured, or why it cannot be. */
interface FoundDataset {
  readonly dataset: string;
  readonly absence?: IteraError;
}

/** Opens every dataset before any is scored, so that a fault shows at once and not after minutes. */
async function findDatasets({ datasets, split, dataDir, signal }: ValidationOptions): Promise<FoundDataset[]> {
  const found: FoundDataset[] = [];
  for (const dataset of distinctDatasets(datasets)) {
    try {
      await openDataset(dataset, { split, ...(dataDir && { dataDir }), ...(signal && { signal }) });
      found.push({ dataset });
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      found.push({ dataset, absence: error });
    }
  }
  return found;
}

/** A text that cannot be had on this machine leaves records that say so. */
function qualityStage(
  { scorer, prepared }: Ready,
  { dataset, absence }: FoundDataset,
  name: string,
  { split, dataDir, fullText, seed, signal }: ValidationOptions,
): Stage {
  const run: Stage['run'] = async () => {
    if (absence) {
      const variants = ['fp32', ...prepared.map((variant) => variant.name)];
      return { records: unmeasuredComparison(dataset, { name, variants }, split, absence) };
    }
    const { records, text, sha256 } = await scorer.score(dataset, {
      ...{ split, ...defaultWindow, seed },
      ...(dataDir && { dataDir }),
      ...(!fullText && { sample: sampleLimits }),
      ...(signal && { signal }),
    });
    return { records, hashes: { [`dataset/${text}`]: sha256 } };
  };
  return { name: `scoring ${dataset}`, run };
}

function samplesStage(model: Model, name: string, { seed, signal }: ValidationOptions): Stage {
  const run: Stage['run'] = async () => {
    const samples: Sample[] = [];
    for (const prompt of prompts) {
      let text = '';
      const { temperature, topP } = sampling;
      const pieces = model.generate(prompt, { ...sampling, seed, ...(signal && { signal }) });
      for await (const piece of pieces) text += piece.text;
      samples.push({ model: name, variant: 'fp32', prompt, text, seed, temperature, topP });
    }
    return { samples };
  };
  return { name: 'writing samples', run };
}

function describeModel({ config }: ModelFolder, name: string): Report['model'] {
  const { total, activePerToken, withoutEmbedding } = countParameters(config);
  const kinds = [...new Set(config.layersBlockType)].join(' and ');
  return {
    name,
    description: `A language model of the GraniteMoeHybrid family with ${config.numHiddenLayers} ${kinds} layers.`,
    parameters: total,
    activeParameters: activePerToken,
    parametersWithoutEmbedding: withoutEmbedding,
    facts: {
      Vocabulary: config.vocabSize,
      Width: config.hiddenSize,
      Layers: config.numHiddenLayers,
      Experts: config.numLocalExperts,
      'Experts per token': config.numExpertsPerTok,
    },
  };
}

async function sizeRecords(
  folder: ModelFolder,
  name: string,
  variants: readonly PreparedVariant[],
  signal?: AbortSignal,
): Promise<MeasurementRecord[]> {
  const { config, dir } = folder;
  const { total, activePerToken } = countParameters(config);
  const conditions = { model: name, variant: 'fp32' };
  const file = await stat(join(dir, 'model.safetensors'));
  const record = (
    metric: 'parameters' | 'active_parameters' | 'size_bytes',
    value: number,
    unit: string,
    method: string,
  ) => ({
    id: recordId(name, metric, conditions),
    subject: name,
    metric,
    unit,
    value,
    n: 1,
    status: 'measured' as const,
    method,
    conditions,
  });
  return [
    record('parameters', total, 'parameters', 'counted from the configuration'),
    record('active_parameters', activePerToken, 'parameters', 'counted from the configuration'),
    ...(variants.length === 0
      ? [record('size_bytes', file.size, 'bytes', 'size of model.safetensors')]
      : await measureSizes(
          config,
          name,
          [{ name: 'fp32', model: encodeInferenceModel(folder) }, ...variants],
          signal ? { signal } : {},
        )),
  ];
}

function describeProtocol(
  { fullText, seed, threads }: ValidationOptions,
  variants: readonly PreparedVariant[],
): Report['protocol'] {
  const { contextLength, stride } = defaultWindow;
  const scope = fullText
    ? 'Every document is scored.'
    : `Of each dataset a random sample is scored (seed ${seed}): at most ${sampleLimits.maxDocuments} documents, taken until ` +
      `they reach ${sampleLimits.maxBytes.toLocaleString('en-US')} bytes, at least ${sampleLimits.minDocuments}. --full-text scores all.`;
  return [
    {
      name: 'Scoring',
      text:
        `Every token of a document is scored once, in windows of ${contextLength} tokens: a document's first window scores all ` +
        `it holds, each later one its last ${stride}. A document starts after an end-of-text mark, which is not scored. ${scope}`,
    },
    {
      name: 'WikiText-2',
      text:
        'Pages are detokenised and divided by the bytes and words of the original page, as lm-evaluation-harness does; ' +
        'its rolling windows differ from ours.',
    },
    { name: 'Intervals', text: '95% percentile bootstrap over documents, 2,000 resamples.' },
    { name: 'Runtime', text: `ONNX Runtime, CPU, float32, ${threads} threads.` },
    ...(variants.length === 0 ? [] : [{ name: 'Variants', text: describeVariants(variants, seed) }]),
    {
      name: 'Samples',
      text: `First and only draw with seed ${seed}, temperature ${sampling.temperature}, top-p ${sampling.topP}; none was left out.`,
    },
  ];
}

function describeVariants(variants: readonly PreparedVariant[], seed: number): string {
  const list = (recorded: boolean): string =>
    variants
      .filter((variant) => variant.recorded === recorded)
      .map(({ name }) => name)
      .join(', ');
  const [read, made] = [list(true), list(false)];
  return [
    'All variants and FP32 are run on the same tokens in one pass; intervals of ratios are paired.',
    ...(read === '' ? [] : [`As the model folder holds them: ${read}.`]),
    ...(made === ''
      ? []
      : [
          `Made for this report by the default schemes, fitted to a text that the model wrote (seed ${seed}): ${made}.`,
        ]),
  ].join(' ');
}

function prefixKeys(prefix: string, record: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [prefix + key, value]));
}
