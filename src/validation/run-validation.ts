import type { Scenario } from '../adaptation/scenarios.ts';
import type { Split } from '../data/dataset-registry.ts';
import { type DegradationBounds, defaultBounds } from '../evaluation/degradation-bounds.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import type { CompressedVariant } from '../models/variants.ts';
import type { Report } from '../report/report.ts';
import { checkReport } from '../report/report-schema.ts';
import { reportVerdicts } from '../report/verdicts.ts';
import { createModelTokenizer } from '../runtime/model.ts';
import { planVariants } from './compared-variants.ts';
import { deferDatasetScorer } from './dataset-scorer.ts';
import type { KeptStages } from './kept-stages-file.ts';
import { describeModel, modelName, trainingCurves } from './model-facts.ts';
import { describeProtocol } from './protocol.ts';
import { describeProvenance } from './provenance.ts';
import { benchmarkStage } from './run-benchmark.ts';
import { drillStages } from './run-drills.ts';
import { energyStage } from './run-energy.ts';
import { exportsStage } from './run-exports.ts';
import { findDatasets, qualityStage } from './run-quality.ts';
import { samplesStage } from './run-samples.ts';
import { serverStage } from './run-server.ts';
import { sizesStage } from './run-sizes.ts';
import type { Stage, StageProgress } from './stage.ts';
import type { StageContext } from './stage-context.ts';
import { runStages } from './stages.ts';
import { fullSize, quickSize } from './validation-size.ts';

export interface ValidationOptions {
  readonly version: string;
  readonly datasets: readonly string[];
  readonly split: Split;
  readonly dataDir?: string;
  /** Score every document instead of a sample. */
  readonly fullText: boolean;
  /** Measure less of everything, see `quickSize`. Default: not. */
  readonly quick?: boolean;
  /** Compressed variants to compare with the model, see {@link planVariants}; none if absent. */
  readonly variants?: readonly CompressedVariant[];
  /** What the gate allows them; default {@link defaultBounds}. */
  readonly bounds?: DegradationBounds;
  /** Whether exported files are compared with the model. Default: not. */
  readonly exports?: boolean;
  /** Whether the model is timed in several runtimes. Default: not. */
  readonly benchmark?: boolean;
  /** Whether the energy of the model and its variants is measured, or bounded. Default: not. */
  readonly energy?: boolean;
  /** Whether the model is served, and the server asked. Default: not. */
  readonly server?: boolean;
  /** Feedback that the model is adapted to, each in a drill of its own. Default: none. */
  readonly drills?: readonly Scenario[];
  /** The options that chose variants and drills, for what the report says of those left out. */
  readonly chosenBy?: { readonly variants: string; readonly drills: string };
  readonly seed: number;
  readonly threads: number;
  /** Keeps results as stages end, and has those of an interrupted run; see {@link describeJob}. Default: nothing is kept. */
  readonly kept?: KeptStages;
  readonly signal?: AbortSignal;
  readonly onProgress?: (at: StageProgress) => void;
}

/**
 * The main job: measures a model on every dataset that can be had, lets it write, and collects all of it as a report.
 * A dataset that is not on this machine is reported as not run, a stage that fails as failed; the others are run.
 *
 * @throws {@link IteraError} at once, for the caller's faults: `DATASET_UNKNOWN`, `INVALID_ARGUMENT` (a split that a
 *   dataset lacks, files of one name), `FILE_CORRUPT`, `TEXT_EMPTY`, and what `readVariant` throws for a recorded variant;
 *   `ABORTED`; what a stage throws if none gives a number or a text.
 */
export async function runValidation(folder: ModelFolder, options: ValidationOptions): Promise<Report> {
  const { version, seed, threads, signal, kept, quick = false, bounds = defaultBounds } = options;
  const chosenBy = options.chosenBy ?? { variants: '--variant none', drills: '--drill none' };
  const name = modelName(folder);
  const size = quick ? quickSize : fullSize;
  const context: StageContext = { folder, name, version, seed, threads, size, ...(signal && { signal }) };
  const tokenizer = createModelTokenizer(folder);

  const datasets = await findDatasets(options);
  const { calibrationTokens } = size;
  const making = { ...options, calibrationTokens, leftOutBy: chosenBy.variants };
  const variants = await planVariants(folder, options.variants ?? [], making);
  const scorer = deferDatasetScorer(folder, { name, tokenizer, threads }, variants.ready);

  const unless = (isWanted: boolean | undefined, option: string) => (isWanted ? undefined : option);
  const plan: readonly Stage[] = [
    ...variants.stages,
    sizesStage(context, variants),
    ...datasets.map((dataset) => qualityStage(context, dataset, scorer, variants, options)),
    samplesStage(context),
    exportsStage(context, unless(options.exports, '--no-exports')),
    benchmarkStage(context, variants, unless(options.benchmark, '--no-bench')),
    energyStage(context, variants, unless(options.energy, '--no-energy')),
    serverStage(context, unless(options.server, '--no-server')),
    ...drillStages(context, options.drills ?? [], chosenBy.drills),
  ];

  const frame = {
    ...{ schemaVersion: 1 as const, kind: 'validation' as const, title: `Validation of ${name}` },
    provenance: await describeProvenance(version, { threads, seed, hashes: prefixKeys('model/', folder.sha256) }),
    model: describeModel(folder, name),
    protocol: describeProtocol({ ...options, quick }, size, []),
    curves: trainingCurves(folder),
  };
  try {
    const found = await runStages(plan, {
      ...{ signal, kept, onProgress: options.onProgress },
      check: ({ records = [], samples = [] }) => checkReport({ ...frame, records, samples }),
    });
    const compared = variants.ready().length > 0 ? { bounds } : {};
    const verdicts = reportVerdicts({ records: found.records, ...compared });
    const findings = [...verdicts.map(({ sentence }) => sentence), ...found.findings];
    const hashes = { ...frame.provenance.hashes, ...variants.hashes(), ...found.hashes };
    return {
      ...frame,
      provenance: { ...frame.provenance, createdAt: new Date().toISOString(), hashes },
      records: found.records,
      samples: found.samples,
      protocol: describeProtocol({ ...options, quick }, size, variants.ready()),
      stages: found.stages,
      ...compared,
      ...(findings.length > 0 && { findings }),
      ...(found.failures.length > 0 && { failures: found.failures }),
    };
  } finally {
    await scorer.release();
  }
}

/**
 * All that the numbers of a run depend on: an interrupted one is only gone on with if nothing of it has changed. What only
 * some stages depend on (texts, variants) they say themselves, see {@link Stage}.
 */
export async function describeJob(
  folder: ModelFolder,
  { version, seed, threads, split, fullText, quick = false }: ValidationOptions,
): Promise<Readonly<Record<string, string>>> {
  const {
    createdAt: _,
    hashes,
    ...about
  } = await describeProvenance(version, {
    ...{ seed, threads, hashes: prefixKeys('model/', folder.sha256) },
  });
  const facts = { model: modelName(folder), ...hashes, ...about, split, 'full-text': fullText, quick };
  return Object.fromEntries(Object.entries(facts).map(([key, value]) => [key, String(value)]));
}

function prefixKeys(prefix: string, record: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [prefix + key, value]));
}
