import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createProgress, type Progress } from '../../../src/cli/progress.ts';

/** A stream that keeps what is written to it. As a terminal it also has the cursor's methods. */
function createStream(isTTY: boolean): { stream: NodeJS.WriteStream; written: string[] } {
  const written: string[] = [];
  const write = (text: string): boolean => {
    written.push(text);
    return true;
  };
  const cursor = { clearLine: () => write('\r'), cursorTo: () => true, columns: 120 };
  return { stream: { isTTY, write, ...cursor } as unknown as NodeJS.WriteStream, written };
}

let now = 0;
beforeEach(() => {
  now = 5000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => vi.restoreAllMocks());

describe('progress without a terminal', () => {
  function open(): { progress: Progress; written: string[] } {
    const { stream, written } = createStream(false);
    return { progress: createProgress(stream), written };
  }

  it('is a plain line every 30 seconds, with the time that is left', () => {
    const { progress, written } = open();
    now = 100_000;
    for (let done = 1; done <= 61; done++) {
      progress.update({ done, total: 200, unit: 'step', detail: `loss ${done}` });
      now += 1000;
    }
    expect(written).toEqual([
      '1/200 steps  loss 1\n',
      '31/200 steps, 169 s left  loss 31\n',
      '61/200 steps, 139 s left  loss 61\n',
    ]);
  });

  it('has no control characters and no bar', () => {
    const { progress, written } = open();
    now = 100_000;
    progress.update({ done: 1, total: 2, unit: 'step' });
    progress.note('a note');
    progress.update({ done: 2, total: 2, unit: 'step' });
    progress.end();
    for (const line of written) expect(line).toMatch(/^[ -~]*\n$/);
  });

  it('always tells the end', () => {
    const { progress, written } = open();
    progress.update({ done: 1, total: 9, unit: 'step' });
    now += 10;
    progress.update({ done: 9, total: 9, unit: 'step', detail: 'loss 2' });
    expect(written.at(-1)).toMatch(/^9\/9 steps, 0 s left {2}loss 2\n$/);
  });

  it('is a line for each stage of a job, and now and then within one', () => {
    const { progress, written } = open();
    const at = { name: 'scoring', place: 2, total: 9, share: 0.2, remainingS: 200 };
    progress.stage(at);
    now += 10;
    progress.stage({ ...at, detail: '5 documents' });
    now += 30_000;
    progress.stage({ ...at, detail: '9 documents', remainingS: 80 });
    now += 10;
    progress.stage({ ...at, name: 'writing', place: 3, remainingS: 0.2 });
    expect(written).toEqual([
      '2/9 stages, about 3 min left  scoring\n',
      '2/9 stages, about 80 s left  scoring: 9 documents\n',
      '3/9 stages  writing\n',
    ]);
  });

  it('writes notes at once, as they are', () => {
    const { progress, written } = open();
    progress.note('step 400: stories 1.2 bits/byte');
    expect(written).toEqual(['step 400: stories 1.2 bits/byte\n']);
  });

  it('starts anew after its end: the rate is that of the new work', () => {
    const { progress, written } = open();
    now = 100_000;
    progress.update({ done: 0, total: 10, unit: 'step' });
    progress.end();
    now += 1000_000;
    progress.update({ done: 0, total: 10, unit: 'step' });
    now += 40_000;
    progress.update({ done: 4, total: 10, unit: 'step' });
    expect(written.at(-1)).toMatch(/^4\/10 steps, 60 s left/);
  });

  it('counts what has no known end, a line every 30 seconds', () => {
    const { progress, written } = open();
    now = 100_000;
    for (let count = 1; count <= 40; count++) {
      progress.count(`${count} documents`);
      now += 1000;
    }
    expect(written).toEqual(['1 documents\n', '31 documents\n']);
  });
});

describe('progress on a terminal', () => {
  function open(): { progress: Progress; text: () => string } {
    const { stream, written } = createStream(true);
    const progress = createProgress(stream);
    opened.push(progress);
    return { progress, text: () => written.join('') };
  }
  const opened: Progress[] = [];
  afterEach(() => {
    for (const progress of opened.splice(0)) progress.end();
  });

  it('is a bar with share, count and detail', () => {
    const { progress, text } = open();
    progress.update({ done: 50, total: 200, unit: 'step', detail: 'loss 3.21' });
    progress.end();
    expect(text()).toContain('25% 50/200 steps');
    expect(text()).toContain('loss 3.21');
    expect(text()).toMatch(/\[=+-+\]/);
  });

  it('is one bar over all stages of a job', () => {
    const { progress, text } = open();
    progress.stage({ name: 'scoring', detail: '5 documents', place: 2, total: 9, share: 0.257, remainingS: 200 });
    progress.end();
    expect(text()).toContain('25%  2/9 stages, about 3 min left  scoring: 5 documents');
    expect(text()).toMatch(/\[=+-+\]/);
  });

  it('makes way for notes, which stay on a line of their own', () => {
    const { progress, text } = open();
    progress.update({ done: 1, total: 4, unit: 'step' });
    progress.note('a note');
    progress.update({ done: 2, total: 4, unit: 'step' });
    progress.end();
    expect(text()).toContain('a note\n');
    expect(text()).toContain('50% 2/4 steps');
  });

  it('shows the cursor again at its end, which may come twice', () => {
    const { progress, text } = open();
    progress.update({ done: 1, total: 4, unit: 'step' });
    progress.end();
    progress.end();
    expect(text().lastIndexOf('\u001b[?25h')).toBeGreaterThan(text().lastIndexOf('\u001b[?25l'));
  });

  it('writes nothing at its end if there was nothing to show', () => {
    const { progress, text } = open();
    progress.end();
    expect(text()).toBe('');
  });

  it('counts in place what has no known end, and goes to a new line afterwards', () => {
    const { progress, text } = open();
    progress.count('1 documents');
    progress.count('2 documents');
    progress.note('done');
    expect(text()).toBe('\r1 documents\r2 documents\ndone\n');
  });

  it('begins a new bar where the work changes', () => {
    const { progress, text } = open();
    progress.update({ done: 4, total: 4, unit: 'step' });
    progress.end();
    progress.update({ done: 10, total: 40, unit: 'document' });
    progress.end();
    expect(text()).toContain('25% 10/40 documents');
  });
});
