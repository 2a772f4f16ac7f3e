import type { Machine } from '../cpu-power.ts';
import { boundedCorePower, describeEstimate } from '../estimate.ts';
import type { Meter } from '../meter.ts';

/**
 * No meter, but what stands in for one: CPU seconds times watts, see `estimateCpuEnergy`. The seconds are measured, to the
 * microsecond; the watts are bounds, the same for all that this process does.
 *
 * @param cpuSeconds - CPU time so far of this process and its children, user and system.
 */
export function createEstimatedMeter(machine: Machine, cpuSeconds: () => number): Meter {
  const { lowW, valueW, highW } = boundedCorePower(machine);
  const start = cpuSeconds();
  return {
    name: 'estimate',
    status: 'estimated',
    covers: 'the processor and its memory, as far as CPU time shows their use',
    method: describeEstimate(machine),
    tickS: 1e-6,
    lagS: 0,
    countsIdle: false,
    relativeBounds: [lowW / valueW, highW / valueW],
    read: async () => ({ joules: (cpuSeconds() - start) * valueW }),
    async close() {},
  };
}
