import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { type Scenario, scenarios } from '../adaptation/scenarios.ts';
import { benchRuntimes } from '../benchmark/sides.ts';
import { IteraError } from '../core/errors.ts';
import { datasetEntries, type Split, splits } from '../data/dataset-registry.ts';
import { defaultBounds, parseDegradationBounds } from '../evaluation/degradation-bounds.ts';
import { compressedVariants } from '../models/variants.ts';
import { adaptationTable } from '../report/adaptation-table.ts';
import { benchmarkTables } from '../report/benchmark-table.ts';
import { energyTables } from '../report/energy-table.ts';
import { exportTable } from '../report/export-table.ts';
import { sortRecords } from '../report/record-kinds.ts';
import type { Report } from '../report/report.ts';
import { writeReport } from '../report/report-files.ts';
import { serverTable } from '../report/server-table.ts';
import { summarize } from '../report/summary.ts';
import { summaryTable } from '../report/table.ts';
import { terminalTable } from '../report/terminal-table.ts';
import { variantTable } from '../report/variants.ts';
import { reportVerdicts } from '../report/verdicts.ts';
import { defaultModel, openModel } from '../runtime/load-model-file.ts';
import { runValidation } from '../validation/run-validation.ts';
import { interruptSignal } from './interrupt.ts';
import { collect, parseSeed, parseThreads } from './options.ts';
import { checkOutputFolder } from './output-folder.ts';
import { packageVersion } from './package-version.ts';
import { createProgress } from './progress.ts';
import { chooseVariants, refuseFailures } from './variant-options.ts';

/** Those of the table that says what compression costs; `q4f16` is `int4` for other providers. */
const comparedVariants = ['fp16', 'int8', 'int4', 'mixed'] as const;

interface RunOptions {
  readonly model: string;
  readonly dataset?: readonly string[];
  readonly split: Split;
  readonly dataDir?: string;
  readonly out: string;
  readonly fullText?: boolean;
  readonly variant?: readonly string[];
  readonly maxDegradation?: string;
  readonly exports: boolean;
  readonly bench: boolean;
  readonly energy: boolean;
  readonly server: boolean;
  readonly drill?: readonly string[];
  readonly seed: number;
  readonly threads: number;
  readonly json?: boolean;
}

/** `itera-lite run`: the main job, a model's whole validation ending in one report. */
export function runCommand(): Command {
  return new Command('run')
    .option('--model <dir>', 'model folder, or name of a bundled model', defaultModel)
    .option(
      '--dataset <name|file>',
      'dataset, text file or folder of texts, repeatable (default: every dataset that has the split)',
      collect,
    )
    .addOption(new Option('--split <name>', 'split of named datasets').choices([...splits]).default('test'))
    .option('--data-dir <dir>', 'folder with <dataset>/<split>.txt (default: ITERA_DATA_DIR)')
    .option('--out <dir>', 'folder for report.json, report.md, index.html and charts', 'report')
    .option('--full-text', 'score every document instead of a sample')
    .option(
      '--variant <name>',
      `compressed variant to compare with the model, repeatable: ${compressedVariants.join(', ')}, all or none (default: ${comparedVariants.join(', ')})`,
      collect,
    )
    .option(
      '--max-degradation <percent>',
      'rise of perplexity that the gate allows, for all or for each, e.g. int8=1,int4=5',
    )
    .option('--no-exports', 'do not compare exported files with the model')
    .option('--no-bench', 'do not time the model in several runtimes')
    .option('--no-energy', 'do not measure or bound what the model draws')
    .option('--no-server', 'do not serve the model and load the server')
    .option(
      '--drill <name>',
      `feedback that comes with the package to adapt the model to, repeatable: ${scenarios.join(', ')}, all or none (default: ${defaultDrill})`,
      collect,
    )
    .option('--seed <n>', 'seed of samples, intervals and generated text', parseSeed, 1)
    .option('--threads <n>', 'threads of the runtime', parseThreads, Math.max(1, cpus().length))
    .option('--json', 'print the records as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite run\n  ITERA_DATA_DIR=data itera-lite run --full-text --out report\n' +
        '  itera-lite run --variant none --dataset notes.txt\n\n' +
        'Variants that the model folder records are read from it; others are made for the report and not kept. The exit\n' +
        'code is 3 if a variant is beyond what the gate allows; the report is written all the same.',
    )
    .action(run);
}

