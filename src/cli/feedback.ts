import { Command } from 'commander';
import { checkLiveFeedback } from '../adaptation/deployment.ts';
import { formatFeedback, readFeedbackFile } from '../adaptation/feedback-file.ts';
import type { FeedbackFilter, NewFeedback, StoredFeedback } from '../adaptation/store/store-records.ts';
import { IteraError } from '../core/errors.ts';
import { writeIntoFolder } from '../models/model-copy-file.ts';
import { interruptSignal } from './interrupt.ts';
import { collect, parseCount } from './options.ts';
import { type StoreOptions, storeOption, type VersionOptions, versionsOption, withStore } from './store-options.ts';

/** `itera-lite feedback`: what people say of a model's outputs, which `adapt` learns from. */
export function feedbackCommand(): Command {
  return new Command('feedback')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite feedback import feedback.jsonl\n  itera-lite feedback list\n' +
        '  itera-lite feedback export all.jsonl\n\n' +
        'Each has a --help of its own. The store is the folder adaptation unless --store or DATABASE_URL names another.\n\n' +
        'A line of a feedback file is a JSON object: {"prompt": "...", "output": "...", "rating": 1-5, "correct": true|false,\n' +
        '"correction": "...", "comment": "...", "client": "...", "tags": [...], "version": "v2"}. The prompt and one judgement\n' +
        '(rating, correct or correction) are needed, and the output unless there is a correction; the version is that which\n' +
        'wrote it, for models check. docs/adaptation.md says what is learnt from it.',
    )
    .addCommand(importCommand())
    .addCommand(exportCommand())
    .addCommand(listCommand())
    .addCommand(deleteCommand());
}

interface ImportOptions extends VersionOptions {
  readonly skipInvalid?: boolean;
  readonly json?: boolean;
}

function importCommand(): Command {
  return new Command('import')
    .description('add feedback from files of JSON lines; what is there already is not added twice')
    .argument('<file...>', 'files of JSON lines')
    .addOption(storeOption())
    .addOption(versionsOption())
    .option('--skip-invalid', 'leave out lines that are no feedback, in place of importing nothing')
    .option('--json', 'print what was done as JSON on stdout')
    .addHelpText('after', '\nExample:\n  itera-lite feedback import feedback.jsonl --store my-store --skip-invalid')
    .action(importFiles);
}

async function importFiles(paths: readonly string[], options: ImportOptions): Promise<void> {
  const { signal, stop } = interruptSignal('stopping; nothing is imported');
  try {
    const items: NewFeedback[] = [];
    let skipped = 0;
    // All files first: a fault in the last one must not leave the others imported.
    for (const path of paths) {
      const read = await readFeedbackFile(path, { skipInvalid: options.skipInvalid ?? false, signal });
      for (const { line, problem } of read.faults.slice(0, 20))
        process.stderr.write(`${path} line ${line}: ${problem}\n`);
      skipped += read.faults.length;
      items.push(...read.items);
    }
    await withStore(options, signal, async (store, versionsDir) => {
      const { ids, duplicates } = await store.addFeedback(items);
      const live = await checkLiveFeedback(store, versionsDir);
      if (options.json) {
        process.stdout.write(`${JSON.stringify({ added: ids.length, duplicates, skipped, ...(live && { live }) })}\n`);
        return;
      }
      const parts = [
        `${ids.length} added`,
        `${duplicates} there already`,
        ...(skipped > 0 ? [`${skipped} lines left out`] : []),
      ];
      process.stdout.write(`${parts.join(', ')}\n`);
      if (live?.rolledBack)
        process.stdout.write(
          `${live.version} was rolled back: live feedback on it is worse than on ${live.against}.\n`,
        );
    });
  } finally {
    stop();
  }
}

interface FilterOptions extends StoreOptions {
  readonly id?: readonly string[];
  readonly client?: string;
  readonly tag?: string;
  readonly since?: string;
}

const withFilters = (command: Command): Command =>
  command
    .option('--client <name>', 'only of this client')
    .option('--tag <name>', 'only with this tag')
    .option('--id <id>', 'only this one, repeatable', collect)
    .option('--since <date>', 'only what came after this moment, e.g. 2026-01-31 or 2026-01-31T12:00:00Z');

