import { join } from 'node:path';
import { IteraError } from '../core/errors.ts';
import { withFolderLock } from '../data/folder-lock-file.ts';
import type { DegradationBounds } from '../evaluation/degradation-bounds.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { countParameters } from '../models/parameters.ts';
import { type CompressedVariant, compressedVariants } from '../models/variants.ts';
import type { CandidateJob, CandidateOptions } from './candidate/candidate.ts';
import {
  type CandidateEvidence,
  type GateFinding,
  judgeEvidence,
  passesEvidence,
} from './candidate/candidate-evidence.ts';
import { makeCandidateAside } from './candidate/candidate-worker.ts';
import { currentDeployment, findVersion } from './deployment.ts';
import { type Curation, type CurationOptions, curateFeedback } from './learning/curation.ts';
import type { LearningSettings } from './learning/learning.ts';
import { nextLearningRate } from './learning/learning-rate.ts';
import type {
  AdaptationRun,
  AdaptationStore,
  Deployment,
  DeploymentChange,
  ModelVersion,
  NewVersion,
  RunTrigger,
} from './store/store-records.ts';
import {
  checkVersion,
  claimVersionsFolder,
  copyBaseVersion,
  dispensableVersions,
  makingFolder,
  nextVersionId,
  removeLeftovers,
  settleVersion,
} from './version-folder.ts';

/** How {@link runAdaptation} learns and judges. */
export interface AdaptationOptions extends CandidateOptions {
  /** Folder of the versions. */
  readonly versionsDir: string;
  /** Of all that is drawn at random. */
  readonly seed: number;
  /** Of learning and scoring, 1 or more. */
  readonly threads: number;
  /** Version of Itera-Lite. */
  readonly version: string;
  /** Default `manual`. */
  readonly trigger?: RunTrigger;
  /** See `learningRatePresets`; default `default`. */
  readonly preset?: string;
  /** In place of the preset's. */
  readonly learningRate?: number;
  /** Steps at most; default: enough to read the examples some times. */
  readonly steps?: number;
  /** Which feedback is learnt from. */
  readonly curation?: CurationOptions;
  /** Default: all. */
  readonly variants?: readonly CompressedVariant[];
  /** Tokens of the text that their rounding is fitted to; default as in `compressModel`. */
  readonly calibrationTokens?: number;
  /** Rise of perplexity that each variant may cost, as a share; default {@link defaultBounds}. */
  readonly bounds?: DegradationBounds;
  /** Default: the texts of the package, and `tinystories` and `wikitext-2` where they are on this machine. */
  readonly baseTexts?: readonly string[];
  /** Bytes of each base text that are scored; default 150,000. */
  readonly baseBytes?: number;
  /** Folder with `<dataset>/<split>.txt`; default `ITERA_DATA_DIR`, then the cache. */
  readonly dataDir?: string;
  /** Promote a candidate that passes for this share of clients only. */
  readonly canaryShare?: number;
  /** Versions kept besides those in use; default 5. */
  readonly keep?: number;
}

/** What a run of adaptation came to. */
export interface Adaptation {
  /** As the store records it; its status says whether the candidate was promoted. */
  readonly run: AdaptationRun;
  /** Who is promoted now. */
  readonly deployment: Deployment;
  /** The gate's, one for each thing that it asks; none if there was no candidate. */
  readonly findings: readonly GateFinding[];
  /** How many examples of each part there were, and what was left out. */
  readonly curation: CurationCounts;
  /** What the findings rest on; absent if there was no candidate. */
  readonly evidence?: CandidateEvidence;
  /** The candidate's folder, if one was made. */
  readonly candidateDir?: string;
}

/** Examples of each part, and pieces of feedback that were left out, by reason. */
export type CurationCounts = Readonly<Record<'training' | 'stopping' | 'heldOut', number>> & Pick<Curation, 'dropped'>;

/** With less, there is nothing to learn, or nothing to judge by. */
const leastExamples = { training: 16, stopping: 4, heldOut: 8 } as const;

const packageTexts = ['stories', 'articles'] as const;
const heartbeatMs = 10_000;

