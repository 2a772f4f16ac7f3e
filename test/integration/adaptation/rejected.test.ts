import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFeedbackFile } from '../../../src/adaptation/feedback-file.ts';
import { scenarioFile } from '../../../src/adaptation/scenarios.ts';
import { command } from '../cli/command-line.ts';
import { writeFeedback } from './short-feedback.ts';

let dir: string;
const store = (): readonly string[] => ['--store', join(dir, 'store')];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-rejected-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('itera-lite adapt', () => {
  it('runs when enough negative feedback is there, and keeps what makes base text worse as rejected', async () => {
    const { items } = await readFeedbackFile(scenarioFile('phrase'));
    const negative = items.filter(({ correct }) => correct === false);
    const adapt = async () => {
      const given = ['--model', 'itera-lite-micro', '--when-due', '--steps', '20', '--variant', 'none'];
      return command('adapt', ...given, '--base-text', join(dir, 'base.txt'), ...store(), '--json');
    };
    // What feedback calls bad is all there is in this base text: to unlearn it is to get worse there.
    const phrases = negative.map(({ prompt, output }) => `${prompt}${output}`);
    await writeFile(join(dir, 'base.txt'), phrases.slice(0, 40).join('\n<|endoftext|>\n'));

    await command('feedback', 'import', await writeFeedback(dir, 'few.jsonl', negative.slice(0, 49)), ...store());
    const early = await adapt();
    expect({ code: early.code, decision: JSON.parse(early.stdout).decision }).toEqual({ code: 0, decision: 'notDue' });

    await command('feedback', 'import', scenarioFile('phrase'), ...store());
    const { code, stdout, stderr } = await adapt();
    const { decision, promoted, candidate, findings, run } = JSON.parse(stdout);
    expect(decision, stderr).toBe('rejected');
    expect({ code, promoted, trigger: run.trigger }).toEqual({ code: 3, promoted: 'v1', trigger: 'negativeFeedback' });
    expect(findings).toContainEqual({
      ...{ name: 'heldOut', passed: true, sentence: expect.stringContaining('significantly better') },
    });
    expect(findings).toContainEqual({
      name: 'base',
      passed: false,
      sentence: expect.stringContaining('beyond the 2%'),
    });
    expect(stderr).toMatch(/^GATE_REFUSED: The candidate was rejected\. .*beyond the 2% allowed/m);

    const { versions, deployment } = JSON.parse((await command('models', 'list', ...store(), '--json')).stdout);
    expect(versions).toMatchObject([
      { id: 'v1', state: 'kept' },
      { id: candidate.version, state: 'rejected' },
    ]);
    expect(deployment).toMatchObject({ promoted: 'v1' });
    expect((await command('models', 'verify', ...store())).code).toBe(0);
  }, 120_000);
});
