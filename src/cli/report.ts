import { dirname, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { IteraError } from '../core/errors.ts';
import { changeTable, countSentence, isFinding, ruleSentence } from '../report/compare/change-text.ts';
import { type Comparison, compareRecords } from '../report/compare/compare-records.ts';
import { comparisonJson } from '../report/compare/comparison-json.ts';
import { comparisonJunit } from '../report/compare/comparison-junit.ts';
import { comparisonMarkdown } from '../report/compare/comparison-markdown.ts';
import { readRecordSet, readReport, writeReport, writeTextFile } from '../report/report-files.ts';
import { printable, terminalTable } from '../report/terminal-table.ts';
import { parseAmount, parseFraction } from './options.ts';
import { checkOutputFolder } from './output-folder.ts';

interface ReportOptions {
  readonly out?: string;
  readonly compare?: readonly string[];
  readonly includeTiming?: boolean;
  readonly minChange?: number;
  readonly falseDiscoveryRate?: number;
  readonly all?: boolean;
  readonly markdown?: string;
  readonly junit?: string;
  readonly failOn?: 'regression' | 'change';
  readonly json?: boolean;
}

const forComparing = [
  'includeTiming',
  'minChange',
  'falseDiscoveryRate',
  'all',
  'markdown',
  'junit',
  'failOn',
] as const;

/** `itera-lite report`: writes a report's pages anew from its `report.json`, or compares two. */
export function reportCommand(): Command {
  return new Command('report')
    .argument('[file]', 'report.json to write the pages of')
    .option('--out <dir>', 'folder for report.json, report.md, index.html and charts (default: that of the file)')
    .option('--compare <file...>', 'compare two reports or other files of records: before and after')
    .option('--include-timing', 'with --compare: judge time, memory and energy too')
    .option('--min-change <percent>', 'with --compare: smaller changes do not count (default: 0.1)', parseAmount)
    .option(
      '--false-discovery-rate <x>',
      'with --compare: share of false findings among all findings that is allowed (default: 0.05)',
      parseFraction,
    )
    .option('--all', 'with --compare: print every record, not only what changed')
    .option('--markdown <file>', 'with --compare: write it as Markdown, for a comment on a pull request')
    .option('--junit <file>', 'with --compare: write it as JUnit XML, a test case for each record')
    .addOption(
      new Option(
        '--fail-on <what>',
        'with --compare: exit with 3 if a record regressed; "change": if any changed or only one of both has it',
      ).choices(['regression', 'change']),
    )
    .option('--json', 'print the comparison, or the names of the files written, as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite report report/report.json --out copy\n' +
        '  itera-lite report --compare before/report.json after/report.json\n' +
        '  itera-lite report --compare baseline.json report/report.json --fail-on regression --junit junit.xml --markdown comment.md\n\n' +
        'What evaluate --json, bench --out and others write can be compared too. Records are matched by their ids, and of\n' +
        'another model by metric and conditions. What was timed in two runs was not timed in turns and is not judged unless\n' +
        '--include-timing says so.',
    )
    .action(report);
}

async function report(file: string | undefined, options: ReportOptions): Promise<void> {
  if (options.compare) {
    if (file !== undefined || options.out !== undefined) {
      const extra = file === undefined ? '--out' : JSON.stringify(file);
      const message = `Expected --compare with two files and nothing to write anew, got ${extra} too. Put the files right behind --compare.`;
      throw new IteraError('INVALID_ARGUMENT', message, { file });
    }
    return compare(options.compare, options);
  }
  const misplaced = forComparing.find((name) => options[name] !== undefined);
  if (misplaced !== undefined) {
    const flag = `--${misplaced.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new IteraError('INVALID_ARGUMENT', `Expected ${flag} only with --compare BEFORE AFTER.`, { option: flag });
  }
  if (file === undefined) {
    const message =
      'Expected a report.json to write the pages of, or --compare BEFORE AFTER. "itera-lite run" makes one.';
    throw new IteraError('INVALID_ARGUMENT', message);
  }
  await renderAgain(file, options);
}

async function renderAgain(file: string, { out = dirname(file), json }: ReportOptions): Promise<void> {
  await checkOutputFolder(out);
  const written = await writeReport(await readReport(file), out);
  process.stdout.write(json ? `${JSON.stringify(written, undefined, 2)}\n` : `${written.join('\n')}\n`);
}

async function compare(paths: readonly string[], options: ReportOptions): Promise<void> {
  const [before, after, ...others] = paths;
  if (before === undefined || after === undefined || others.length > 0) {
    throw new IteraError('INVALID_ARGUMENT', `Expected --compare with two files, got ${paths.length}.`, { paths });
  }
  const { falseDiscoveryRate, minChange, includeTiming } = options;
  const comparison = compareRecords(await readRecordSet(before), await readRecordSet(after), {
    ...(falseDiscoveryRate !== undefined && { falseDiscoveryRate }),
    ...(minChange !== undefined && { leastChange: minChange / 100 }),
    ...(includeTiming && { includeTiming }),
  });
  if (comparison.changes.length === 0) {
    const message = `Expected two files with numbers of the same things, but ${before} and ${after} have none in common. Measure the same texts in both.`;
    throw new IteraError('INVALID_ARGUMENT', message, { paths });
  }
  if (options.markdown !== undefined) await writeTextFile(resolve(options.markdown), comparisonMarkdown(comparison));
  if (options.junit !== undefined) await writeTextFile(resolve(options.junit), comparisonJunit(comparison));
  process.stdout.write(
    options.json
      ? `${JSON.stringify(comparisonJson(comparison), undefined, 2)}\n`
      : describeOnTerminal(comparison, options.all === true),
  );
  refuse(comparison, options.failOn);
}

function describeOnTerminal(comparison: Comparison, isWhole: boolean): string {
  const { changes, onlyBefore, onlyAfter, notes } = comparison;
  const shown = isWhole ? changes : changes.filter(isFinding);
  const lost = [
    ...onlyBefore.map(({ id }) => printable(`Only before: ${id}`)),
    ...onlyAfter.map(({ id }) => printable(`Only after: ${id}`)),
  ];
  return [
    shown.length === 0 ? 'Nothing changed significantly.' : terminalTable(changeTable('What changed', shown, changes)),
    countSentence(comparison),
    ...(notes.length > 0 ? [notes.map(printable).join('\n')] : []),
    ...(isWhole && lost.length > 0 ? [lost.join('\n')] : []),
    `${ruleSentence(comparison)}${isWhole ? '' : ' --all shows every record.'}`,
    '',
  ].join('\n\n');
}

/** @throws {@link IteraError} `GATE_REFUSED` if something is as it may not be. */
function refuse({ changes, onlyBefore, onlyAfter }: Comparison, failOn: ReportOptions['failOn']): void {
  if (failOn === undefined) return;
  const found = changes.filter((change) => (failOn === 'change' ? isFinding(change) : change.verdict === 'regressed'));
  const ids = [
    ...found.map(({ after }) => after.id),
    ...(failOn === 'change' ? [...onlyBefore, ...onlyAfter].map(({ id }) => id) : []),
  ];
  if (ids.length === 0) return;
  const shown = ids.slice(0, 5).map(printable).join(', ');
  const rest = ids.length > 5 ? ` and ${ids.length - 5} more` : '';
  const what = failOn === 'regression' ? 'Regressed' : 'Changed, or in only one of both';
  throw new IteraError('GATE_REFUSED', `${what}: ${shown}${rest}.`, { ids });
}
