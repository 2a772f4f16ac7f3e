import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatFeedback, readFeedbackFile } from '../../../src/adaptation/feedback-file.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-feedback-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function write(...lines: readonly unknown[]): Promise<string> {
  const path = join(dir, `${Math.random()}.jsonl`);
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  await writeFile(path, text.join('\n'));
  return path;
}

const whole = {
  ...{ prompt: 'p', output: ' o', rating: 2, correct: false, correction: ' c', comment: 'why', client: 'anna' },
  ...{ tags: ['a', 'b'], version: 'v2' },
};

describe('readFeedbackFile', () => {
  it('reads every field, skips blank lines, and gets back what was written', async () => {
    const path = await write(whole, '', { prompt: 'p', correction: ' c' }, '  ');
    expect(await readFeedbackFile(path)).toEqual({ items: [whole, { prompt: 'p', correction: ' c' }], faults: [] });
    const line = formatFeedback({ ...whole, id: '1', createdAt: '2026-01-01T00:00:00.000Z' });
    expect(JSON.parse(line)).toEqual({ ...whole, id: '1', createdAt: '2026-01-01T00:00:00.000Z' });
    expect((await readFeedbackFile(await write(line))).items).toEqual([whole]);
  });

  it.each<[string, unknown, string]>([
    ['no JSON', '{"prompt": ', 'no JSON'],
    ['a list', '[]', 'object'],
    ['no prompt', { output: ' o', rating: 1 }, 'prompt is missing'],
    ['an empty prompt', { prompt: '', output: ' o', rating: 1 }, 'prompt'],
    ['no judgement', { prompt: 'p', output: ' o', comment: 'nice' }, 'correct or a correction is missing'],
    ['no output', { prompt: 'p', rating: 1 }, 'output is missing'],
    ['a rating of 6', { prompt: 'p', output: ' o', rating: 6 }, 'rating'],
    ['a rating of 2.5', { prompt: 'p', output: ' o', rating: 2.5 }, 'rating'],
    ['a wrong field', { prompt: 'p', output: ' o', rating: 1, ratting: 1 }, 'ratting is no field'],
    ['a very long prompt', { prompt: 'p'.repeat(20_001), output: ' o', rating: 1 }, 'prompt'],
    ['a NUL character', { prompt: 'p\0', output: ' o', rating: 1 }, 'prompt holds a NUL'],
    ['half a character', { prompt: 'p', output: ' o', rating: 1, tags: ['\ud800'] }, 'tags holds'],
    ['too many tags', { prompt: 'p', output: ' o', rating: 1, tags: Array(33).fill('t') }, 'tags'],
  ])('refuses %s, naming the line, or leaves it out', async (_, line, problem) => {
    const path = await write(whole, line);
    const refusal = readFeedbackFile(path);
    await expect(refusal).rejects.toMatchObject({ code: 'FEEDBACK_INVALID' });
    await expect(refusal).rejects.toThrow(`line 2: `);
    await expect(refusal).rejects.toThrow(problem);
    const { items, faults } = await readFeedbackFile(path, { skipInvalid: true });
    expect(items).toEqual([whole]);
    expect(faults).toMatchObject([{ line: 2 }]);
  });

  it('describes a few faults and counts the rest', async () => {
    const path = await write(...Array<string>(9).fill('x'));
    await expect(readFeedbackFile(path)).rejects.toThrow('and 4 more lines');
  });

  it('keeps control characters of a file out of its messages', async () => {
    const refusal = readFeedbackFile(await write('garbage\u001b[31m', { 'x\u001b[31m': 1 }));
    await expect(refusal).rejects.not.toThrow(/\p{Cc}/u);
    await expect(refusal).rejects.toThrow('line 1');
  });

  it('names the file that is no text, and waits for no pipe', async () => {
    const path = join(dir, 'binary.jsonl');
    await writeFile(path, Uint8Array.of(0xff, 0xfe, 1));
    await expect(readFeedbackFile(path)).rejects.toThrow('binary.jsonl');
    const pipe = join(dir, 'pipe');
    execFileSync('mkfifo', [pipe], { stdio: 'pipe' });
    await expect(readFeedbackFile(pipe)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });

  it('says what cannot be read', async () => {
    await expect(readFeedbackFile(join(dir, 'none.jsonl'))).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });
});