/**
 * One adaptation: curates the feedback of a store, learns from it, judges what came out, and promotes it or keeps it as
 * rejected. Everything that a crash must not lose is in the store before the next step begins; what it leaves half done is
 * cleaned up by the next run.
 *
 * @param folder - The base model; the store records it as version 1, and adapts no other.
 * @param name - The base model's name.
 * @throws {@link IteraError} `RUN_IN_PROGRESS`; `INVALID_ARGUMENT` for another model than the store's, or a setting;
 *   `VERSION_CORRUPT`, `ABORTED`, and what `makeCandidate` and the store throw. The run is then marked as failed.
 */
export async function runAdaptation(
  store: AdaptationStore,
  folder: ModelFolder,
  name: string,
  options: AdaptationOptions,
): Promise<Adaptation> {
  const { versionsDir, seed, trigger = 'manual', preset = 'default', keep = 5, signal } = options;
  await store.failCrashedRuns();
  const learningRate =
    options.learningRate ?? nextLearningRate(await store.listRuns(50), preset, countParameters(folder.config).total);
  await claimVersionsFolder(versionsDir, await store.readId(), signal);
  await ensureBaseVersion(store, folder, name, versionsDir, signal);
  const deployment = await currentDeployment(store);
  const settings = { ...(options.learningRate === undefined && { preset }), learningRate };
  const run = await store.startRun({ trigger, seed, parent: deployment.promoted, settings });
  const heartbeat = setInterval(() => void store.touchRun(run.id).catch(() => undefined), heartbeatMs);
  try {
    const versions = await store.listVersions();
    await removeLeftovers(versions, versionsDir);
    const curation = curateFeedback(await store.listFeedback(), options.curation);
    const counts = countCuration(curation);
    const lack = findLack(counts);
    if (lack !== undefined) {
      const ended = await store.endRun(run.id, { status: 'skipped', reason: lack, evidence: { curation: counts } });
      return { run: ended, deployment, findings: [], curation: counts };
    }
    const job = await describeJob(versions, deployment, curation, learningRate, run.id, options);
    const evidence = await makeCandidateAside(job, options);
    const findings = judgeEvidence(evidence);
    const passed = passesEvidence(findings);
    const version = evidence.measured && (await settleCandidate(job, versions, run, name, passed));
    const change = passed && version ? changeTo(version.id, deployment, options.canaryShare) : undefined;
    const ended = await store.endRun(run.id, {
      status: !passed ? 'rejected' : options.canaryShare === undefined ? 'promoted' : 'canary',
      evidence: { findings, curation: counts, ...evidence },
      ...(version && { version }),
      ...(change && { deployment: change }),
    });
    const now = await currentDeployment(store);
    await applyRetention(store, now, versionsDir, keep);
    return {
      ...{ run: ended, deployment: now, findings, curation: counts },
      evidence,
      ...(version && { candidateDir: join(versionsDir, version.folder) }),
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    // What went wrong first is what the caller must hear.
    await store
      .endRun(run.id, { status: 'failed', reason: signal?.aborted ? 'stopped' : reason })
      .catch(() => undefined);
    await removeLeftovers(await store.listVersions().catch(() => []), versionsDir).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}

/** Records the model as version 1 of a new store, or makes sure that it is the one of this store. */
async function ensureBaseVersion(
  store: AdaptationStore,
  folder: ModelFolder,
  name: string,
  versionsDir: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [first] = await store.listVersions();
  if (!first) {
    // One process at a time: two that find none would replace each other's copy, or remove it as left over.
    await withFolderLock(
      versionsDir,
      async () => {
        if ((await store.listVersions()).length > 0) return;
        await store.addBaseVersion(await copyBaseVersion(folder, name, versionsDir));
      },
      { signal, pollMs: 50 },
    );
    return ensureBaseVersion(store, folder, name, versionsDir, signal);
  }
  const files = ['model.safetensors', 'config.json', 'tokenizer.json'] as const;
  if (files.every((file) => first.files[file] === folder.sha256[file])) return;
  const message = `Expected the model that ${store.location} adapts, ${first.model}, got ${name}, whose files differ. Name that model, or another store.`;
  throw new IteraError('INVALID_ARGUMENT', message, { expected: first.model, got: name });
}

const countCuration = ({ training, stopping, heldOut, dropped }: Curation): CurationCounts => ({
  ...{ training: training.length, stopping: stopping.length, heldOut: heldOut.length },
  dropped,
});

function findLack(counts: CurationCounts): string | undefined {
  const parts = Object.keys(leastExamples) as (keyof typeof leastExamples)[];
  const short = parts.filter((part) => counts[part] < leastExamples[part]);
  if (short.length === 0) return undefined;
  const list = short.map((part) => `${counts[part]} of ${leastExamples[part]} for ${part}`).join(', ');
  return `too little feedback to learn from: ${list}`;
}

async function describeJob(
  versions: readonly ModelVersion[],
  { promoted }: Deployment,
  curation: Curation,
  learningRate: number,
  runId: string,
  options: AdaptationOptions,
): Promise<CandidateJob> {
  const {
    versionsDir,
    dataDir,
    bounds,
    calibrationTokens,
    seed,
    threads,
    version,
    variants = compressedVariants,
    signal,
  } = options;
  const folderOf = (id: string): Promise<string> => checkVersion(findVersion(versions, id), versionsDir, signal);
  const { training, stopping, heldOut } = curation;
  return {
    baseDir: await folderOf('v1'),
    promotedDir: await folderOf(promoted),
    outDir: makingFolder(versionsDir, runId),
    name: `${findVersion(versions, 'v1').model}-${nextVersionId(versions)}`,
    ...{ training, stopping, heldOut, variants, threads, version },
    settings: chooseSettings(training.length, learningRate, seed, options.steps),
    baseTexts: options.baseTexts ?? [...packageTexts, 'tinystories', 'wikitext-2'],
    baseBytes: options.baseBytes ?? 150_000,
    variantTexts: packageTexts,
    ...(bounds && { bounds }),
    ...(calibrationTokens !== undefined && { calibrationTokens }),
    ...(dataDir && { dataDir }),
  };
}

/** What measurement chose, see docs/experiments.md. */
function chooseSettings(examples: number, learningRate: number, seed: number, steps?: number): LearningSettings {
  const batchRows = 32;
  const passes = 6;
  const usual = Math.min(400, Math.max(60, Math.ceil((passes * examples) / (batchRows / 2))));
  return {
    ...{ learningRate, seed, batchRows, steps: steps ?? usual },
    ...{ avoidWeight: 1, followWeight: 20, replayRows: 512 },
    // More feedback may change more; the gate's own bound stays.
    forgettingBound: Math.min(0.012, 0.006 * Math.max(1, Math.sqrt(examples / 200))),
  };
}

async function settleCandidate(
  { outDir }: CandidateJob,
  versions: readonly ModelVersion[],
  { id: runId, parent }: AdaptationRun,
  model: string,
  passed: boolean,
): Promise<NewVersion> {
  const id = nextVersionId(versions);
  const files = await settleVersion(outDir, join(outDir, '..'), id);
  return { id, parent, runId, model, folder: id, files, state: passed ? 'kept' : 'rejected' };
}

function changeTo(version: string, { promoted, previous }: Deployment, canaryShare?: number): DeploymentChange {
  const reason = 'the gate passed it';
  if (canaryShare === undefined) return { action: 'promote', next: { promoted: version, previous: promoted }, reason };
  const next = { promoted, ...(previous && { previous }), canary: { version, share: canaryShare } };
  return { action: 'canary', next, reason };
}

/** The store first: a folder that is gone without the store knowing would look like damage. */
async function applyRetention(
  store: AdaptationStore,
  deployment: Deployment,
  versionsDir: string,
  keep: number,
): Promise<void> {
  const gone = dispensableVersions(await store.listVersions(), deployment, keep);
  if (gone.length === 0) return;
  await store.markDeleted(gone.map(({ id }) => id));
  await removeLeftovers(await store.listVersions(), versionsDir);
}
