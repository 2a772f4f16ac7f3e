import { describe, expect, it } from 'vitest';
import { type Curation, curateFeedback } from '../../../src/adaptation/learning/curation.ts';
import type { StoredFeedback } from '../../../src/adaptation/store/store-records.ts';

let count = 0;
const item = (feedback: Partial<StoredFeedback> & { readonly prompt: string }): StoredFeedback => ({
  id: `id-${++count}`,
  createdAt: new Date(1e12 + 1000 * count).toISOString(),
  ...feedback,
});
const all = ({ training, stopping, heldOut }: Curation) => [...training, ...stopping, ...heldOut];
const good = (prompt: string, output: string, client?: string): StoredFeedback =>
  item({ prompt, output, rating: 5, ...(client && { client }) });
const bad = (prompt: string, output: string, client?: string): StoredFeedback =>
  item({ prompt, output, correct: false, ...(client && { client }) });

describe('curateFeedback', () => {
  it('imitates what is judged well, avoids what is judged badly, and does both where a text was corrected', () => {
    const found = all(
      curateFeedback([
        good('a', ' yes'),
        bad('b', ' no'),
        item({ prompt: 'c', output: ' no', correction: ' yes' }),
        item({ prompt: 'd', correction: ' yes' }),
        item({ prompt: 'e', output: ' well', rating: 5, correction: ' better' }),
      ]),
    );
    const byPrompt = Object.fromEntries(found.map(({ prompt, wanted, unwanted }) => [prompt, { wanted, unwanted }]));
    expect(byPrompt).toEqual({
      a: { wanted: ' yes', unwanted: undefined },
      b: { wanted: undefined, unwanted: ' no' },
      c: { wanted: ' yes', unwanted: ' no' },
      d: { wanted: ' yes', unwanted: undefined },
      e: { wanted: ' better', unwanted: undefined },
    });
  });

  it('leaves out what says neither good nor bad, and what is too long', () => {
    const { dropped, ...parts } = curateFeedback([
      item({ prompt: 'a', output: ' x', rating: 3 }),
      item({ prompt: 'b', output: ' x', rating: 5, correct: false }),
      good('c'.repeat(4001), ' x'),
      good('d', 'x'.repeat(4001)),
    ]);
    expect(dropped).toMatchObject({ unjudged: 2, tooLong: 2 });
    expect(all({ ...parts, dropped })).toEqual([]);
  });

  it('lets the last word of a client count', () => {
    const found = curateFeedback([bad('a', ' x', 'anna'), good('a', ' x', 'anna')]);
    expect(all(found).map(({ wanted }) => wanted)).toEqual([' x']);
    expect(found.dropped.superseded).toBe(1);
  });

  it('lets more clients outvote fewer, and nobody at a tie', () => {
    const outvoted = curateFeedback([good('a', ' x', 'anna'), good('a', ' x', 'ben'), bad('a', ' x', 'carl')]);
    expect(all(outvoted).map(({ wanted }) => wanted)).toEqual([' x']);
    expect(outvoted.dropped).toMatchObject({ contradictory: 1, duplicate: 1 });
    const tied = curateFeedback([good('a', ' x', 'anna'), bad('a', ' x', 'carl')]);
    expect(all(tied)).toEqual([]);
    expect(tied.dropped.contradictory).toBe(2);
  });

  it('counts many words of one client as one vote', () => {
    const flipped = Array.from({ length: 50 }, (_, at) => bad(`a${' '.repeat(at)}`, ' x', 'carl'));
    const found = curateFeedback([...flipped, good('a', ' x', 'anna'), good('a', ' x', 'ben')]);
    expect(all(found).map(({ wanted, unwanted }) => [wanted, unwanted])).toEqual([[' x', undefined]]);
  });

  it('gives one client at most its share of all that is left', () => {
    const others = Array.from({ length: 180 }, (_, at) => good(`good ${at}`, ` x${at}`, `client ${at % 30}`));
    const flood = Array.from({ length: 1000 }, (_, at) => good(`noise ${at}`, ` q${at}`, 'mallory'));
    const found = curateFeedback([...flood, ...others]);
    const share = all(found).filter(({ client }) => client === 'mallory').length / all(found).length;
    expect(share).toBeGreaterThan(0.05);
    expect(share).toBeLessThanOrEqual(0.1);
    expect(all(found).filter(({ client }) => client !== 'mallory')).toHaveLength(180);
  });

  it('lets one client contradict no more than its share', () => {
    const others = Array.from({ length: 240 }, (_, at) => good(`p ${at}`, ` x`, `client ${at % 24}`));
    const liar = Array.from({ length: 240 }, (_, at) => bad(`p ${at}`, ` x`, 'mallory'));
    const found = curateFeedback([...others, ...liar]);
    expect(all(found).length).toBeGreaterThan(205);
    expect(all(found).every(({ wanted }) => wanted === ' x')).toBe(true);
  });

  it('limits no operator, and lets a single client give a few', () => {
    const many = Array.from({ length: 100 }, (_, at) => good(`p ${at}`, ' x'));
    expect(all(curateFeedback(many))).toHaveLength(100);
    const single = many.map((feedback) => ({ ...feedback, client: 'anna' }));
    expect(all(curateFeedback(single))).toHaveLength(10);
    expect(all(curateFeedback(single, { clientShare: 1 }))).toHaveLength(100);
  });

  it('keeps every prompt in one part, however its text is spaced, and whatever else there is', () => {
    const items = Array.from({ length: 400 }, (_, at) => good(`prompt ${at}`, ` x`));
    const whole = curateFeedback(items);
    expect(whole.heldOut.length / 400).toBeCloseTo(0.2, 1);
    expect(whole.stopping.length / 400).toBeCloseTo(0.1, 1);
    const half = curateFeedback(items.filter((_, at) => at % 2 === 0));
    const held = new Set(whole.heldOut.map(({ prompt }) => prompt));
    expect(half.heldOut.every(({ prompt }) => held.has(prompt))).toBe(true);
    const spaced = curateFeedback([good('prompt  1 ', ' y'), good('prompt 1', ' x')]);
    expect([spaced.training, spaced.stopping, spaced.heldOut].filter(({ length }) => length > 0)).toHaveLength(1);
  });
});
