import { compressModel } from '../../compression/compress-model.ts';
import { measureVariants } from '../../compression/variant-measurement.ts';
import { writeVariants } from '../../compression/write-variants-file.ts';
import { type DegradationBounds, defaultBounds } from '../../evaluation/degradation-bounds.ts';
import { judgeVariants } from '../../evaluation/gate.ts';
import { buildInferenceGraph } from '../../models/inference-graph.ts';
import type { ModelContents } from '../../models/model-folder.ts';
import { type ModelFolder, readModelFolder, writeModelFolder } from '../../models/model-folder-file.ts';
import type { CompressedVariant } from '../../models/variants.ts';
import { createModelTokenizer } from '../../runtime/model.ts';
import { createTokenScorer } from '../../runtime/token-scorer.ts';
import type { Example } from '../learning/example.ts';
import { type ExampleLoss, scoreExamples } from '../learning/example-loss.ts';
import { type Learned, type LearningSettings, learnExamples } from '../learning/learning.ts';
import { compareOnBaseText } from './base-text.ts';
import type { CandidateEvidence, CandidateMeasurements } from './candidate-evidence.ts';
import { compareExamples } from './held-out.ts';
import { compareLatency } from './latency-comparison.ts';

/** All that a candidate is made from; plain JSON, so that another process can make it. */
export interface CandidateJob {
  /** Folder of the base model, and of the promoted version, which may be the same. */
  readonly baseDir: string;
  readonly promotedDir: string;
  /** Folder to write. */
  readonly outDir: string;
  /** Name of the candidate. */
  readonly name: string;
  readonly training: readonly Example[];
  readonly stopping: readonly Example[];
  readonly heldOut: readonly Example[];
  readonly settings: LearningSettings;
  /** Compressed forms that are made anew and must pass. */
  readonly variants: readonly CompressedVariant[];
  /** Tokens of the text that their rounding is fitted to; default as in `compressModel`. */
  readonly calibrationTokens?: number;
  /** What they may cost; default {@link defaultBounds}. */
  readonly bounds?: DegradationBounds;
  /** Texts that must not get worse, and bytes of each that are scored. */
  readonly baseTexts: readonly string[];
  readonly baseBytes: number;
  /** Texts that variants are judged on. */
  readonly variantTexts: readonly string[];
  readonly dataDir?: string;
  readonly threads: number;
  /** Version of Itera-Lite. */
  readonly version: string;
}

/** How making a candidate is followed and stopped. */
export interface CandidateOptions {
  /** Gives up; nothing is promoted then. */
  readonly signal?: AbortSignal;
  /** What is being done, in words. */
  readonly onStage?: (stage: string) => void;
  /** After each step of learning, with its mean loss in nats a token. */
  readonly onStep?: (step: number, steps: number, loss: number) => void;
}

/**
 * Learns from examples, writes the candidate's folder with its compressed variants, and gathers what the gate judges it
 * by. Learning starts from the base model, with all feedback there is: what was deleted is not in it any more, and small
 * losses do not add up over adaptations.
 *
 * @returns Without measurements if learning found nothing better; no folder is written then.
 * @throws {@link IteraError} what reading, learning, compressing and measuring throw.
 */
export async function makeCandidate(
  job: CandidateJob,
  { signal, onStage, onStep }: CandidateOptions = {},
): Promise<CandidateEvidence> {
  const { training, stopping, heldOut, settings, threads } = job;
  const stoppable = signal ? { signal } : {};
  const base = await readModelFolder(job.baseDir, stoppable);
  const promoted = job.promotedDir === job.baseDir ? base : await readModelFolder(job.promotedDir, stoppable);
  const learned = await learnExamples(base, training, stopping, settings, {
    ...{ threads, ...stoppable },
    ...(onStage && { onStage }),
    ...(onStep && { onStep }),
  });
  const { best, ...course } = learned;
  if (!best) return { learning: course };
  const learning = { step: best.step, ...course };
  const candidate = await writeCandidate(base, best.weights, learning, job);
  onStage?.('scoring held-out feedback');
  const before = await scoreBy(promoted, heldOut, threads);
  const after = await scoreBy(candidate, heldOut, threads);
  onStage?.('scoring base text');
  const { baseTexts: texts, baseBytes: maxBytes, dataDir } = job;
  const places = { ...(dataDir && { dataDir }), ...stoppable };
  const own = await compareOnBaseText(base, candidate, { texts, maxBytes, seed: settings.seed, threads, ...places });
  const variants = await judgeVariantsOf(candidate, job, { ...stoppable, ...(onStage && { onStage }) });
  onStage?.('timing');
  const latency = await compareLatency(promoted, candidate, stoppable);
  return { learning, measured: { heldOut: compareExamples(before, after, settings.seed), ...own, variants, latency } };
}

