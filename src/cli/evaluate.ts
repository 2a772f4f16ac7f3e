import { cpus } from 'node:os';
import { Command, Option } from 'commander';
import type { MeasurementRecord } from '../core/measurement.ts';
import { type Split, splits } from '../data/dataset-registry.ts';
import { defaultWindow, type EvaluatedModel, evaluateDataset } from '../evaluation/dataset-quality.ts';
import { buildInferenceGraph } from '../models/inference-graph.ts';
import { type ModelProvenance, renderModelCard } from '../models/model-card.ts';
import { type ModelFolder, writeModelFolder } from '../models/model-folder-file.ts';
import { summaryTable } from '../report/table.ts';
import { terminalTable } from '../report/terminal-table.ts';
import { defaultModel, openModel } from '../runtime/load-model-file.ts';
import { createTokenScorer } from '../runtime/token-scorer.ts';
import { createTokenizer } from '../text/tokenizer.ts';
import { describeProvenance } from '../validation/provenance.ts';
import { modelName } from '../validation/run-validation.ts';
import { interruptSignal } from './interrupt.ts';
import { collect, parseCount, parseSeed } from './options.ts';
import { packageVersion } from './package-version.ts';
import { createProgress } from './progress.ts';

interface EvaluateOptions {
  readonly model: string;
  readonly dataset: readonly string[];
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
    .description('measure how well a model predicts a text, every token of it')
    .option('--model <dir>', 'model folder, or name of a bundled model', defaultModel)
    .requiredOption('--dataset <name|file>', 'dataset or text file, repeatable', collect)
    .addOption(new Option('--split <name>', 'split of named datasets').choices([...splits]).default('test'))
    .option('--data-dir <dir>', 'folder with <dataset>/<split>.txt (default: ITERA_DATA_DIR)')
    .option('--context <n>', 'tokens in a window', parseCount, defaultWindow.contextLength)
    .option('--stride <n>', 'new tokens that each later window scores', parseCount, defaultWindow.stride)
    .option('--seed <n>', 'seed of the intervals', parseSeed, 1)
    .option('--threads <n>', 'threads of the runtime', parseCount, Math.max(1, cpus().length))
    .option('--save', 'keep the numbers in itera.json and README.md of the model folder')
    .option('--json', 'print the records as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite evaluate --dataset stories\n' +
        '  itera-lite evaluate --model models/itera-lite-micro --dataset notes.txt --json\n\n' +
        'In a text file, documents are separated by lines <|endoftext|>; without any, the file is one document.',
    )
    .action(evaluate);
}

async function evaluate(options: EvaluateOptions): Promise<void> {
  const progress = createProgress();
  const { signal, stop } = interruptSignal('stopping');
  try {
    const folder = await openModel(options.model, { signal });
    const name = modelName(folder);
    const tokenizer = createTokenizer(folder.tokenizerJson, folder.tokenizerConfig);
    const graph = buildInferenceGraph(folder.config, folder.weights);
    const scorer = await createTokenScorer(graph, folder.config, { threads: options.threads });
    const model: EvaluatedModel = { name, variant: 'fp32', tokenizer, scorer, threads: options.threads };
    const records: MeasurementRecord[] = [];
    const hashes: Record<string, string> = Object.fromEntries(
      Object.entries(folder.sha256).map(([file, hash]) => [`model/${file}`, hash]),
    );
    for (const dataset of options.dataset) {
      const result = await evaluateDataset(dataset, model, {
        split: options.split,
        ...(options.dataDir && { dataDir: options.dataDir }),
        contextLength: options.context,
        stride: options.stride,
        seed: options.seed,
        signal,
        onProgress: ({ documents, tokens }) => progress.count(`${dataset}: ${documents} documents, ${tokens} tokens`),
      });
      records.push(...result.records);
      hashes[`dataset/${dataset}`] = result.sha256;
    }
    progress.end();
    await scorer.release();
    if (options.save) await saveMeasurements(folder, records);
    const { threads, seed } = options;
    const provenance = await describeProvenance(packageVersion, { threads, seed, hashes });
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ schemaVersion: 1, provenance, records }, undefined, 2)}\n`
        : `${terminalTable(summaryTable(records))}\n`,
    );
  } finally {
    progress.end();
    stop();
  }
}

/** Replaces the folder's measurements of the same things and writes its card anew. */
async function saveMeasurements(folder: ModelFolder, records: readonly MeasurementRecord[]): Promise<void> {
  const provenance = folder.itera as ModelProvenance;
  const replaced = new Set(records.map(({ id }) => id));
  const kept = provenance.measurements.filter(({ id }) => !replaced.has(id));
  const itera: ModelProvenance = { ...provenance, measurements: [...kept, ...records] };
  await writeModelFolder(folder.dir, { ...folder, itera, readme: renderModelCard(folder.config, itera) });
}
