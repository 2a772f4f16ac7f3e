import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report, ReportStage } from '../../../src/report/report.ts';
import { readReport } from '../../../src/report/report-files.ts';
import { writeStories, writeToyFolder } from '../../unit/compression/toy-folder.ts';
import { command, type Ended, startProcess } from './command-line.ts';

let dir: string;
let stories: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-resume-'));
  await writeToyFolder(join(dir, 'toy'));
  stories = await writeStories(dir);
});
afterAll(() => rm(dir, { recursive: true }));

const exists = async (...names: string[]): Promise<boolean> =>
  (await readdir(join(dir, ...names.slice(0, -1)))).includes(names.at(-1) as string);

/** A run of the toy model that asks for little; the options of a test come last, and so count. */
const line = (out: string, ...more: string[]): string[] => [
  ...['run', '--model', join(dir, 'toy'), '--dataset', stories, '--variant', 'fp16', '--threads', '1'],
  ...['--drill', 'none', '--no-server', '--no-energy', '--no-bench', '--out', join(dir, out), ...more],
];
const run = (out: string, ...more: string[]): Promise<Ended> => command(...line(out, '--no-exports', ...more));
const reportOf = (out: string): Promise<Report> => readReport(join(dir, out, 'report.json'));

const withStatus = ({ stages = [] }: Report, status: ReportStage['status']): string[] =>
  stages.filter((stage) => stage.status === status).map(({ id }) => id);
const resumed = ({ stages = [] }: Report): string[] => stages.filter((stage) => stage.resumed).map(({ id }) => id);

/** What two runs give alike: memory is measured in a process of its own each time. */
const timeless = ({ records, samples, provenance, findings }: Report) => ({
  ...{ samples, findings, hashes: provenance.hashes },
  records: records.filter(({ metric }) => metric !== 'memory_bytes'),
});

const began = ['variant/fp16', 'sizes', 'quality/stories.txt', 'samples'];

describe('itera-lite run --resume', { timeout: 120_000 }, () => {
  // Windows has no such signals to send: there, kill ends the process at once.
  it.skipIf(process.platform === 'win32')(
    'goes on after Ctrl-C and after a kill to the numbers of a run that nothing ended',
    async () => {
      await run('whole');
      const stop = async (signal: 'SIGINT' | 'SIGKILL', stage: string, ...more: string[]): Promise<Ended> => {
        const { child, ended } = startProcess(...line('stopped', ...more));
        child.stderr?.on('data', (block: Buffer) => block.toString().includes(stage) && child.kill(signal));
        return ended;
      };
      const interrupted = await stop('SIGINT', 'scoring stories.txt');
      expect(interrupted.code).toBe(130);
      expect(interrupted.stderr).toMatch(
        /ABORTED: .* is kept in .*\.itera-run: the same command with --resume goes on/,
      );
      expect((await stop('SIGKILL', 'comparing exported files', '--resume')).code).toBeNull();
      expect(await readdir(join(dir, 'stopped'))).toEqual(['.itera-run']);
      const { code, stderr } = await run('stopped', '--resume');
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('stages') });
      const [whole, stopped] = [await reportOf('whole'), await reportOf('stopped')];
      expect(timeless(stopped)).toEqual(timeless(whole));
      expect(resumed(stopped)).toEqual(began);
      expect(resumed(whole)).toEqual([]);
      expect(await exists('stopped', '.itera-run')).toBe(false);
    },
  );

  it('tries again what failed, and only that', async () => {
    const blank = join(dir, 'blank.txt');
    await writeFile(blank, ' \n');
    const first = await run('failed', '--dataset', blank);
    expect(first.code).toBe(1);
    expect(first.stderr).toMatch(/STAGE_FAILED: 1 of \d+ stages failed; .*scoring blank\.txt: TEXT_EMPTY/);
    const before = await reportOf('failed');
    expect(withStatus(before, 'failed')).toEqual(['quality/blank.txt']);
    expect(before.failures).toEqual([expect.stringContaining('TEXT_EMPTY')]);
    expect(await exists('failed', '.itera-run')).toBe(true);
    await writeFile(blank, 'It is blank no more. It is a text.');
    const again = await run('failed', '--dataset', blank, '--resume');
    expect(again.code).toBe(0);
    const after = await reportOf('failed');
    expect(withStatus(after, 'failed')).toEqual([]);
    expect(resumed(after)).toEqual(began);
    expect(after.records).toEqual(expect.arrayContaining([...before.records]));
    expect(await exists('failed', '.itera-run')).toBe(false);
  });

  it('loses nothing if the report cannot be written, refuses another job, and replaces what is damaged', async () => {
    await mkdir(join(dir, 'full', 'report.md'), { recursive: true });
    const full = await run('full');
    expect(full).toMatchObject({ code: 1, stdout: '' });
    expect(full.stderr).toMatch(/OUTPUT_UNWRITABLE: .*report\.md.* --resume goes on/);
    await rm(join(dir, 'full', 'report.md'), { recursive: true });
    const other = await run('full', '--resume', '--seed', '2', '--full-text');
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/CHECKPOINT_INVALID: .*differs in seed \(1, now 2\), full-text \(false, now true\)\./);
    const kept = join(dir, 'full', '.itera-run');
    const name = (await readdir(kept)).find((file) => file.startsWith('samples-')) as string;
    await writeFile(join(kept, name), (await readFile(join(kept, name), 'utf8')).replace('Once', 'Twice'));
    const again = await run('full', '--resume');
    expect(again.code).toBe(0);
    expect(again.stderr).toContain('What was kept of samples is not used, because it is damaged');
    expect(resumed(await reportOf('full'))).toEqual(began.filter((id) => id !== 'samples'));
  });
});

describe('itera-lite run --quick', () => {
  it('compares two variants, runs no drill, and says which option left the others out', async () => {
    const given = ['--dataset', stories, '--no-server', '--no-energy', '--no-bench', '--no-exports', '--threads', '1'];
    const { code } = await command(
      'run',
      '--quick',
      '--model',
      join(dir, 'toy'),
      ...given,
      '--out',
      join(dir, 'quick'),
    );
    expect(code).toBe(0);
    const report = await reportOf('quick');
    expect(withStatus(report, 'done')).toEqual([
      'variant/int8',
      'variant/int4',
      'sizes',
      'quality/stories.txt',
      'samples',
    ]);
    const leftOut = (report.stages ?? []).filter(({ reason }) => reason?.startsWith('Left out by --quick.'));
    expect(leftOut.map(({ id }) => id)).toEqual(['variant/fp16', 'variant/mixed', 'drill/phrase']);
  }, 60_000);

  it('is not for the full text', async () => {
    const { code, stderr } = await command('run', '--quick', '--full-text', '--out', join(dir, 'none'));
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("'--quick' cannot be used with") });
  });
});
