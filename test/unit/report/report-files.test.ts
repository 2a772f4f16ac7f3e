import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { replaceFile } from '../../../src/data/atomic-file.ts';
import { drawPng } from '../../../src/report/chart-image-file.ts';
import type { Report } from '../../../src/report/report.ts';
import { readReport, writeReport } from '../../../src/report/report-files.ts';
import { exampleReport } from './example-report.ts';

vi.mock('../../../src/data/atomic-file.ts', async (importOriginal) => {
  const original = await importOriginal<{ replaceFile: typeof replaceFile }>();
  return { replaceFile: vi.fn(original.replaceFile) };
});

vi.mock('../../../src/report/chart-image-file.ts', async (importOriginal) => {
  const original = await importOriginal<{ drawPng: typeof drawPng }>();
  return { drawPng: vi.fn(original.drawPng) };
});

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-report-'));
});

afterEach(() => rm(folder, { recursive: true }));

describe('writeReport', () => {
  it('writes all files, the report itself last, and leaves nothing else', async () => {
    const out = join(folder, 'a', 'b');
    const written = await writeReport(exampleReport, out);
    const names = written.map((path) => relative(out, path));
    expect(names.at(-1)).toBe('report.json');
    expect(names).toEqual(expect.arrayContaining(['index.html', 'report.md', join('charts', 'bits-per-byte.svg')]));
    const found = await readdir(out, { recursive: true });
    expect(found.filter((name) => name !== 'charts').sort()).toEqual([...names].sort());
    const markdown = await readFile(join(out, 'report.md'), 'utf8');
    const linked = [...markdown.matchAll(/\]\(([^)]+\.png)\)/g)].map(([, name]) => join(name as string));
    expect(linked.sort()).toEqual(names.filter((name) => name.endsWith('.png')).sort());
    expect(linked.map((name) => name.replace('.png', '.svg'))).toEqual(
      names.filter((name) => name.endsWith('.svg')).sort(),
    );
  });

  it('shows the SVG files where a chart cannot be drawn as an image', async () => {
    vi.mocked(drawPng).mockRejectedValueOnce(new Error('out of memory'));
    const names = (await writeReport(exampleReport, folder)).map((path) => relative(folder, path));
    expect(names.filter((name) => name.endsWith('.png'))).toEqual([]);
    expect(names.at(-1)).toBe('report.json');
    expect(await readFile(join(folder, 'report.md'), 'utf8')).toContain('(charts/bits-per-byte.svg)');
  });

  it('writes a report that reads back the same, also over an earlier one', async () => {
    await writeReport({ ...exampleReport, title: 'Earlier' }, folder);
    await writeReport(exampleReport, folder);
    expect(await readReport(join(folder, 'report.json'))).toEqual(exampleReport);
  });

  it('refuses an invalid report before it writes anything', async () => {
    const invalid = { ...exampleReport, title: '' } as Report;
    await expect(writeReport(invalid, join(folder, 'out'))).rejects.toMatchObject({ code: 'RECORD_INVALID' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('names the folder that cannot be made', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const out = join(file, 'out');
    await expect(writeReport(exampleReport, out)).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringContaining(out),
      data: { path: out, cause: 'ENOTDIR' },
      cause: { code: 'ENOTDIR' },
    });
  });

  it('names the file that a full disk did not take, and says what to do', async () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    vi.mocked(replaceFile).mockRejectedValueOnce(full);
    await expect(writeReport(exampleReport, folder)).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringMatching(/bits-per-byte\.svg.*no space left.*free space/),
      data: { cause: 'ENOSPC' },
      cause: full,
    });
  });
});

describe('readReport', () => {
  it('tells a missing file from an unreadable one and from one that is no report', async () => {
    await expect(readReport(join(folder, 'none.json'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(readReport(folder)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
    await writeFile(join(folder, 'other.json'), '{}');
    await expect(readReport(join(folder, 'other.json'))).rejects.toMatchObject({ code: 'RECORD_INVALID' });
  });
});
