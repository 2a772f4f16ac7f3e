import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { IteraError } from '../core/errors.ts';
import type { MeasurementRecord, RecordSet } from '../core/measurement.ts';
import { chooseMeter, findMeter, type MeterName, meterNames } from '../energy/choose-meter.ts';
import { describeMachine } from '../energy/machine-file.ts';
import { type MeasuredEnergy, measureEnergy } from '../energy/measure-energy.ts';
import { createModelWorkloads, type WorkPhase, workPhases } from '../energy/model-workloads.ts';
import { projectEnergy } from '../energy/projection.ts';
import { writeIntoFolder } from '../models/model-copy-file.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { compressedVariants, type VariantName } from '../models/variants.ts';
import { energyCharts } from '../report/energy-chart.ts';
import { energyFindings } from '../report/energy-findings.ts';
import { energyTables, phaseText } from '../report/energy-table.ts';
import { metricTexts } from '../report/number-text.ts';
import { terminalTable } from '../report/terminal-table.ts';
import { defaultModel, openModel } from '../runtime/load-model-file.ts';
import { modelName } from '../validation/model-facts.ts';
import { describeProvenance } from '../validation/provenance.ts';
import { createTrainingWorkload } from './energy-training.ts';
import { interruptSignal } from './interrupt.ts';
import { chooseForms, prepareForms } from './model-forms.ts';
import { collect, collectWith, parseAmount, parseNumber, parseSeed, parseThreads, wholeNumber } from './options.ts';
import { checkOutputFolder } from './output-folder.ts';
import { packageVersion } from './package-version.ts';
import { createProgress, type Progress } from './progress.ts';

interface EnergyCommandOptions {
  readonly model: string;
  readonly variant?: readonly string[];
  readonly phase?: readonly string[];
  readonly threads?: readonly number[];
  readonly batch?: readonly number[];
  readonly rounds: number;
  readonly seconds?: number;
  readonly meter?: MeterName;
  readonly train?: boolean;
  readonly carbon?: number;
  readonly seed: number;
  readonly out?: string;
  readonly listMeters?: boolean;
  readonly json?: boolean;
}

const parseRounds = wholeNumber(2, 1000);
const parseBatch = wholeNumber(1, 256);

function parseSeconds(text: string): number {
  const value = parseNumber(text);
  if (value <= 0 || value > 3600) throw new InvalidArgumentError('Expected a number above 0, at most 3600.');
  return value;
}

/** `itera-lite energy`: what a model draws, measured where there is a meter, in bounds where there is none. */
export function energyCommand(): Command {
  return new Command('energy')
    .option('--model <dir>', 'model folder, or name of a bundled model', defaultModel)
    .option(
      '--variant <name>',
      `form of the model, repeatable: fp32, ${compressedVariants.join(', ')} or all (default: fp32, int8, int4)`,
      collect,
    )
    .option('--phase <name>', `what it does, repeatable: ${workPhases.join(', ')} (default: all)`, collect)
    .option('--threads <n>', 'threads, repeatable (default: 1)', collectWith(parseThreads))
    .option('--batch <n>', 'texts that are run at once, repeatable (default: 1)', collectWith(parseBatch))
    .option('--rounds <n>', 'windows of each, in turns; with fewer than 6 intervals are very wide', parseRounds, 8)
    .option('--seconds <s>', 'seconds of a window, where the meter does not want more', parseSeconds)
    .addOption(new Option('--meter <name>', 'only this meter (default: the best that works)').choices([...meterNames]))
    .option('--train', 'also steps of training')
    .option(
      '--carbon <g>',
      'grams of CO2e for a kilowatt-hour of your electricity; shown for a million tokens',
      parseAmount,
    )
    .option('--seed <n>', 'seed of intervals', parseSeed, 1)
    .option('--out <dir>', 'folder for energy.json and charts')
    .option('--list-meters', 'say which meters this machine has, and what the others lack')
    .option('--json', 'print the records as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite energy --model itera-lite-micro\n' +
        '  itera-lite energy --variant all --threads 1 --threads 2 --batch 1 --batch 8 --train --out results\n' +
        '  itera-lite energy --carbon 380 --json\n  itera-lite energy --list-meters\n\n' +
        'Where no meter can be used, energy is estimated from CPU time, as bounds, and the reasons are given. Close other\n' +
        'programs for numbers to keep.',
    )
    .action(energy);
}

