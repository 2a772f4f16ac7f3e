import { describe, expect, it } from 'vitest';
import { versionFor } from '../../../src/adaptation/routing.ts';

const clients = Array.from({ length: 2000 }, (_, at) => `client ${at}`);
const since = '2026-01-01T00:00:00.000Z';

describe('versionFor', () => {
  it('gives everybody the promoted version, and a canary to its share of clients', () => {
    expect(versionFor({ promoted: 'v1', since }, 'anna')).toBe('v1');
    const deployment = { promoted: 'v1', canary: { version: 'v2', share: 0.1 }, since };
    const share = clients.filter((client) => versionFor(deployment, client) === 'v2').length / clients.length;
    expect(share).toBeGreaterThan(0.08);
    expect(share).toBeLessThan(0.12);
  });

  it('gives a client the same version every time, and keeps those of a smaller share in a larger one', () => {
    const at = (share: number, version: string) =>
      clients.filter((client) => versionFor({ promoted: 'v1', canary: { version, share }, since }, client) === version);
    const few = at(0.1, 'v2');
    expect(at(0.1, 'v2')).toEqual(few);
    expect(few.every((client) => at(0.3, 'v2').includes(client))).toBe(true);
    expect(at(0.1, 'v3')).not.toEqual(few);
  });
});
