import type { Static } from 'typebox';
import type { Machine } from '../energy/cpu-power.ts';
import { estimateCpuEnergy } from '../energy/estimate.ts';
import type { energySchema } from './schemas.ts';

export type Energy = Static<typeof energySchema>;

const sharing =
  'processor time of the server and the model is shared evenly among the texts that grow at the same time';

/**
 * Estimates what a request drew over the idle level.
 *
 * @param cpuSeconds - Its share of the processor time, see `createComputeLedger`.
 */
export function requestEnergy(machine: Machine, cpuSeconds: number): Energy {
  const { joules, interval, method } = estimateCpuEnergy(cpuSeconds, machine);
  const [low, high] = interval;
  return {
    ...{ status: 'estimated', joules, interval: [low, high], cpu_seconds: cpuSeconds },
    method: `${method} Here ${sharing}.`,
  };
}
