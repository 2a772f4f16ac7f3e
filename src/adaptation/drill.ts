import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MeasurementRecord } from '../core/measurement.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { loadModel } from '../runtime/load-model-file.ts';
import { type Adaptation, type AdaptationOptions, runAdaptation } from './adapt.ts';
import { adaptationRecords } from './adaptation-records.ts';
import { rollBack } from './deployment.ts';
import { readFeedbackFile } from './feedback-file.ts';
import { curateFeedback } from './learning/curation.ts';
import { type Scenario, scenarioFile } from './scenarios.ts';
import { openStore } from './store/store.ts';
import type { AdaptationStore } from './store/store-records.ts';
import { findVersionFaults } from './version-folder.ts';

export interface DrillOptions
  extends Pick<
    AdaptationOptions,
    'seed' | 'threads' | 'version' | 'variants' | 'calibrationTokens' | 'baseTexts' | 'baseBytes' | 'steps'
  > {
  readonly dataDir?: string;
  readonly signal?: AbortSignal;
  readonly onStage?: (stage: string) => void;
}

/** What a drill came to. */
export interface Drill {
  readonly adaptation: Adaptation;
  readonly records: readonly MeasurementRecord[];
  /** What the base model and the adapted one write after the first prompt of held-out feedback on something unwanted. */
  readonly samples: readonly { readonly model: string; readonly prompt: string; readonly text: string }[];
  /** What holds, and what should hold and does not, in sentences. */
  readonly findings: readonly string[];
  readonly failures: readonly string[];
}

/**
 * Goes through a whole adaptation in a store of its own, which is removed again: imports a scenario's feedback, adapts,
 * lets the gate decide, rolls back, and checks that versions and audit log are whole.
 *
 * @param name - The model's name.
 * @throws {@link IteraError} what `runAdaptation` and the store throw.
 */
export async function runDrill(
  folder: ModelFolder,
  name: string,
  scenario: Scenario,
  options: DrillOptions,
): Promise<Drill> {
  const { signal } = options;
  const dir = await mkdtemp(join(tmpdir(), 'itera-drill-'));
  const versionsDir = join(dir, 'versions');
  const store = await openStore(join(dir, 'store'), signal ? { signal } : {});
  try {
    const { items } = await readFeedbackFile(scenarioFile(scenario), signal ? { signal } : {});
    await store.addFeedback(items);
    const adaptation = await runAdaptation(store, folder, name, { ...options, versionsDir });
    const { run, evidence } = adaptation;
    const { heldOut } = curateFeedback(await store.listFeedback());
    const { prompt } = heldOut.find(({ unwanted }) => unwanted !== undefined) ?? heldOut[0] ?? {};
    const adapted = adaptation.candidateDir;
    const samples =
      prompt === undefined || adapted === undefined
        ? []
        : [
            { model: name, prompt, text: await continueText(folder.dir, prompt, options) },
            { model: `${name}-${run.candidate}`, prompt, text: await continueText(adapted, prompt, options) },
          ];
    const kept = await checkKept(store, versionsDir, items.length, run.status === 'promoted');
    return {
      adaptation,
      records: evidence?.measured ? adaptationRecords(evidence.measured, name, { scenario }) : [],
      samples,
      findings: [describeDecision(scenario, adaptation), ...(kept.length === 0 ? [keptSentence(run.status)] : [])],
      failures: kept.map((problem) => `Adaptation drill (${scenario}): ${problem}.`),
    };
  } finally {
    await store.close();
    await rm(dir, { recursive: true, force: true });
  }
}

async function continueText(
  dir: string,
  prompt: string,
  { threads, signal }: Pick<DrillOptions, 'threads' | 'signal'>,
): Promise<string> {
  const model = await loadModel(dir, { threads, ...(signal && { signal }) });
  let text = '';
  try {
    const greedy = { temperature: 0, maxNewTokens: 40, ...(signal && { signal }) };
    for await (const piece of model.generate(prompt, greedy)) text += piece.text;
  } finally {
    await model.release();
  }
  return text;
}

/** Rolls back what was promoted; returns what is then not as it should be. */
async function checkKept(
  store: AdaptationStore,
  versionsDir: string,
  feedback: number,
  promoted: boolean,
): Promise<string[]> {
  const problems: string[] = [];
  if (promoted && (await rollBack(store, versionsDir)).promoted !== 'v1')
    problems.push('the rollback did not return to v1');
  for (const version of await store.listVersions()) {
    for (const fault of await findVersionFaults(version, versionsDir)) problems.push(`version ${version.id}: ${fault}`);
  }
  const { fault } = await store.verifyAudit();
  if (fault) problems.push(`the audit log is broken at entry ${fault.sequence}: ${fault.problem}`);
  const left = (await store.listFeedback()).length;
  if (left !== feedback) problems.push(`${left} of ${feedback} pieces of feedback are left`);
  return problems;
}

function describeDecision(scenario: Scenario, { run, findings, evidence, curation }: Adaptation): string {
  const learnt = `Adaptation drill (${scenario}): from ${curation.training} examples`;
  const failed = findings.filter(({ passed }) => !passed).map(({ sentence }) => sentence);
  if (run.status !== 'promoted') return `${learnt} the gate kept nothing. ${run.reason ?? failed.join(' ')}`;
  const { wantedRatio, unwantedFactor } = evidence?.measured?.heldOut ?? {};
  const parts = [
    ...(wantedRatio ? [`the loss on wanted text fell by ${(100 * (1 - wantedRatio.value)).toFixed(0)}%`] : []),
    ...(unwantedFactor && unwantedFactor.value < 1
      ? [`what is unwanted became ${formatFactor(1 / unwantedFactor.value)} times less probable`]
      : []),
  ];
  return `${learnt} a version was made that the gate promoted; on held-out feedback ${parts.join(' and ')}.`;
}

const formatFactor = (factor: number): string => (factor > 1000 ? 'more than 1,000' : factor.toPrecision(2));

const keptSentence = (status: string): string =>
  status === 'promoted'
    ? 'Adaptation drill: after the rollback version 1 is promoted again; feedback, versions and audit log are whole.'
    : 'Adaptation drill: version 1 stays promoted; feedback, versions and audit log are whole.';
