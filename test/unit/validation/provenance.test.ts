import { expect, it } from 'vitest';
import { describeProvenance } from '../../../src/validation/provenance.ts';

it('tells the versions, the machine and what it was given', async () => {
  const hashes = { 'model/config.json': 'a'.repeat(64) };
  const provenance = await describeProvenance('1.2.3', { threads: 2, seed: 5, hashes });
  expect(provenance).toMatchObject({ iteraLite: '1.2.3', node: process.version, threads: 2, seed: 5, hashes });
  expect(provenance.onnxruntime).toMatch(/^\d+\.\d+\.\d+/);
  expect(provenance.platform).toContain(process.arch);
  expect(provenance.cpuCount).toBeGreaterThan(0);
  expect(provenance.memoryBytes).toBeGreaterThan(2 ** 20);
  expect(Math.abs(Date.parse(provenance.createdAt) - Date.now())).toBeLessThan(60_000);
});

it('names the commit of a checkout, in full, or none', async () => {
  const { commit = '0'.repeat(40) } = await describeProvenance('1.2.3', { hashes: {} });
  expect(commit).toMatch(/^[0-9a-f]{40}$/);
});
