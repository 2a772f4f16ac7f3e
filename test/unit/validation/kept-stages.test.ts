import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openKeptStages } from '../../../src/validation/kept-stages-file.ts';

const job = { model: 'a', seed: '1' };
const result = { findings: ['It holds.'], file: Buffer.of(1, 2, 3) };

let dir: string;
let notes: string[];
const open = (resume: boolean, about: Record<string, string> = job, path = join(dir, 'kept')) =>
  openKeptStages(path, about, { resume, onNote: (note) => notes.push(note) });
const files = () => readdir(join(dir, 'kept'));

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-kept-'));
  notes = [];
});
afterEach(() => rm(dir, { recursive: true }));

describe('kept stages', () => {
  it('are found again by a session of the same job and inputs, and by no other', async () => {
    const first = await open(false);
    expect(first.isEmpty).toBe(true);
    await first.keep('quality/a b', { text: 'x' }, { result, seconds: 2 });
    expect(first.isEmpty).toBe(false);
    expect(await first.find('quality/a b', { text: 'x' })).toBeUndefined();
    const again = await open(true);
    expect(again.isEmpty).toBe(false);
    expect(await again.find('quality/a b', { text: 'x' })).toEqual({ result, seconds: 2 });
    expect(await again.find('quality/a-b', { text: 'x' })).toBeUndefined();
    expect(notes).toEqual([]);
    expect(await again.find('quality/a b', { text: 'y' })).toBeUndefined();
    expect(notes).toEqual([expect.stringMatching(/^What was kept of quality\/a b is not used, because it rests on/)]);
    await again.remove();
    expect(await readdir(dir)).toEqual([]);
  });

  it('of another job are refused, with what differs', async () => {
    await (await open(false)).keep('a', {}, { result, seconds: 1 });
    await expect(open(true, { ...job, seed: '2', threads: '4' })).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: expect.stringContaining('differs in seed (1, now 2), threads (none, now 4). Give'),
    });
  });

  it('are replaced by a run that starts over, but not before one of its stages has ended', async () => {
    await (await open(false)).keep('a', {}, { result, seconds: 1 });
    const over = await open(false, { ...job, seed: '2' });
    expect(notes).toEqual([expect.stringMatching(/not finished.*--resume/)]);
    expect(await (await open(true)).find('a', {})).toBeDefined();
    await over.keep('b', {}, { result, seconds: 1 });
    const again = await open(true, { ...job, seed: '2' });
    expect(await again.find('a', {})).toBeUndefined();
    expect(await again.find('b', {})).toBeDefined();
  });

  it.each(['json', 'bin'])('that are damaged, here the .%s, are run again, with a note', async (ending) => {
    await (await open(false)).keep('a', {}, { result, seconds: 1 });
    const name = (await files()).find((file) => file.startsWith('a-') && file.endsWith(ending)) as string;
    const path = join(dir, 'kept', name);
    const bytes = await readFile(path);
    bytes[bytes.length - 3] = 0x39;
    await writeFile(path, bytes);
    const again = await open(true);
    expect(await again.find('a', {})).toBeUndefined();
    expect(notes).toEqual(['What was kept of a is not used, because it is damaged; that stage is run again.']);
    await again.keep('a', {}, { result, seconds: 1 });
    expect(await (await open(true)).find('a', {})).toEqual({ result, seconds: 1 });
  });

  it('are started over where the job itself is damaged or there is none', async () => {
    await open(true);
    expect(notes.splice(0)).toEqual([
      expect.stringMatching(/^Nothing to resume in .*kept: starting from the beginning\.$/),
    ]);
    await (await open(false)).keep('a', {}, { result, seconds: 1 });
    await writeFile(join(dir, 'kept', 'job.json'), '{');
    expect(await (await open(true)).find('a', {})).toBeUndefined();
    expect(notes).toEqual([expect.stringMatching(/is damaged: starting from the beginning\.$/)]);
  });

  it('cost the run nothing where they cannot be written', async () => {
    await writeFile(join(dir, 'file'), '');
    const kept = await open(false, job, join(dir, 'file', 'kept'));
    await kept.keep('a', {}, { result, seconds: 1 });
    await kept.keep('b', {}, { result, seconds: 1 });
    expect(kept.isEmpty).toBe(true);
    expect(notes).toEqual([expect.stringMatching(/^Could not keep results in .*--resume will not find them: /)]);
  });
});
