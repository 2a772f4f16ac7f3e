import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { type Scenario, scenarios } from '../adaptation/scenarios.ts';
import { IteraError } from '../core/errors.ts';
import { datasetEntries, type Split, splits } from '../data/dataset-registry.ts';
import { defaultBounds, parseDegradationBounds } from '../evaluation/degradation-bounds.ts';
import { compressedVariants } from '../models/variants.ts';
import { adaptationTable } from '../report/adaptation-table.ts';
import { benchmarkTables } from '../report/benchmark-table.ts';
import { energyTables } from '../report/energy-table.ts';
import { exportTable } from '../report/export-table.ts';
import { sortRecords } from '../report/record-kinds.ts';
import type { Report, ReportStage } from '../report/report.ts';
import { writeReport } from '../report/report-files.ts';
import { serverTable } from '../report/server-table.ts';
import { summarize } from '../report/summary.ts';
import { summaryTable } from '../report/table.ts';
import { terminalTable } from '../report/terminal-table.ts';
import { variantTable } from '../report/variants.ts';
import { reportVerdicts } from '../report/verdicts.ts';
import { defaultModel, openModel } from '../runtime/load-model-file.ts';
import { comparedVariants } from '../validation/compared-variants.ts';
import { type KeptStages, openKeptStages } from '../validation/kept-stages-file.ts';
import { usualDrill } from '../validation/run-drills.ts';
import { describeJob, runValidation, type ValidationOptions } from '../validation/run-validation.ts';
import { quickVariants } from '../validation/validation-size.ts';
import { interruptSignal } from './interrupt.ts';
import { collect, parseSeed, parseThreads } from './options.ts';
import { checkOutputFolder } from './output-folder.ts';
import { packageVersion } from './package-version.ts';
import { createProgress } from './progress.ts';
import { chooseVariants, refuseFailures } from './variant-options.ts';

/** In the folder of the report, until that is there: results of the stages that have ended. */
const keptFolder = '.itera-run';

interface RunOptions {
  readonly model: string;
  readonly dataset?: readonly string[];
  readonly split: Split;
  readonly dataDir?: string;
  readonly out: string;
  readonly fullText?: boolean;
  readonly quick?: boolean;
  readonly resume?: boolean;
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
    .option('--resume', 'go on with an interrupted run into the same folder, and try again what failed')
    .addOption(
      new Option(
        '--quick',
        `less of everything, within a minute: small samples, ${quickVariants.join(' and ')} only, no drill, unless options name others`,
      ).conflicts('fullText'),
    )
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
      `feedback that comes with the package to adapt the model to, repeatable: ${scenarios.join(', ')}, all or none (default: ${usualDrill})`,
      collect,
    )
    .option('--seed <n>', 'seed of samples, intervals and generated text', parseSeed, 1)
    .option('--threads <n>', 'threads of the runtime', parseThreads, Math.max(1, cpus().length))
    .option('--json', 'print the records as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite run\n  itera-lite run --quick --out quick\n  itera-lite run --resume\n' +
        '  ITERA_DATA_DIR=data itera-lite run --full-text --out report\n' +
        '  itera-lite run --variant none --dataset notes.txt\n\n' +
        'Variants that the model folder records are read from it; others are made for the report and not kept. The exit\n' +
        'code is 3 if a variant is beyond what the gate allows, and 1 if a stage failed; the report is written all the same\n' +
        'and says what is missing. After Ctrl-C, a crash or a stage that failed, the same command with --resume runs only what\n' +
        'is not there yet; it refuses if the model, an option that changes numbers, the version or the machine is another.\n' +
        'docs/run.md explains the stages.',
    )
    .action(run);
}

async function run(options: RunOptions): Promise<void> {
  await checkOutputFolder(options.out);
  const wanted = chooseStages(options);
  const progress = createProgress();
  const { signal, stop } = interruptSignal('stopping');
  let kept: KeptStages | undefined;
  try {
    const folder = await openModel(options.model, { signal });
    const validation: ValidationOptions = {
      ...wanted,
      version: packageVersion,
      datasets: options.dataset ?? datasetsWith(options.split),
      split: options.split,
      ...(options.dataDir && { dataDir: options.dataDir }),
      fullText: options.fullText ?? false,
      seed: options.seed,
      threads: options.threads,
      signal,
      onProgress: progress.stage,
    };
    kept = await openKeptStages(join(options.out, keptFolder), await describeJob(folder, validation), {
      resume: options.resume ?? false,
      onNote: progress.note,
    });
    const report = await runValidation(folder, { ...validation, kept });
    progress.end();
    await writeReport(report, options.out);
    if (!report.stages?.some(hasFailed)) await kept.remove();
    if (options.json) {
      const { schemaVersion, provenance, records } = report;
      process.stdout.write(`${JSON.stringify({ schemaVersion, provenance, records }, undefined, 2)}\n`);
    } else {
      process.stdout.write(describeOnTerminal(report));
    }
    progress.note(`Report: ${join(resolve(options.out), 'index.html')}`);
    refuseFaults(report);
  } catch (error) {
    throw kept && !kept.isEmpty ? sayHowToGoOn(error, kept) : error;
  } finally {
    progress.end();
    stop();
  }
}

/** What is measured, by the options; the report names the option that left something out. */
function chooseStages(options: RunOptions) {
  const { quick = false, variant, drill, maxDegradation, exports, bench, energy, server } = options;
  const usual = quick ? quickVariants : comparedVariants;
  const isNone = (names: readonly string[] | undefined): boolean => names?.length === 1 && names[0] === 'none';
  const leftOutBy = (option: string, names: readonly string[] | undefined): string => {
    if (names === undefined && quick) return '--quick';
    return isNone(names) ? `${option} none` : option;
  };
  return {
    ...{ quick, exports, benchmark: bench, energy, server },
    variants: isNone(variant) ? [] : chooseVariants(variant ?? usual, ['none']),
    bounds: maxDegradation === undefined ? defaultBounds : parseDegradationBounds(maxDegradation),
    drills: chooseDrills(drill ?? (quick ? ['none'] : [usualDrill])),
    chosenBy: { variants: leftOutBy('--variant', variant), drills: leftOutBy('--drill', drill) },
  };
}

const hasFailed = ({ status }: ReportStage): boolean => status === 'failed';

/** A failed stage comes first: what a gate says without it is not all. */
function refuseFaults(report: Report): void {
  const failed = (report.stages ?? []).filter(hasFailed);
  if (failed.length > 0) {
    const told = failed.map(({ name, reason }) => `${name}: ${reason}`).join(' ');
    const count = `${failed.length} of ${report.stages?.length} stages failed`;
    throw new IteraError('STAGE_FAILED', `${count}; the report is written without them. ${told}`, { failed });
  }
  // A text too short for an interval is said to be so in the report; it is no failure of the model.
  refuseFailures(reportVerdicts(report).filter(({ finding }) => finding !== 'unjudged'));
  if (report.failures) throw new IteraError('GATE_REFUSED', report.failures.join(' '), { failures: report.failures });
}

/** An interrupt, or a report that could not be written, costs no stage that has ended. */
function sayHowToGoOn(error: unknown, { dir }: KeptStages): unknown {
  if (!(error instanceof IteraError) || !['ABORTED', 'OUTPUT_UNWRITABLE'].includes(error.code)) return error;
  const message = `${error.message} What the finished stages found is kept in ${dir}: the same command with --resume goes on from there.`;
  return new IteraError(error.code, message, error.data, { cause: error });
}

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
