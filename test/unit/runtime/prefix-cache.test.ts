import { describe, expect, it } from 'vitest';
import { createPrefixCache } from '../../../src/runtime/prefix-cache.ts';
import { createTrigramEngine } from './trigram-engine.ts';

const createEngine = () => createTrigramEngine(9, [[1, 2, 3, 4, 5, 6, 7, 8]]);

describe('createPrefixCache', () => {
  it('runs only what comes after the longest known prefix, with the same result', async () => {
    const engine = createEngine();
    const cache = createPrefixCache(engine, 4);
    await cache.runPrefix([0, 1]);
    await cache.runPrefix([0, 1, 2, 3]);
    const step = await cache.runPrefix([0, 1, 2, 3, 4]);
    expect(engine.runs).toEqual([[0, 1], [2, 3], [4]]);
    expect(step).toEqual(await createEngine().run([0, 1, 2, 3, 4]));
    expect(await cache.runPrefix([0, 1, 2, 3, 4])).toBe(step);
    expect(engine.runs.length).toBe(3);
    expect(cache.tokensRun()).toBe(5);
  });

  it('never goes on from a prefix that is not wholly one', async () => {
    const engine = createEngine();
    const cache = createPrefixCache(engine, 4);
    await cache.runPrefix([0, 1, 2]);
    await cache.runPrefix([0, 1]);
    await cache.runPrefix([0, 2, 2, 4]);
    expect(engine.runs).toEqual([
      [0, 1, 2],
      [0, 1],
      [0, 2, 2, 4],
    ]);
  });

  it('forgets the least recently used', async () => {
    const engine = createEngine();
    const cache = createPrefixCache(engine, 2);
    await cache.runPrefix([1]);
    await cache.runPrefix([2]);
    await cache.runPrefix([1]);
    await cache.runPrefix([3]);
    expect(engine.runs).toEqual([[1], [2], [3]]);
    await cache.runPrefix([1]);
    expect(engine.runs.length).toBe(3);
    await cache.runPrefix([2]);
    expect(engine.runs.length).toBe(4);
  });

  it('remembers nothing of a run that was aborted or of single tokens', async () => {
    const engine = createEngine();
    const cache = createPrefixCache(engine, 2);
    await expect(cache.runPrefix([1], AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' });
    expect(cache.tokensRun()).toBe(0);
    const { state } = await cache.runPrefix([1]);
    await cache.runToken(2, state);
    await cache.runPrefix([1, 2]);
    expect(engine.runs).toEqual([[1], [2], [2]]);
  });
});
