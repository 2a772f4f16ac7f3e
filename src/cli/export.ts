import { Command, Option } from 'commander';
import { IteraError } from '../core/errors.ts';
import type { MeasurementRecord } from '../core/measurement.ts';
import { exportOnnx, onnxFile } from '../export/export-onnx.ts';
import type { ExportResult } from '../export/export-result.ts';
import { exportTorch, torchFiles } from '../export/export-torch.ts';
import type { ScanForm } from '../export/torchscript-code.ts';
import { readVerificationText } from '../export/verification-text.ts';
import { defaultModel, openModel } from '../runtime/load-model-file.ts';
import { modelName } from '../validation/model-facts.ts';
import { describeProvenance } from '../validation/provenance.ts';
import { interruptSignal } from './interrupt.ts';
import { collect, parseSeed } from './options.ts';
import { checkOutputFolder } from './output-folder.ts';
import { packageVersion } from './package-version.ts';
import { createProgress } from './progress.ts';

interface ExportOptions {
  readonly model: string;
  readonly format: readonly string[];
  readonly out?: string;
  readonly form?: ScanForm;
  readonly verify: boolean;
  readonly seed: number;
  readonly json?: boolean;
}

const files = { onnx: onnxFile, ...torchFiles } as const;
const formats = Object.keys(files) as readonly (keyof typeof files)[];

/** `itera-lite export`: writes a model for other runtimes and proves it equal. */
export function exportCommand(): Command {
  return new Command('export')
    .option('--model <dir>', 'model folder, or name of a bundled model', defaultModel)
    .requiredOption('--format <name>', `what to write, repeatable: ${formats.join(', ')}`, collect)
    .option('--out <dir>', 'folder to write (default: exports/<name of the model>)')
    .addOption(
      new Option(
        '--form <name>',
        'of TorchScript: token by token, or by products within chunks (faster for long texts)',
      )
        .choices(['scan', 'chunked'])
        .default(undefined, 'scan'),
    )
    .option('--no-verify', 'do not compare what was written with the model')
    .option('--seed <n>', 'seed of the token ids that are compared', parseSeed, 1)
    .option('--json', 'print the records of the comparison as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite export --format onnx --out exports/small\n' +
        '  itera-lite export --model my-model --format torchscript --form chunked --format state-dict\n\n' +
        `Files: ${formats.map((format) => `${files[format]} (${format})`).join(', ')}.\n` +
        "For onnx, the model's own files and the variants that compress has made come along: transformers.js loads the folder.\n" +
        'Files are loaded in their own runtime and compared with a reference in float64; those for PyTorch if a Python that\n' +
        'has it is there (python3, or ITERA_PYTHON), else that is said. The exit code is 3 if they differ.\n' +
        'docs/export.md explains how to use them.',
    )
    .action(run);
}

async function run(options: ExportOptions): Promise<void> {
  const wanted = new Set(options.format);
  const unknown = options.format.find((format) => !formats.some((known) => known === format));
  if (unknown !== undefined) {
    const message = `Expected --format ${formats.join(', ')}, got ${JSON.stringify(unknown)}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { format: unknown });
  }
  if (options.form !== undefined && !wanted.has('torchscript')) {
    const message = `Expected --form with --format torchscript, got ${[...wanted].join(', ')}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { form: options.form });
  }
  const progress = createProgress();
  const { signal, stop } = interruptSignal('stopping');
  try {
    const folder = await openModel(options.model, { signal });
    const name = modelName(folder);
    const out = options.out ?? `exports/${name}`;
    await checkOutputFolder(out);
    const text = options.verify ? await readVerificationText(folder, signal) : [];
    const records: MeasurementRecord[] = [];
    const failures: string[] = [];
    const hashes = Object.fromEntries(Object.entries(folder.sha256).map(([file, hash]) => [`model/${file}`, hash]));
    for (const format of formats.filter((known) => wanted.has(known))) {
      const common = {
        ...{ name, signal, onStage: (stage: string) => progress.note(stage) },
        ...(options.verify && {
          verify: {
            ...{ text, seed: options.seed },
            onCheck: (done: number, total: number) => progress.update({ done, total, unit: 'check' }),
          },
        }),
      };
      const made: ExportResult =
        format === 'onnx'
          ? await exportOnnx(folder, out, { ...common, version: packageVersion })
          : await exportTorch(folder, format, out, { ...common, ...(options.form && { form: options.form }) });
      progress.end();
      hashes[`export/${files[format]}`] = made.sha256;
      records.push(...made.records);
      failures.push(...made.failures);
      progress.note(`${made.path}: ${made.bytes} bytes`);
      if (!options.json && options.verify)
        process.stdout.write(`${describe(made.path, made.records, made.failures)}\n`);
    }
    if (options.json) {
      const provenance = await describeProvenance(packageVersion, { seed: options.seed, hashes });
      process.stdout.write(`${JSON.stringify({ schemaVersion: 1, provenance, records }, undefined, 2)}\n`);
    }
    if (failures.length > 0) throw new IteraError('GATE_REFUSED', failures.join(' '), { failures });
  } finally {
    progress.end();
    stop();
  }
}

/** One line about what the comparison came to. */
function describe(path: string, records: readonly MeasurementRecord[], failures: readonly string[]): string {
  const [first] = records;
  if (first?.status === 'notRun') return `${path}: not compared. ${first.reason}`;
  if (failures.length > 0) return `${path}: differs from the model.`;
  const differences = records.flatMap((record) =>
    record.status === 'measured' && record.metric === 'max_abs_difference' ? [record.value] : [],
  );
  const runtime = first?.conditions.runtime;
  if (records.length === 1) return `${path}: equal to the model (every weight, in ${runtime}).`;
  const largest = Number(Math.max(...differences).toPrecision(2));
  return `${path}: equal to the model (${records.length} checks in ${runtime}; logits differ by at most ${largest}).`;
}