/** What `itera.json` says of the base model's weights, which is not true of others. */
const ofBaseOnly = new Set(['variants', 'measurements', 'validation', 'samples', 'charts', 'training']);

async function writeCandidate(
  base: ModelFolder,
  weights: NonNullable<Learned['best']>['weights'],
  learning: CandidateEvidence['learning'],
  { outDir, name, training, settings, version }: CandidateJob,
): Promise<ModelFolder> {
  const { config, tokenizerJson, tokenizerConfig, generationConfig } = base;
  const origin = Object.fromEntries(
    Object.entries((base.itera ?? {}) as Record<string, unknown>).filter(([name]) => !ofBaseOnly.has(name)),
  );
  const adaptation = { base: base.sha256['model.safetensors'], examples: training.length, settings, ...learning };
  const itera = { schemaVersion: 1, ...origin, name, iteraLite: version, adaptation };
  const readme = renderCandidateCard(name, base, adaptation);
  await writeModelFolder(outDir, { config, weights, tokenizerJson, tokenizerConfig, generationConfig, itera, readme });
  return readModelFolder(outDir);
}

function renderCandidateCard(
  name: string,
  { itera }: ModelFolder,
  { base, examples, step }: { readonly base: string | undefined; readonly examples: number; readonly step?: number },
): string {
  const { name: baseName } = (itera ?? {}) as { readonly name?: unknown };
  const origin = typeof baseName === 'string' ? baseName : 'A model';
  return [
    `# ${name}`,
    `${origin} (sha256 of its weights ${base}) adapted to ${examples} pieces of feedback in ${step} steps.`,
    'What it was trained on before is said in the card of that model; `itera.json` keeps the settings of the adaptation.',
    '',
  ].join('\n\n');
}

async function scoreBy(
  { config, weights, ...rest }: ModelContents,
  examples: readonly Example[],
  threads: number,
): Promise<readonly ExampleLoss[]> {
  const scorer = await createTokenScorer(buildInferenceGraph(config, weights), config, { threads });
  try {
    return await scoreExamples(examples, createModelTokenizer({ config, ...rest }), scorer);
  } finally {
    await scorer.release();
  }
}

/** Variants are rounded anew for the new weights, by the errors that these show, and judged against them. */
async function judgeVariantsOf(
  candidate: ModelFolder,
  {
    name,
    variants,
    calibrationTokens,
    bounds = defaultBounds,
    variantTexts,
    dataDir,
    settings,
    threads,
    version,
  }: CandidateJob,
  { signal, onStage }: CandidateOptions,
): Promise<CandidateMeasurements['variants']> {
  if (variants.length === 0) return [];
  const { seed } = settings;
  const stoppable = signal ? { signal } : {};
  const calibration = { seed, ...(calibrationTokens !== undefined && { tokens: calibrationTokens }) };
  const follow = { ...stoppable, ...(onStage && { onStage }) };
  const compressed = await compressModel(candidate, { variants, calibration, version, threads, ...follow });
  const written = await writeVariants(candidate, compressed);
  onStage?.('comparing variants');
  const places = { ...(dataDir && { dataDir }), ...stoppable };
  const options = { datasets: variantTexts, split: 'test' as const, seed, threads, ...places };
  const { records } = await measureVariants(written, name, variants, options);
  return judgeVariants(records, bounds, { variants }).map(({ variant, passed, sentence }) => ({
    variant,
    passed,
    sentence,
  }));
}
