import { Command, Option } from 'commander';
import { type DownloadProgress, downloadDataset } from '../data/dataset-download-file.ts';
import { listDatasets } from '../data/dataset-files.ts';
import { type Split, splits } from '../data/dataset-registry.ts';
import { interruptSignal } from './interrupt.ts';
import { createProgress, type Progress } from './progress.ts';

/** `itera-lite datasets`: what can be evaluated and trained on by name, and what of it is on this machine. */
export function datasetsCommand(): Command {
  return new Command('datasets')
    .option('--data-dir <dir>', 'folder with <dataset>/<split>.txt (default: ITERA_DATA_DIR)')
    .option('--json', 'print the list as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite datasets --data-dir data\n  itera-lite datasets download wikitext-2\n\n' +
        'Wherever a dataset is named, a file (.txt, .jsonl, .parquet) or a folder of such files can be named instead;\n' +
        'file.jsonl#field or file.parquet#column says where the texts are, if not in "text".',
    )
    .addCommand(downloadCommand())
    .action(list);
}

interface ListOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
}

async function list(options: ListOptions): Promise<void> {
  const listings = await listDatasets(options.dataDir ? { dataDir: options.dataDir } : {});
  if (options.json) {
    process.stdout.write(`${JSON.stringify(listings, undefined, 2)}\n`);
    return;
  }
  for (const { entry, splits: found } of listings) {
    process.stdout.write(`${entry.name}  (${entry.licence}; ${entry.source})\n`);
    for (const { split, path, place } of found) {
      const where = path === undefined ? `not on this machine (${absence(entry.hub?.download[split])})` : path;
      process.stdout.write(`  ${split.padEnd(6)} ${where}${place === 'cache' ? ' (cache)' : ''}\n`);
    }
  }
}

const absence = (size: string | undefined): string => (size ? `to download: ${size}` : 'belongs to the package');

interface DownloadOptions {
  readonly split?: readonly Split[];
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `itera-lite datasets download`: fetches datasets from the Hugging Face Hub into the cache. */
function downloadCommand(): Command {
  return (
    new Command('download')
      .description('download named datasets from the Hugging Face Hub into the cache')
      .argument('<name...>', 'datasets: wikitext-2, tinystories')
      .addOption(
        new Option('--split <name...>', 'only these splits (default: all of the dataset)').choices([...splits]),
      )
      .option('--force', 'make again what is in the cache')
      .option('--json', 'print what is now in the cache as JSON on stdout')
      .addHelpText(
        'after',
        '\nExamples:\n  itera-lite datasets download wikitext-2\n' +
          '  itera-lite datasets download tinystories --split valid test\n\n' +
          'Ctrl-C keeps what has arrived; the same command goes on from there.\n' +
          'Environment: HF_ENDPOINT (a mirror), HF_TOKEN, HF_HUB_OFFLINE=1 (no request), ITERA_CACHE_DIR.',
      )
      // A --json after the names goes to the command above, which has that option too.
      .action((names: readonly string[], _options, command: Command) => download(names, command.optsWithGlobals()))
  );
}

async function download(names: readonly string[], options: DownloadOptions): Promise<void> {
  const progress = createProgress();
  const { signal, stop } = interruptSignal('stopping; what has arrived is kept');
  try {
    const done = [];
    for (const name of new Set(names)) {
      const made = await downloadDataset(name, {
        ...(options.split && { splits: options.split }),
        ...(options.force && { force: true }),
        signal,
        onStage: (stage) => progress.note(stage),
        onProgress: (state) => showProgress(progress, state),
        retry: {
          onRetry: (reason, delayMs) => progress.note(`${reason}; trying again in ${Math.ceil(delayMs / 1000)} s`),
        },
      });
      done.push(...made);
    }
    progress.end();
    if (options.json) process.stdout.write(`${JSON.stringify(done, undefined, 2)}\n`);
    else for (const { dataset, split, path } of done) process.stdout.write(`${dataset} ${split.padEnd(6)} ${path}\n`);
  } finally {
    progress.end();
    stop();
  }
}

function showProgress(progress: Progress, { doneBytes, totalBytes, bytesPerSecond, file }: DownloadProgress): void {
  progress.update({
    done: Math.ceil(doneBytes / 1000),
    total: Math.ceil(totalBytes / 1000),
    unit: 'kilobyte',
    detail: `${(bytesPerSecond / 1e6).toFixed(1)} MB/s  ${file}`,
  });
  if (doneBytes === totalBytes) progress.end();
}