function filterOf({ id, client, tag, since }: FilterOptions): FeedbackFilter {
  const moment = since === undefined ? undefined : new Date(since);
  if (moment && Number.isNaN(moment.getTime())) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected a date such as 2026-01-31 for --since, got ${JSON.stringify(since)}.`,
    );
  }
  return {
    ...(id && { ids: id }),
    ...(client !== undefined && { client }),
    ...(tag !== undefined && { tag }),
    ...(moment && { since: moment.toISOString() }),
  };
}

function exportCommand(): Command {
  return withFilters(
    new Command('export')
      .description('write feedback as JSON lines, which import reads')
      .argument('[file]', 'file to write (default: stdout)')
      .addOption(storeOption())
      .addHelpText('after', '\nExample:\n  itera-lite feedback export all.jsonl --store my-store --since 2026-01-31'),
  ).action(async (path: string | undefined, options: FilterOptions) => {
    const filter = filterOf(options);
    const items = await withStore(options, undefined, (store) => store.listFeedback(filter));
    const lines = items.map((item) => `${formatFeedback(item)}\n`).join('');
    if (path === undefined) process.stdout.write(lines);
    else {
      await writeIntoFolder(path, lines);
      process.stderr.write(`${items.length} written to ${path}\n`);
    }
  });
}

interface ListOptions extends FilterOptions {
  readonly limit: number;
  readonly json?: boolean;
}

function listCommand(): Command {
  return withFilters(
    new Command('list')
      .description('show feedback, the newest last')
      .addOption(storeOption())
      .option('--limit <n>', 'at most so many, the newest', parseCount, 20)
      .addHelpText('after', '\nExample:\n  itera-lite feedback list --store my-store --client anna --limit 50')
      .option('--json', 'print it as JSON on stdout'),
  ).action(async (options: ListOptions) => {
    const filter = filterOf(options);
    const items = await withStore(options, undefined, (store) => store.listFeedback(filter));
    const shown = items.slice(-options.limit);
    if (options.json) process.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
    else
      process.stdout.write(
        `${shown.map((item) => `${describeItem(item)}\n`).join('')}${shown.length} of ${items.length}\n`,
      );
  });
}

function describeItem({ id, createdAt, client, rating, correct, prompt, output, correction }: StoredFeedback): string {
  const judgement = [
    ...(rating === undefined ? [] : [`${rating}/5`]),
    ...(correct === undefined ? [] : [correct ? 'correct' : 'incorrect']),
    ...(correction === undefined ? [] : ['corrected']),
  ].join(' ');
  const text = `${shorten(prompt, 40)} |${shorten(correction ?? output ?? '', 40)}`;
  return `${id}  ${createdAt.slice(0, 19)}  ${shorten(client ?? '-', 24)}  ${judgement}  ${text}`;
}

// A control character in feedback must not reach the terminal.
const shorten = (text: string, length: number): string => {
  const plain = text.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ');
  return plain.length <= length ? plain : `${plain.slice(0, length - 3)}...`;
};

interface DeleteOptions extends FilterOptions {
  readonly all?: boolean;
  readonly json?: boolean;
}

function deleteCommand(): Command {
  return withFilters(
    new Command('delete')
      .description('delete feedback, and of a client its recorded inferences: later adaptations do not learn from it')
      .addOption(storeOption())
      .option('--all', 'delete all feedback')
      .addHelpText('after', '\nExample:\n  itera-lite feedback delete --store my-store --client anna')
      .option('--json', 'print what was done as JSON on stdout'),
  ).action(async (options: DeleteOptions) => {
    const filter = filterOf(options);
    const isNarrow = Object.keys(filter).length > 0;
    if (isNarrow === (options.all ?? false)) {
      const message = 'Expected either what to delete (--client, --id, --tag, --since) or --all. Name one of them.';
      throw new IteraError('INVALID_ARGUMENT', message);
    }
    const count = await withStore(options, undefined, (store) => store.deleteFeedback(filter));
    process.stdout.write(options.json ? `${JSON.stringify({ deleted: count })}\n` : `${count} deleted\n`);
  });
}