async function energy(options: EnergyCommandOptions): Promise<void> {
  if (options.listMeters) return listMeters(options.json === true);
  const phases = choosePhases(options.phase);
  const wanted = chooseForms(options.variant);
  if (options.meter) await (await chooseMeter(await describeMachine(), { wanted: options.meter })).meter.close();
  const progress = createProgress();
  const { signal, stop } = interruptSignal('stopping');
  try {
    if (options.out !== undefined) await checkOutputFolder(options.out);
    const folder = await openModel(options.model, { signal });
    const onStage = (stage: string): void => {
      progress.end();
      progress.note(stage);
    };
    const { files, hashes } = await prepareForms(folder, wanted, { signal, onStage });
    const measured = await measure(folder, files, phases, options, progress, signal);
    const name = modelName(folder);
    const projections = [...files].flatMap(([variant, file]) =>
      projectEnergy({ name, variant, config: folder.config, fileBytes: file.length }),
    );
    const records = [...measured.records, ...projections];
    const set: RecordSet = {
      schemaVersion: 1,
      provenance: await describeProvenance(packageVersion, { hashes, seed: options.seed }),
      records,
    };
    const json = `${JSON.stringify(set, undefined, 2)}\n`;
    // First, so that nothing is lost if it cannot be written.
    process.stdout.write(options.json ? json : describe(measured, records));
    if (options.out !== undefined) await writeResults(options.out, json, records, progress);
  } finally {
    progress.end();
    stop();
  }
}

async function measure(
  folder: ModelFolder,
  files: ReadonlyMap<VariantName, Uint8Array>,
  phases: readonly WorkPhase[],
  options: EnergyCommandOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<MeasuredEnergy> {
  const name = modelName(folder);
  const threads = [...new Set(options.threads ?? [1])];
  const batches = [...new Set(options.batch ?? [1])];
  progress.note('loading the variants');
  const model = await createModelWorkloads({
    ...{ name, config: folder.config, files, phases, threads, batches, signal },
  });
  const releases = [model.release];
  try {
    const workloads = [...model.workloads];
    if (options.train) {
      for (const count of threads) {
        const training = await createTrainingWorkload(folder, { name, threads: count });
        releases.push(training.release);
        workloads.push(training.workload);
      }
    }
    return await measureEnergy(workloads, {
      ...{ machine: await describeMachine(), rounds: options.rounds, seed: options.seed, signal },
      ...{ meter: options.meter, windowS: options.seconds, carbonGPerKwh: options.carbon },
      onProgress: (done, total, what) => progress.update({ done, total, unit: 'window', detail: what }),
    });
  } finally {
    progress.end();
    for (const release of releases) await release();
  }
}

async function writeResults(
  dir: string,
  json: string,
  records: readonly MeasurementRecord[],
  progress: Progress,
): Promise<void> {
  const charts = energyCharts(records);
  await writeIntoFolder(join(dir, 'energy.json'), json);
  for (const { name, svg } of charts) await writeIntoFolder(join(dir, `${name}.svg`), svg);
  progress.note(`wrote ${['energy.json', ...charts.map(({ name }) => `${name}.svg`)].join(', ')} to ${dir}`);
}

function describe({ meter, unusable, flags }: MeasuredEnergy, records: readonly MeasurementRecord[]): string {
  return `${[
    ...energyTables(records).map((table) => terminalTable(table)),
    ...notMeasured(records),
    ...energyFindings(records),
    `Method: ${meter.method}`,
    ...unusable.map(({ name, reason }) => `Not used, ${name}: ${reason}`),
    ...flags,
  ].join('\n\n')}\n`;
}

/** What could not be told, a sentence for each reason. */
function notMeasured(records: readonly MeasurementRecord[]): readonly string[] {
  const reasons = new Map<string, string[]>();
  for (const record of records) {
    if (record.status !== 'notRun' || record.conditions['phase'] === undefined) continue;
    const { label } = metricTexts[record.metric];
    const what = [label, phaseText(record), record.conditions.variant].filter(Boolean).join(', ');
    reasons.set(record.reason, [...(reasons.get(record.reason) ?? []), what]);
  }
  return [...reasons].map(([reason, what]) => `Not measured: ${what.join('; ')}. ${reason}`);
}

function choosePhases(names: readonly string[] = workPhases): readonly WorkPhase[] {
  const unknown = names.find((name) => !workPhases.some((known) => known === name));
  if (unknown !== undefined) {
    const message = `Expected --phase ${workPhases.join(', ')}, got ${JSON.stringify(unknown)}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { phase: unknown });
  }
  return workPhases.filter((name) => names.includes(name));
}

async function listMeters(asJson: boolean): Promise<void> {
  const machine = await describeMachine();
  const meters: { name: MeterName; usable: boolean; text: string }[] = [];
  for (const name of meterNames) {
    const found = await findMeter(name, machine);
    if ('reason' in found) {
      meters.push({ name, usable: false, text: found.reason });
      continue;
    }
    await found.meter.close();
    meters.push({ name, usable: true, text: found.meter.method });
  }
  const lines = meters.map(({ name, usable, text }) => `${name}: ${usable ? 'usable' : 'not usable'}. ${text}`);
  process.stdout.write(asJson ? `${JSON.stringify({ machine, meters }, undefined, 2)}\n` : `${lines.join('\n\n')}\n`);
}
