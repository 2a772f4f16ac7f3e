import { describe, expect, it } from 'vitest';
import { IteraError } from '../../../src/core/errors.ts';
import { parseRetryAfter, type RetryOptions, TransientFault, withRetries } from '../../../src/data/retry.ts';

function recordWaits(): { waits: number[]; options: RetryOptions } {
  const waits: number[] = [];
  const wait = async (ms: number) => {
    waits.push(ms);
  };
  return { waits, options: { random: () => 0.5, wait } };
}

const fault = (retryAfterMs?: number) => new TransientFault('it broke', { retryAfterMs });

describe('withRetries', () => {
  it('waits twice as long each time, scattered, up to its limit', async () => {
    const { waits, options } = recordWaits();
    let calls = 0;
    const work = async () => {
      if (++calls < 8) throw fault();
      return calls;
    };
    expect(await withRetries('do it', work, { ...options, attempts: 9 })).toBe(8);
    expect(waits).toEqual([750, 1500, 3000, 6000, 12_000, 22_500, 22_500]);
  });

  it('gives up after so many attempts without progress, and begins to count anew after progress', async () => {
    const { waits, options } = recordWaits();
    const failing = withRetries('do it', () => Promise.reject(fault()), { ...options, attempts: 3 });
    await expect(failing).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringMatching(/^Could not do it: it broke; 3 attempts\./),
    });
    expect(waits).toHaveLength(2);
    let calls = 0;
    const work = async () => {
      if (++calls < 10) throw fault();
      return calls;
    };
    expect(await withRetries('do it', work, { ...options, attempts: 3 }, undefined, () => calls % 2 === 0)).toBe(10);
  });

  it('waits as long as the server asks, unless that is too long', async () => {
    const { waits, options } = recordWaits();
    let calls = 0;
    const work = async () => {
      if (calls++ === 0) throw fault(7000);
    };
    await withRetries('do it', work, options);
    expect(waits).toEqual([7000]);
    const slow = withRetries('do it', () => Promise.reject(fault(3_600_000)), options);
    await expect(slow).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED', message: expect.stringContaining('3600 s') });
  });

  it('does not repeat what will not change, and stops when told', async () => {
    const lasting = new IteraError('FILE_CORRUPT', 'no');
    await expect(withRetries('do it', () => Promise.reject(lasting))).rejects.toBe(lasting);
    const controller = new AbortController();
    const stopped = withRetries(
      'do it',
      async () => {
        setTimeout(() => controller.abort(), 5);
        throw fault(100_000);
      },
      {},
      controller.signal,
    );
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('parseRetryAfter', () => {
  it.each<[string | null, number | undefined]>([
    ['120', 120_000],
    [' 0 ', 0],
    ['Wed, 01 Jan 2025 00:00:30 GMT', 30_000],
    ['Tue, 31 Dec 2024 00:00:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
  ])('%j', (header, ms) => {
    expect(parseRetryAfter(header, Date.UTC(2025, 0, 1))).toBe(ms);
  });
});
