import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { IteraError } from '../core/errors.ts';
import type { RecordSet } from '../core/measurement.ts';
import { replaceFile } from '../data/atomic-file.ts';
import { makeFolder } from '../data/folder-file.ts';
import { readWholeFile } from '../data/whole-file.ts';
import { renderHtml } from './html.ts';
import { renderMarkdown } from './markdown.ts';
import type { Report } from './report.ts';
import type { ReportChart } from './report-charts.ts';
import { checkReport, parseRecordSet, parseReport } from './report-schema.ts';
import { reportCharts } from './sections.ts';

/**
 * Writes `index.html`, `report.md`, `charts/*.svg`, `charts/*.png` and, last, `report.json` into a folder, which is made if
 * needed. Each file appears whole or not at all; those of an earlier report are replaced, and its other charts removed. Where a chart
 * cannot be drawn as PNG, no PNG is written and `report.md` shows the SVG files instead.
 *
 * @returns The paths of the files written.
 * @throws {@link IteraError} `RECORD_INVALID` if the report does not follow its schema, before anything is written;
 *   `OUTPUT_UNWRITABLE` with the path and the cause if the folder or a file cannot be written.
 */
export async function writeReport(report: Report, outDir: string): Promise<string[]> {
  checkReport(report);
  const charts = reportCharts(report);
  const images = await drawImages(charts);
  const earlier = await chartFiles(join(outDir, 'report.json'));
  const files: readonly (readonly [string, string | Uint8Array])[] = [
    ...charts.map(({ name, svg }) => [join('charts', `${name}.svg`), `${svg}\n`] as const),
    ...images,
    ['report.md', renderMarkdown(report, images.length === charts.length ? 'png' : 'svg')],
    ['index.html', renderHtml(report)],
    ['report.json', `${JSON.stringify(report, null, 2)}\n`],
  ];
  await attempt(outDir, () => makeFolder(charts.length === 0 ? outDir : join(outDir, 'charts')));
  const written: string[] = [];
  for (const [name, content] of files) {
    const path = join(outDir, name);
    await attempt(path, () => replaceFile(path, content));
    written.push(path);
  }
  const names = new Set(files.map(([name]) => name));
  for (const name of earlier) if (!names.has(name)) await rm(join(outDir, name), { force: true }).catch(() => {});
  return written;
}

/** The charts that the report of a file has; none if there is no such report. */
async function chartFiles(path: string): Promise<readonly string[]> {
  try {
    const charts = reportCharts(await readReport(path));
    return charts.flatMap(({ name }) => ['svg', 'png'].map((kind) => join('charts', `${name}.${kind}`)));
  } catch {
    return [];
  }
}

/** All charts as images, or none: images are the least of a report and must not cost it the rest. */
async function drawImages(charts: readonly ReportChart[]): Promise<(readonly [string, Uint8Array])[]> {
  try {
    const { drawPng } = await import('./chart-image-file.ts');
    const images: (readonly [string, Uint8Array])[] = [];
    for (const { name, svg } of charts) images.push([join('charts', `${name}.png`), await drawPng(svg)]);
    return images;
  } catch {
    return [];
  }
}

/**
 * Reads the `report.json` that {@link writeReport} wrote.
 *
 * @throws {@link IteraError} `FILE_NOT_FOUND` or `FILE_UNREADABLE` if it cannot be read, `RECORD_INVALID` if it is not
 *   a report.
 */
export async function readReport(path: string): Promise<Report> {
  return parseFile(path, parseReport);
}

/**
 * Reads a set of records, such as the `bench.json` that `itera-lite bench --out` wrote.
 *
 * @throws {@link IteraError} as {@link readReport}.
 */
export async function readRecordSet(path: string): Promise<RecordSet> {
  return parseFile(path, parseRecordSet);
}

/**
 * Writes a file of text whole or not at all; its folder is made if needed.
 *
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE` with the path and the cause.
 */
export async function writeTextFile(path: string, content: string): Promise<void> {
  await attempt(path, async () => {
    await makeFolder(dirname(path));
    await replaceFile(path, content);
  });
}

/** Names the file in what is wrong with it. */
async function parseFile<T>(path: string, parse: (json: string) => T): Promise<T> {
  const text = await readText(path);
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof IteraError) || error.code !== 'RECORD_INVALID') throw error;
    throw new IteraError(
      'RECORD_INVALID',
      `${path}: ${error.message}`,
      { ...error.data, file: path },
      { cause: error },
    );
  }
}

async function readText(path: string): Promise<string> {
  try {
    return new TextDecoder().decode(await readWholeFile(path));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw code === 'ENOENT'
      ? new IteraError(
          'FILE_NOT_FOUND',
          `There is no report at ${path}; make one with "itera-lite run" or "itera-lite bench".`,
          { path },
          { cause: error },
        )
      : new IteraError('FILE_UNREADABLE', `Could not read the report ${path}: ${message}.`, { path }, { cause: error });
  }
}

async function attempt(path: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const advice =
      code === 'ENOSPC' || code === 'EDQUOT'
        ? 'The disk is full; free space or name a folder on another disk.'
        : 'Name a folder that you may write to.';
    throw new IteraError(
      'OUTPUT_UNWRITABLE',
      `Could not write ${path}: ${message}. ${advice}`,
      { path, cause: code },
      { cause: error },
    );
  }
}
