import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { processCpuSeconds } from '../../../src/energy/process-cpu.ts';

const work = 'let x = 0; const end = process.cpuUsage().user + 100e3; while (process.cpuUsage().user < end) x += 1;';

describe('processCpuSeconds', () => {
  it('counts what this process works', () => {
    const before = processCpuSeconds();
    const end = process.cpuUsage().user + 50_000;
    while (process.cpuUsage().user < end);
    expect(processCpuSeconds() - before).toBeGreaterThanOrEqual(0.05);
  });

  it('counts children too, on Linux', () => {
    const before = processCpuSeconds();
    spawnSync(process.execPath, ['-e', work]);
    expect(processCpuSeconds() - before).toBeGreaterThanOrEqual(process.platform === 'linux' ? 0.08 : 0);
  });
});
