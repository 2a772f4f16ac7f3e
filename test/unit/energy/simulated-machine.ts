import { createRandom } from '../../../src/core/random.ts';
import type { EnergyWorkload, Surroundings } from '../../../src/energy/protocol.ts';
import type { SystemFiles } from '../../../src/energy/system-files.ts';

export interface SimulatedLoad {
  readonly variant: string;
  /** Watts that it draws over the idle level, on average. */
  readonly powerW: number;
  readonly runS: number;
}

export interface SimulatedMachine {
  readonly files: SystemFiles;
  readonly surroundings: Surroundings;
  readonly workloads: readonly EnergyWorkload[];
  /** Seconds that have passed. */
  elapsedS(): number;
  remove(): void;
  /** Tells every step's power, in watts, after it. */
  onAdvance(listener: (watts: number) => void): void;
}

export interface SimulationOptions {
  readonly loads: readonly SimulatedLoad[];
  readonly tokensPerRun: number;
  readonly idleW?: number;
  /** Watts by which the idle power rises each minute. */
  readonly driftW?: number;
  /** Cores that other programs keep busy. */
  readonly otherCores?: number;
  /** Watts of it that a run of `runs` draws more, as a share; e.g. a machine that heats up. */
  readonly trend?: (elapsedS: number) => number;
}

/** The kernel's range of many packages, in microjoules; the counter stands shortly before its end. */
const rangeUj = 65_532_610_987;
const stepS = 0.05;

/**
 * A machine in simulated time, whose powercap tree shows a package of known power: idle power with noise and drift, runs
 * whose length and power vary, a counter of 61 microjoules a tick, renewed every millisecond, which wraps around.
 */
export function simulateMachine(seed: number, options: SimulationOptions): SimulatedMachine {
  const { loads, tokensPerRun, idleW = 30, driftW = 0.3, otherCores = 0, trend = () => 1 } = options;
  const random = createRandom(seed);
  let seconds = 0;
  let joules = rangeUj / 1e6 - 500;
  let isThere = true;
  const listeners: ((watts: number) => void)[] = [];
  const advance = (duration: number, loadW: number): void => {
    let left = duration;
    while (left > 1e-9) {
      const step = Math.min(stepS, left);
      // Noise of a standard deviation of 2 W over 50 ms.
      const watts = idleW + (driftW * seconds) / 60 + 2 * Math.sqrt(stepS / step) * random.normal() + loadW;
      joules += watts * step;
      seconds += step;
      for (const listen of listeners) listen(watts);
      left -= step;
    }
  };
  const folder = '/sys/class/powercap';
  const contents: Readonly<Record<string, () => string>> = {
    [`${folder}/intel-rapl:0/name`]: () => 'package-0',
    [`${folder}/intel-rapl:0/max_energy_range_uj`]: () => String(rangeUj),
    [`${folder}/intel-rapl:0/energy_uj`]: () => String((Math.floor((joules * 1e6) / 61) * 61) % rangeUj),
  };
  return {
    files: {
      list: async (path) => (path === folder && isThere ? ['intel-rapl', 'intel-rapl:0'] : []),
      async read(path) {
        const content = isThere ? contents[path] : undefined;
        if (!content) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
        return content();
      },
    },
    surroundings: {
      nowS: () => seconds,
      sleep: async (duration) => advance(duration, 0),
      otherCpuSeconds: () => otherCores * seconds,
      logicalCpus: 8,
    },
    workloads: loads.map(({ variant, powerW, runS }) => ({
      conditions: { model: 'toy', variant, phase: 'decode', threads: 1, batch: 1 },
      unit: 'token',
      unitsPerRun: tokensPerRun,
      async run() {
        // Runs differ in length and power; the joules of a run are right on average.
        const longer = 1 + 0.03 * random.normal();
        const stronger = (1 + 0.03 * random.normal()) * trend(seconds);
        advance(runS * longer, powerW * stronger);
      },
    })),
    elapsedS: () => seconds,
    onAdvance: (listener) => listeners.push(listener),
    remove: () => {
      isThere = false;
    },
  };
}
