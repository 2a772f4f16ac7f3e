import { platform as ownPlatform } from 'node:os';
import { IteraError } from '../core/errors.ts';
import type { Machine } from './cpu-power.ts';
import type { FoundMeter, Meter } from './meter.ts';
import { findBattery } from './meters/battery.ts';
import { createEstimatedMeter } from './meters/estimated.ts';
import { findHwmon } from './meters/hwmon.ts';
import { findNvidia } from './meters/nvidia.ts';
import { findPerf } from './meters/perf.ts';
import { findPowermetrics } from './meters/powermetrics.ts';
import { findRapl } from './meters/rapl.ts';
import { processCpuSeconds } from './process-cpu.ts';
import { type SystemFiles, systemFiles } from './system-files.ts';

/** In the order in which they are tried: what counts the processor alone first, and `estimate` where nothing else works. */
export const meterNames = ['rapl', 'perf', 'powermetrics', 'hwmon', 'battery', 'nvidia', 'estimate'] as const;
export type MeterName = (typeof meterNames)[number];

export interface MeterChoice {
  readonly meter: Meter;
  /** Meters that were tried before it, and why each was not usable. */
  readonly unusable: readonly UnusableMeter[];
}

export interface UnusableMeter {
  readonly name: MeterName;
  readonly reason: string;
}

export interface MeterOptions {
  /** Only this one. */
  readonly wanted?: MeterName;
  /** Recorded ones instead of this system's. */
  readonly files?: SystemFiles;
  readonly platform?: string;
  readonly cpuSeconds?: () => number;
  /** Seconds on a clock that does not jump. */
  readonly nowS?: () => number;
  /** Programs in place of the real ones. */
  readonly programs?: Partial<Record<'perf' | 'powermetrics' | 'nvidia', string>>;
}

/**
 * Finds the best meter that this machine has: the processor's own counters, else a board's or the battery, else the
 * estimate, which works everywhere. A card's meter is used only where it is wanted: models run on the processor.
 *
 * @throws {@link IteraError} `METER_FAILED` if the wanted one is not usable, with the reason.
 */
export async function chooseMeter(machine: Machine, options: MeterOptions = {}): Promise<MeterChoice> {
  const { wanted } = options;
  const unusable: UnusableMeter[] = [];
  for (const name of wanted === undefined ? meterNames.filter((one) => one !== 'nvidia') : [wanted]) {
    const found = await findMeter(name, machine, options);
    if ('meter' in found) return { meter: found.meter, unusable };
    unusable.push({ name, reason: found.reason });
  }
  const [{ name, reason }] = unusable as [UnusableMeter];
  throw new IteraError('METER_FAILED', `The meter ${name} cannot be used here: ${reason}`, { name, reason });
}

/** Whether one meter works on this machine; the meter must be closed again. */
export async function findMeter(name: MeterName, machine: Machine, options: MeterOptions = {}): Promise<FoundMeter> {
  const { files = systemFiles(), platform = ownPlatform(), programs = {} } = options;
  const { nowS = () => performance.now() / 1000 } = options;
  if (platform !== 'linux' && ['rapl', 'perf', 'hwmon', 'battery'].includes(name)) {
    return { reason: `it is read from Linux's /sys, and this is ${platform}.` };
  }
  switch (name) {
    case 'rapl':
      return findRapl(files, nowS);
    case 'perf':
      return findPerf(files, programs.perf === undefined ? {} : { program: programs.perf });
    case 'powermetrics':
      return findPowermetrics({
        ...{ platform, isRoot: process.getuid?.() === 0 },
        ...(programs.powermetrics !== undefined && { program: programs.powermetrics }),
      });
    case 'hwmon':
      return findHwmon(files, nowS);
    case 'battery':
      return findBattery(files, { nowS });
    case 'nvidia':
      return findNvidia({ nowS, ...(programs.nvidia !== undefined && { program: programs.nvidia }) });
    case 'estimate':
      return { meter: createEstimatedMeter(machine, options.cpuSeconds ?? processCpuSeconds) };
  }
}
