import { join } from 'node:path';
import { Command, Option } from 'commander';
import { runBenchmark } from '../benchmark/run-benchmark.ts';
import { type BenchRuntime, benchRuntimes } from '../benchmark/sides.ts';
import { IteraError } from '../core/errors.ts';
import type { RecordSet } from '../core/measurement.ts';
import { writeIntoFolder } from '../models/model-copy-file.ts';
import { compressedVariants } from '../models/variants.ts';
import { benchmarkChart } from '../report/benchmark-chart.ts';
import { compareBenchmarks } from '../report/benchmark-comparison.ts';
import { benchmarkTables } from '../report/benchmark-table.ts';
import { readRecordSet } from '../report/report-files.ts';
import { terminalTable } from '../report/terminal-table.ts';
import { defaultModel, openModel } from '../runtime/load-model-file.ts';
import { modelName } from '../validation/model-facts.ts';
import { describeProvenance } from '../validation/provenance.ts';
import { interruptSignal } from './interrupt.ts';
import { chooseForms, prepareForms } from './model-forms.ts';
import { collect, collectWith, parseCount, parseThreads, wholeNumber } from './options.ts';
import { checkOutputFolder } from './output-folder.ts';
import { packageVersion } from './package-version.ts';
import { createProgress } from './progress.ts';

interface BenchOptions {
  readonly model: string;
  readonly variant?: readonly string[];
  readonly runtime?: readonly string[];
  readonly threads?: readonly number[];
  readonly tokens?: readonly number[];
  readonly rounds: number;
  readonly out?: string;
  readonly compare?: readonly string[];
  readonly json?: boolean;
}

/** Logits of longer texts would fill the memory. */
const parseLength = wholeNumber(1, 16_384);

/** `itera-lite bench`: times a model in several runtimes side by side. */
export function benchCommand(): Command {
  return new Command('bench')
    .option('--model <dir>', 'model folder, or name of a bundled model', defaultModel)
    .option(
      '--variant <name>',
      `form of the model, repeatable: fp32, ${compressedVariants.join(', ')} or all (default: fp32, int8, int4)`,
      collect,
    )
    .option('--runtime <name>', `repeatable: ${benchRuntimes.join(', ')} (default: all)`, collect)
    .option('--threads <n>', 'threads, repeatable (default: 1)', collectWith(parseThreads))
    .option(
      '--tokens <n>',
      'length of the texts that are passed through, repeatable (default: 128, 512)',
      collectWith(parseLength),
    )
    .option('--rounds <n>', 'rounds in which every side has its turn', parseCount, 15)
    .option('--out <dir>', 'folder for bench.json and latency.svg')
    .addOption(
      new Option('--compare <file...>', 'compare two result files instead of timing anything').conflicts([
        ...['variant', 'runtime', 'threads', 'tokens', 'out'],
      ]),
    )
    .option('--json', 'print the records as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite bench --model itera-lite-micro\n' +
        '  itera-lite bench --runtime onnxruntime-node --threads 1 --threads 2 --variant all --out results\n' +
        '  itera-lite bench --compare before/bench.json after/bench.json\n\n' +
        'Every side runs in a process of its own, and they take turns; what other programs do disturbs all alike, but close\n' +
        'them for numbers to keep. A runtime that is not there is reported as not run: TorchScript needs a Python with\n' +
        'PyTorch (python3, or ITERA_PYTHON), onnxruntime-web the package of that name.',
    )
    .action(bench);
}

async function bench(options: BenchOptions): Promise<void> {
  if (options.compare) return compare(options.compare, options.json === true);
  const runtimes = chooseRuntimes(options.runtime);
  const wanted = chooseForms(options.variant);
  const progress = createProgress();
  const { signal, stop } = interruptSignal('stopping');
  try {
    if (options.out !== undefined) await checkOutputFolder(options.out);
    const folder = await openModel(options.model, { signal });
    const name = modelName(folder);
    const onStage = (stage: string): void => {
      progress.end();
      progress.note(stage);
    };
    const { files, hashes } = await prepareForms(folder, wanted, { signal, onStage });
    const records = await runBenchmark(folder, {
      ...{ name, files, runtimes, signal, onStage, rounds: options.rounds },
      threads: [...new Set(options.threads ?? [1])],
      lengths: [...new Set(options.tokens ?? [128, 512])],
      onRound: (done, total) => progress.update({ done, total, unit: 'round' }),
    });
    progress.end();
    const set: RecordSet = {
      schemaVersion: 1,
      provenance: await describeProvenance(packageVersion, { hashes }),
      records,
    };
    const json = `${JSON.stringify(set, undefined, 2)}\n`;
    // First, so that nothing is lost if it cannot be written.
    process.stdout.write(
      options.json
        ? json
        : `${benchmarkTables(records)
            .map((table) => terminalTable(table))
            .join('\n\n')}\n`,
    );
    if (options.out !== undefined) {
      await writeIntoFolder(join(options.out, 'bench.json'), json);
      await writeIntoFolder(join(options.out, 'latency.svg'), benchmarkChart(records));
      progress.note(`wrote ${join(options.out, 'bench.json')} and latency.svg`);
    }
  } finally {
    progress.end();
    stop();
  }
}

function chooseRuntimes(names: readonly string[] = benchRuntimes): readonly BenchRuntime[] {
  const unknown = names.find((name) => !benchRuntimes.some((known) => known === name));
  if (unknown !== undefined) {
    const message = `Expected --runtime ${benchRuntimes.join(', ')}, got ${JSON.stringify(unknown)}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { runtime: unknown });
  }
  return benchRuntimes.filter((name) => names.includes(name));
}

async function compare(paths: readonly string[], asJson: boolean): Promise<void> {
  const [before, after, ...others] = paths;
  if (before === undefined || after === undefined || others.length > 0) {
    throw new IteraError('INVALID_ARGUMENT', `Expected --compare with two files, got ${paths.length}.`, { paths });
  }
  const comparison = compareBenchmarks((await readRecordSet(before)).records, (await readRecordSet(after)).records);
  if (comparison.rows.length === 0) {
    const message = `Expected two results with numbers of the same things, but ${before} and ${after} have none in common. Time one model in both.`;
    throw new IteraError('INVALID_ARGUMENT', message, { paths });
  }
  process.stdout.write(
    asJson ? `${JSON.stringify(comparison.rows, undefined, 2)}\n` : `${terminalTable(comparison.table)}\n`,
  );
}
