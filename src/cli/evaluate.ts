import { cpus } from 'node:os';
import { join, relative } from 'node:path';
import { Command, Option } from 'commander';
import { IteraError } from '../core/errors.ts';
import { type MeasurementRecord, withoutSamples } from '../core/measurement.ts';
import { type Split, splits } from '../data/dataset-registry.ts';
import { defaultWindow, distinctDatasets } from '../evaluation/dataset-quality.ts';
import { type ModelProvenance, renderModelCard } from '../models/model-card.ts';
import { writeIntoFolder } from '../models/model-copy-file.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { compressedVariants } from '../models/variants.ts';
import { summaryTable } from '../report/table.ts';
import { terminalTable } from '../report/terminal-table.ts';
import { variantTable } from '../report/variants.ts';
import { defaultModel, openModel } from '../runtime/load-model-file.ts';
import { createModelTokenizer } from '../runtime/model.ts';
import { prepareVariants } from '../validation/compared-variants.ts';
import { createDatasetScorer } from '../validation/dataset-scorer.ts';
import { modelName, modelProvenance } from '../validation/model-facts.ts';
import { describeProvenance } from '../validation/provenance.ts';
import { interruptSignal } from './interrupt.ts';
import { collect, parseCount, parseSeed, parseThreads } from './options.ts';
import { packageVersion } from './package-version.ts';
import { createProgress } from './progress.ts';
import { chooseVariants } from './variant-options.ts';

interface EvaluateOptions {
  readonly model: string;
  readonly dataset: readonly string[];
  readonly variant?: readonly string[];
  readonly split: Split;
  readonly dataDir?: string;
  readonly context: number;
  readonly stride: number;
  readonly seed: number;
  readonly threads: number;
  readonly save?: boolean;
  readonly json?: boolean;
}

/** `itera-lite evaluate`: how well a model predicts a text, every token of it. */
export function evaluateCommand(): Command {
  return new Command('evaluate')
    .option('--model <dir>', 'model folder, or name of a bundled model', defaultModel)
    .requiredOption('--dataset <name|file>', 'dataset, text file or folder of texts, repeatable', collect)
    .option(
      '--variant <name>',
      `compressed variant to compare with FP32 on the same tokens, repeatable: ${compressedVariants.join(', ')} or all`,
      collect,
    )
    .addOption(new Option('--split <name>', 'split of named datasets').choices([...splits]).default('test'))
    .option('--data-dir <dir>', 'folder with <dataset>/<split>.txt (default: ITERA_DATA_DIR)')
    .option('--context <n>', 'tokens in a window', parseCount, defaultWindow.contextLength)
    .option('--stride <n>', 'new tokens that each later window scores', parseCount, defaultWindow.stride)
    .option('--seed <n>', 'seed of the intervals', parseSeed, 1)
    .option('--threads <n>', 'threads of the runtime', parseThreads, Math.max(1, cpus().length))
    .option('--save', 'keep the numbers of FP32 in itera.json and README.md of the model folder')
    .option('--json', 'print the records as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite evaluate --dataset stories\n' +
        '  itera-lite evaluate --model models/itera-lite-micro --dataset notes.txt --json\n' +
        '  itera-lite evaluate --dataset notes.txt --variant all\n' +
        '  itera-lite evaluate --dataset rows.jsonl#body --dataset table.parquet --dataset folder\n\n' +
        'In a text file, documents are separated by lines <|endoftext|>; without any, the file is one document.\n' +
        'A record of a .jsonl or .parquet file is a document; #field after the path says where its text is, if not in\n' +
        '"text". Named datasets that are not on this machine: itera-lite datasets download <name>.\n' +
        'Variants that the model folder does not record are made for the comparison and not kept.',
    )
    .action(evaluate);
}

async function evaluate(options: EvaluateOptions): Promise<void> {
  const { threads, seed } = options;
  const datasets = distinctDatasets(options.dataset);
  const wanted = chooseVariants(
    (options.variant ?? []).filter((name) => name !== 'fp32'),
    ['fp32'],
  );
  const progress = createProgress();
  const { signal, stop } = interruptSignal('stopping');
  try {
    const folder = await openModel(options.model, { signal });
    // A folder that cannot keep the numbers is refused before they are made.
    const history = options.save ? savedHistory(folder) : undefined;
    const tokenizer = createModelTokenizer(folder);
    const variants = await prepareVariants(folder, wanted, {
      ...{ version: packageVersion, seed, threads, signal },
      onStage: (stage) => progress.note(stage),
    });
    const scorer = await createDatasetScorer(folder, { name: modelName(folder), tokenizer, threads }, variants);
    const records: MeasurementRecord[] = [];
    const hashes = Object.fromEntries([
      ...Object.entries(folder.sha256).map(([file, hash]) => [`model/${file}`, hash]),
      ...variants.map(({ name, sha256 }) => [`variant/${name}`, sha256]),
    ]);
    try {
      for (const dataset of datasets) {
        const result = await scorer.score(dataset, {
          split: options.split,
          ...(options.dataDir && { dataDir: options.dataDir }),
          contextLength: options.context,
          stride: options.stride,
          seed,
          signal,
          onProgress: ({ documents, tokens }) => progress.count(`${dataset}: ${documents} documents, ${tokens} tokens`),
        });
        records.push(...result.records);
        hashes[`dataset/${result.text}`] = result.sha256;
        if (result.skipped) progress.note(describeSkipped(dataset, result.skipped));
      }
    } finally {
      await scorer.release();
    }
    progress.end();
    const own = records.filter(({ conditions }) => conditions.variant === 'fp32');
    if (history) await saveMeasurements(folder, history, own);
    const provenance = await describeProvenance(packageVersion, { threads, seed, hashes });
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ schemaVersion: 1, provenance, records }, undefined, 2)}\n`
        : `${terminalTable(summaryTable(records))}\n${variants.length > 0 ? `\n${terminalTable(variantTable(records, []))}\n` : ''}`,
    );
  } finally {
    progress.end();
    stop();
  }
}

function describeSkipped(dataset: string, skipped: readonly string[]): string {
  const names = skipped.slice(0, 3).map((path) => relative(dataset, path));
  return `${dataset}: ${skipped.length} files of other kinds were not read (${names.join(', ')}${skipped.length > 3 ? ', ...' : ''})`;
}

/** What the folder tells of its model, which its card is written from. */
function savedHistory(folder: ModelFolder): ModelProvenance {
  const history = modelProvenance(folder);
  if (history) return history;
  throw new IteraError(
    'MODEL_INVALID',
    `Expected ${folder.dir} to have an itera.json as training writes it, for --save to add to. Leave --save out.`,
    { dir: folder.dir },
  );
}

/** Replaces the folder's measurements of the same things and writes its card anew; all else stays as it is. */
async function saveMeasurements(
  folder: ModelFolder,
  history: ModelProvenance,
  records: readonly MeasurementRecord[],
): Promise<void> {
  const replaced = new Set(records.map(({ id }) => id));
  const kept = history.measurements.filter(({ id }) => !replaced.has(id));
  const itera: ModelProvenance = { ...history, measurements: [...kept, ...records.map(withoutSamples)] };
  await writeIntoFolder(join(folder.dir, 'itera.json'), `${JSON.stringify(itera, undefined, 2)}\n`);
  await writeIntoFolder(join(folder.dir, 'README.md'), renderModelCard(folder.config, itera));
}