async function run(options: RunOptions): Promise<void> {
  await checkOutputFolder(options.out);
  const { variant: named = comparedVariants } = options;
  const variants = named.length === 1 && named[0] === 'none' ? [] : chooseVariants(named, ['none']);
  const bounds = options.maxDegradation === undefined ? defaultBounds : parseDegradationBounds(options.maxDegradation);
  const drills = chooseDrills(options.drill ?? [defaultDrill]);
  const progress = createProgress();
  const { signal, stop } = interruptSignal('stopping');
  try {
    const folder = await openModel(options.model, { signal });
    const report = await runValidation(folder, {
      version: packageVersion,
      datasets: options.dataset ?? datasetsWith(options.split),
      split: options.split,
      ...(options.dataDir && { dataDir: options.dataDir }),
      fullText: options.fullText ?? false,
      variants,
      bounds,
      exports: options.exports,
      runtimes: options.bench ? benchRuntimes : [],
      energy: options.energy,
      server: options.server,
      drills,
      seed: options.seed,
      threads: options.threads,
      signal,
      onStage: (stage, done, total) => progress.update({ done, total, unit: 'stage', detail: stage }),
    });
    progress.end();
    await writeReport(report, options.out);
    if (options.json) {
      const { schemaVersion, provenance, records } = report;
      process.stdout.write(`${JSON.stringify({ schemaVersion, provenance, records }, undefined, 2)}\n`);
    } else {
      process.stdout.write(describeOnTerminal(report));
    }
    progress.note(`Report: ${join(resolve(options.out), 'index.html')}`);
    // A text too short for an interval is said to be so in the report; it is no failure of the model.
    refuseFailures(reportVerdicts(report).filter(({ finding }) => finding !== 'unjudged'));
    if (report.failures) throw new IteraError('GATE_REFUSED', report.failures.join(' '), { failures: report.failures });
  } finally {
    progress.end();
    stop();
  }
}

/** Its unwanted phrase shows both that something is learnt and that something is unlearnt. */
const defaultDrill: Scenario = 'phrase';

function chooseDrills(names: readonly string[]): readonly Scenario[] {
  if (names.length === 1 && names[0] === 'none') return [];
  const unknown = names.find((name) => name !== 'all' && !scenarios.some((scenario) => scenario === name));
  if (unknown !== undefined) {
    const message = `Expected --drill ${scenarios.join(', ')}, all or none, got ${JSON.stringify(unknown)}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { drill: unknown });
  }
  return scenarios.filter((scenario) => names.includes('all') || names.includes(scenario));
}

function datasetsWith(split: Split): string[] {
  return datasetEntries.filter((entry) => entry.splits.includes(split)).map(({ name }) => name);
}

function describeOnTerminal(report: Report): string {
  const { model, exports, speed, energy, server, adaptation } = sortRecords(report.records);
  const measured = model.filter(({ status }) => status !== 'notRun');
  const notRun = summarize(report).notRun.map(({ what, reason }) => `Not run: ${what}. ${reason}`);
  const [sample] = report.samples;
  return [
    report.title,
    terminalTable(summaryTable(measured)),
    ...(report.bounds ? [terminalTable(variantTable(measured, reportVerdicts(report)))] : []),
    ...(exports.length > 0 ? [terminalTable(exportTable(exports))] : []),
    ...(speed.length > 0 ? benchmarkTables(speed).map((table) => terminalTable(table)) : []),
    ...energyTables(energy).map((table) => terminalTable(table)),
    ...(server.length > 0 ? [terminalTable(serverTable(server))] : []),
    ...(adaptation.length > 0 ? [terminalTable(adaptationTable(adaptation))] : []),
    ...notRun,
    ...(sample ? [`Sample: ${sample.prompt}${sample.text}`] : []),
    '',
  ].join('\n\n');
}
