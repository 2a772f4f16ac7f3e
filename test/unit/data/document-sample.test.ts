import { describe, expect, it } from 'vitest';
import { sampleDocuments, sampleWithin } from '../../../src/data/document-sample.ts';
import { plainDocument, type TextDocument } from '../../../src/data/documents.ts';

/** Documents whose text is their number. */
async function* numbered(count: number): AsyncGenerator<TextDocument> {
  for (let index = 0; index < count; index++) yield plainDocument(String(index));
}

const numbersOf = (sample: readonly TextDocument[]): number[] => sample.map(({ text }) => Number(text));
const draw = async (total: number, count: number, seed: number): Promise<number[]> =>
  numbersOf((await sampleDocuments(numbered(total), count, seed)).sample);

describe('sampleDocuments', () => {
  it('gives different documents in their order in the text, and says how many there were', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const { sample, total } = await sampleDocuments(numbered(100), 20, seed);
      const numbers = numbersOf(sample);
      expect(total).toBe(100);
      expect(new Set(numbers).size).toBe(20);
      expect([...numbers].sort((a, b) => a - b)).toEqual(numbers);
    }
  });

  it.each([
    [5, 5],
    [5, 9],
    [1, 1],
    [0, 3],
  ])('gives all of %i documents where %i are wanted', async (total, count) => {
    expect(await draw(total, count, 1)).toEqual(Array.from({ length: total }, (_, index) => index));
  });

  it('gives none where none are wanted', async () => {
    expect(await sampleDocuments(numbered(4), 0, 1)).toEqual({ sample: [], total: 4 });
  });

  it('depends on the seed and nothing else', async () => {
    expect(await draw(200, 10, 7)).toEqual(await draw(200, 10, 7));
    const seen = new Set<string>();
    for (let seed = 0; seed < 40; seed++) seen.add((await draw(200, 10, seed)).join());
    expect(seen.size).toBe(40);
  });

  it('takes every document, and every pair, equally often', async () => {
    const [documents, count, draws] = [12, 4, 3000];
    const single = new Float64Array(documents);
    const pairs = new Float64Array(documents * documents);
    for (let seed = 0; seed < draws; seed++) {
      const sample = await draw(documents, count, seed);
      for (const a of sample) {
        single[a] = (single[a] as number) + 1;
        for (const b of sample) if (a < b) pairs[a * documents + b] = (pairs[a * documents + b] as number) + 1;
      }
    }
    // 3000 draws at 1/3: mean 1000, standard deviation 26. Pairs at 4 * 3 / (12 * 11): mean 273, deviation 16.
    for (const times of single) expect(Math.abs(times - 1000)).toBeLessThan(5 * 26);
    for (let a = 0; a < documents; a++) {
      for (let b = a + 1; b < documents; b++) {
        expect(Math.abs((pairs[a * documents + b] as number) - 272.7)).toBeLessThan(5 * 16);
      }
    }
  });

  it('reads the text once', async () => {
    let reads = 0;
    async function* counted(): AsyncGenerator<TextDocument> {
      reads++;
      yield* numbered(300);
    }
    expect((await sampleDocuments(counted(), 3, 1)).sample).toHaveLength(3);
    expect(reads).toBe(1);
  });

  it('passes on what reading throws', async () => {
    const fault = new Error('unreadable');
    async function* broken(): AsyncGenerator<TextDocument> {
      yield plainDocument('a');
      throw fault;
    }
    await expect(sampleDocuments(broken(), 3, 1)).rejects.toBe(fault);
  });
});

describe('sampleWithin', () => {
  const limits = { maxDocuments: 20, maxBytes: 25, minDocuments: 3 };
  /** Documents of 10 bytes each, the number in front. */
  async function* tens(count: number): AsyncGenerator<TextDocument> {
    for (let index = 0; index < count; index++) yield plainDocument(String(index).padEnd(10, '.'));
  }
  const within = async (total: number, change: Partial<typeof limits>, seed = 1) => {
    const { sample, total: found } = await sampleWithin(tens(total), { ...limits, ...change }, seed);
    expect(found).toBe(total);
    return sample.map(({ text }) => Number.parseInt(text, 10));
  };

  it.each<[string, number, Partial<typeof limits>, number]>([
    ['stops once the bytes are reached', 100, {}, 3],
    ['takes the least number whatever their size', 100, { minDocuments: 8 }, 8],
    ['takes no more than the most', 100, { maxBytes: 1e9 }, 20],
    ['takes no more than there are', 5, { maxBytes: 1e9 }, 5],
    ['takes one that ends exactly at the limit and no other', 100, { maxBytes: 40, minDocuments: 1 }, 4],
    ['takes the most where the least is above it', 100, { minDocuments: 30 }, 20],
    ['takes none of none', 0, {}, 0],
  ])('%s', async (_, total, change, expected) => {
    expect(await within(total, change)).toHaveLength(expected);
  });

  it('gives different documents in their order in the text, drawn by the seed', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const numbers = await within(100, { minDocuments: 6 }, seed);
      expect([...new Set(numbers)].sort((a, b) => a - b)).toEqual(numbers);
      expect(await within(100, { minDocuments: 6 }, seed)).toEqual(numbers);
      seen.add(numbers.join());
    }
    expect(seen.size).toBeGreaterThan(38);
  });

  it('takes every document equally often', async () => {
    const times = new Float64Array(30);
    for (let seed = 0; seed < 2000; seed++) {
      for (const number of await within(30, {}, seed)) times[number] = (times[number] as number) + 1;
    }
    // 2000 draws of 3 from 30: mean 200, standard deviation 13.4.
    for (const count of times) expect(Math.abs(count - 200)).toBeLessThan(5 * 13.4);
  });
});
