import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command } from '../cli/command-line.ts';
import { writeFeedback } from './short-feedback.ts';

let dir: string;
const at = (name: string): readonly string[] => ['--store', join(dir, name)];
const list = async (name: string): Promise<readonly { readonly client?: string }[]> =>
  JSON.parse((await command('feedback', 'list', '--limit', '1000', '--json', ...at(name))).stdout);
const bad = (client: string, count: number) =>
  Array.from({ length: count }, (_, number) => ({ prompt: `${client} ${number}`, output: ' x', rating: 1, client }));

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-feedback-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('itera-lite feedback', () => {
  it('imports nothing of files with a line that is no feedback, or leaves out such lines if asked to', async () => {
    const good = await writeFeedback(dir, 'good.jsonl', bad('anna', 2));
    const mixed = join(dir, 'mixed.jsonl');
    await writeFile(
      mixed,
      '{"prompt": "a", "output": "b", "rating": 9}\n{"prompt": "c", "output": "d", "rating": 4}\n{\n',
    );
    const refused = await command('feedback', 'import', good, mixed, ...at('import'));
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^FEEDBACK_INVALID: .*line 1: rating.*line 3: no JSON.*--skip-invalid\.$/m);
    expect(await list('import')).toEqual([]);
    const taken = await command('feedback', 'import', good, mixed, '--skip-invalid', ...at('import'));
    expect(taken).toMatchObject({ code: 0, stdout: '3 added, 0 there already, 2 lines left out\n' });
    expect(taken.stderr).toMatch(/^\S+ line 1: rating.*\n\S+ line 3: no JSON.*\n$/);
    expect(await list('import')).toHaveLength(3);
  });

  it('exports what import reads back', async () => {
    const file = await writeFeedback(dir, 'all.jsonl', bad('anna', 3));
    await command('feedback', 'import', file, ...at('export'));
    const copy = join(dir, 'copy.jsonl');
    expect((await command('feedback', 'export', copy, ...at('export'))).code).toBe(0);
    expect((await command('feedback', 'import', copy, ...at('export'))).stdout).toBe('0 added, 3 there already\n');
    expect((await command('feedback', 'import', copy, ...at('other'))).stdout).toBe('3 added, 0 there already\n');
  });

  it('deletes what a client said, which the next run then does not count; it skips what is too little', async () => {
    const adapt = async () => {
      const { code, stdout } = await command('adapt', '--model', 'itera-lite-micro', '--json', ...at('delete'));
      const { decision, reason, curation, promoted } = JSON.parse(stdout);
      expect({ code, decision, promoted }).toEqual({ code: 0, decision: 'skipped', promoted: 'v1' });
      expect(reason).toContain('too little feedback to learn from');
      return curation.training + curation.stopping + curation.heldOut;
    };
    const file = await writeFeedback(dir, 'two.jsonl', [...bad('anna', 4), ...bad('ben', 3)]);
    await command('feedback', 'import', file, ...at('delete'));
    expect(await adapt()).toBe(7);
    const { stdout } = await command('feedback', 'delete', '--client', 'anna', '--json', ...at('delete'));
    expect(JSON.parse(stdout)).toEqual({ deleted: 4 });
    expect((await list('delete')).map(({ client }) => client)).toEqual(['ben', 'ben', 'ben']);
    expect(await adapt()).toBe(3);
  }, 60_000);

  it.each<[line: string, says: RegExp]>([
    ['adapt --canary 0', /more than 0 and less than 100 percent, got 0/],
    ['adapt --canary 100', /more than 0 and less than 100 percent, got 100/],
    ['adapt --canary some', /'--canary <percent>' argument 'some' is invalid/],
    ['adapt --client-share 0', /more than 0 and at most 100 percent, got 0/],
    ['adapt --client-share 101', /more than 0 and at most 100 percent, got 101/],
    ['adapt --preset fast', /one of the presets default, original, got "fast"/],
    ['adapt --variant int9', /int8/],
    ['models promote', /missing required argument 'version'/],
    ['models check --false-alarm-rate 1', /above 0 and below 1, got 1/],
    ['feedback delete', /\(--client, --id, --tag, --since\) or --all/],
    ['feedback delete --all --client anna', /\(--client, --id, --tag, --since\) or --all/],
    ['feedback list --since yesterday', /a date such as 2026-01-31 for --since, got "yesterday"/],
    ['feedback import', /missing required argument 'file'/],
  ])('refuses wrong usage: %s', async (line, says) => {
    const { code, stdout, stderr } = await command(...line.split(' '), ...at('usage'));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(says);
  });
});
