import { describe, expect, it } from 'vitest';
import type { MeasurementRecord, Metric, ValueRecord } from '../../../src/core/measurement.ts';
import type { Machine } from '../../../src/energy/cpu-power.ts';
import { energyRecords } from '../../../src/energy/energy-records.ts';
import { type EnergyOptions, leastWindowS, measureEnergy } from '../../../src/energy/measure-energy.ts';
import type { Meter } from '../../../src/energy/meter.ts';
import { createEstimatedMeter } from '../../../src/energy/meters/estimated.ts';
import { findRapl } from '../../../src/energy/meters/rapl.ts';
import { runProtocol } from '../../../src/energy/protocol.ts';
import { type SimulatedMachine, type SimulationOptions, simulateMachine } from './simulated-machine.ts';

const machine: Machine = { cpuModel: 'AMD EPYC', logicalCpus: 8, architecture: 'x64', platform: 'linux' };

/** 20 W over 30 W of idling for 0.4 s gives 8 J a run, 0.25 J a token; the smaller form draws 18 W for 0.3 s. */
const usual: SimulationOptions = {
  loads: [
    { variant: 'fp32', powerW: 20, runS: 0.4 },
    { variant: 'int4', powerW: 18, runS: 0.3 },
  ],
  tokensPerRun: 32,
};
const truth = { fp32: (20 * 0.4) / 32, int4: (18 * 0.3) / 32 };

function measure(simulated: SimulatedMachine, more: Partial<EnergyOptions> = {}) {
  return measureEnergy(simulated.workloads, {
    ...{ machine, seed: 1, rounds: 8, windowS: 10, surroundings: simulated.surroundings },
    meterOptions: { files: simulated.files, platform: 'linux' },
    ...more,
  });
}

function find(records: readonly MeasurementRecord[], metric: Metric, variant: string): ValueRecord {
  const found = records.find((record) => record.metric === metric && record.conditions.variant === variant);
  if (!found || found.status === 'notRun') throw new Error(`no ${metric} of ${variant}`);
  return found;
}

async function raplOf(simulated: SimulatedMachine): Promise<Meter> {
  const found = await findRapl(simulated.files, simulated.surroundings.nowS);
  if ('reason' in found) throw new Error(found.reason);
  return found.meter;
}

/** The same meter, but its power follows what is drawn exponentially, as one that smooths it. */
function trail(meter: Meter, { surroundings, onAdvance }: SimulatedMachine, lagS: number): Meter {
  let [joules, watts, atS] = [0, 30, surroundings.nowS()];
  onAdvance((drawnW) => {
    const seconds = surroundings.nowS() - atS;
    atS += seconds;
    const share = 1 - Math.exp(-seconds / lagS);
    // The integral of the smoothed power over the step.
    joules += drawnW * seconds + (watts - drawnW) * lagS * share;
    watts += (drawnW - watts) * share;
  });
  return { ...meter, lagS, read: async () => ({ joules }) };
}

const covers = ({ interval }: ValueRecord, value: number): boolean =>
  interval !== undefined && interval[0] <= value && value <= interval[1];

describe('measureEnergy against a machine of known power', () => {
  it('gives the true joules per token within 2%, in an interval that covers them in at least 90 of 100 trials', async () => {
    const wrong: number[] = [];
    const covered = { fp32: 0, int4: 0, ratio: 0 };
    for (let seed = 1; seed <= 100; seed++) {
      const { records, meter } = await measure(simulateMachine(seed, usual), { seed });
      expect(meter).toMatchObject({ name: 'rapl', status: 'measured' });
      for (const variant of ['fp32', 'int4'] as const) {
        const record = find(records, 'energy_j_per_token', variant);
        expect(record).toMatchObject({ status: 'measured', confidence: 0.95, n: 8, unit: 'J/token' });
        if (Math.abs(record.value / truth[variant] - 1) > 0.02) wrong.push(seed);
        if (covers(record, truth[variant])) covered[variant] += 1;
      }
      const ratio = find(records, 'energy_ratio', 'int4');
      if (Math.abs(ratio.value / (truth.int4 / truth.fp32) - 1) > 0.02) wrong.push(seed);
      if (covers(ratio, truth.int4 / truth.fp32)) covered.ratio += 1;
    }
    expect(wrong).toEqual([]);
    expect(covered.fp32).toBeGreaterThanOrEqual(90);
    expect(covered.int4).toBeGreaterThanOrEqual(90);
    expect(covered.ratio).toBeGreaterThanOrEqual(90);
  });

  it('gives numbers that agree with each other, and carbon where its intensity is named', async () => {
    const { records, flags } = await measure(simulateMachine(3, usual), { carbonGPerKwh: 400 });
    const energy = find(records, 'energy_j_per_token', 'fp32');
    expect(find(records, 'tokens_per_joule', 'fp32').value).toBeCloseTo(1 / energy.value, 9);
    expect(find(records, 'power_w', 'fp32').value).toBeCloseTo(20, 0);
    const carbon = find(records, 'carbon_g_per_million_tokens', 'fp32');
    expect(carbon.value).toBeCloseTo((energy.value * 1e6 * 400) / 3.6e6, 9);
    expect(carbon.method).toContain('400 g CO2e/kWh, which the user named');
    expect(records.some(({ metric, conditions }) => metric === 'energy_ratio' && conditions.variant === 'fp32')).toBe(
      false,
    );
    expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
    expect(flags).toEqual([]);
  });

  it('gives the same numbers for the same seed', async () => {
    const [first, second] = [await measure(simulateMachine(5, usual)), await measure(simulateMachine(5, usual))];
    expect(first).toEqual(second);
  });

  it('flags a noisy machine, one whose idling drifts, and work that drifts', async () => {
    expect((await measure(simulateMachine(1, { ...usual, driftW: 0, otherCores: 2 }))).flags).toEqual([
      expect.stringMatching(/^Noisy: other programs kept 2\.00 of 8 cores busy/),
    ]);
    expect((await measure(simulateMachine(1, { ...usual, driftW: 2 }))).flags).toEqual([
      expect.stringMatching(/^Drift: the idle machine drew 30\.\d+ W before and 3\d\.\d+ W after/),
    ]);
    const heating = { ...usual, driftW: 0, trend: (elapsedS: number) => 1 + elapsedS / 1000 };
    const { flags, records } = await measure(simulateMachine(1, heating));
    expect(flags).toEqual([expect.stringMatching(/^Drift: the energy of a run changed by 1\d%/)]);
    expect(records[0]?.method).toContain('not in a steady state');
  });

  it('finds the truth in spite of a steady drift of the idle power', async () => {
    const { records } = await measure(simulateMachine(1, { ...usual, driftW: 2 }));
    expect(Math.abs(find(records, 'energy_j_per_token', 'fp32').value / truth.fp32 - 1)).toBeLessThan(0.02);
  });

  it('says so where the energy cannot be told from none', async () => {
    const faint = { ...usual, loads: [{ variant: 'fp32', powerW: 0.001, runS: 0.1 }] };
    const { records } = await measure(simulateMachine(2, faint), { windowS: 0.5 });
    expect(records.find(({ metric }) => metric === 'tokens_per_joule')).toMatchObject({
      status: 'notRun',
      reason: expect.stringContaining('cannot be told from none'),
    });
  });

  it('states no ratio and no carbon of what may be none', async () => {
    const loads = ['fp32', 'int4'].map((variant) => ({ variant, powerW: 0.001, runS: 0.1 }));
    for (let seed = 1; seed <= 20; seed++) {
      const simulated = simulateMachine(seed, { ...usual, loads });
      const { records } = await measure(simulated, { rounds: 3, windowS: 0.5, carbonGPerKwh: 400, seed });
      for (const record of records) {
        if (record.status === 'notRun') continue;
        expect(record.value).toBeGreaterThan(0);
        if (record.metric === 'energy_ratio') expect(record.interval?.[0]).toBeGreaterThan(0);
      }
      const ofFp32 = records.filter(({ conditions }) => conditions.variant === 'fp32');
      const certain = ofFp32.some(({ metric, status }) => metric === 'tokens_per_joule' && status !== 'notRun');
      const ratio = records.find(({ metric }) => metric === 'energy_ratio');
      if (!certain) expect(ratio?.status).toBe('notRun');
    }
  });

  it('never has windows shorter than the meter wants', async () => {
    const simulated = simulateMachine(1, usual);
    await measure(simulated, { rounds: 2, windowS: 0.001 });
    // Two rounds of two windows of half a second, beside 20 s of idling and warm-up.
    expect(simulated.elapsedS()).toBeGreaterThan(22);
  });

  it('waits for a meter that trails behind, and finds the truth all the same', async () => {
    const covered = { fp32: 0, int4: 0 };
    for (let seed = 1; seed <= 20; seed++) {
      const simulated = simulateMachine(seed, usual);
      const meter = trail(await raplOf(simulated), simulated, 1);
      const sizes = { rounds: 8, windowS: 10, warmupS: 1, idleS: 32 };
      const result = await runProtocol(meter, simulated.workloads, simulated.surroundings, sizes);
      const records = energyRecords(meter, result, { seed });
      for (const variant of ['fp32', 'int4'] as const) {
        const record = find(records, 'energy_j_per_token', variant);
        expect(Math.abs(record.value / truth[variant] - 1)).toBeLessThan(0.02);
        if (covers(record, truth[variant])) covered[variant] += 1;
      }
    }
    expect(covered.fp32).toBeGreaterThanOrEqual(18);
    expect(covered.int4).toBeGreaterThanOrEqual(18);
  });

  it('goes over to estimates if the meter vanishes, and says why', async () => {
    const simulated = simulateMachine(1, usual);
    const unplug = simulated.workloads.map((workload) => ({
      ...workload,
      async run() {
        await workload.run();
        if (simulated.elapsedS() > 60) simulated.remove();
      },
    }));
    const { meter, unusable, records } = await measure({ ...simulated, workloads: unplug });
    expect(meter).toMatchObject({ name: 'estimate', status: 'estimated' });
    expect(unusable).toEqual([
      {
        name: 'rapl',
        reason: expect.stringMatching(/^it failed meanwhile: .*intel-rapl:0\/energy_uj cannot be read any more/),
      },
    ]);
    expect(new Set(records.map(({ status }) => status))).toEqual(new Set(['estimated', 'notRun']));
  });

  it('does not put estimates in the place of a meter that was asked for', async () => {
    const simulated = simulateMachine(1, usual);
    simulated.remove();
    await expect(measure(simulated, { meter: 'rapl' })).rejects.toMatchObject({ code: 'METER_FAILED' });
  });

  it('leaves a meter aside whose windows take longer than there is time', async () => {
    const { meter, unusable } = await measure(simulateMachine(1, usual), { limitS: 60 });
    expect(meter.name).toBe('estimate');
    expect(unusable.at(-1)?.reason).toMatch(/would take 182 s in all, more than the 60 s/);
  });

  it('ends when it is aborted', async () => {
    const controller = new AbortController();
    const simulated = simulateMachine(1, usual);
    const workloads = simulated.workloads.map((workload) => ({
      ...workload,
      async run() {
        await workload.run();
        controller.abort();
      },
    }));
    await expect(measure({ ...simulated, workloads }, { signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});

describe('measureEnergy without a meter', () => {
  /** A machine that needs exactly as many CPU seconds as its clock shows. */
  async function estimate() {
    const simulated = simulateMachine(4, usual);
    simulated.remove();
    const cpuSeconds = simulated.surroundings.nowS;
    const options = { files: simulated.files, platform: 'linux', cpuSeconds };
    return measure(simulated, { windowS: 0.25, meterOptions: options });
  }

  it('gives estimates whose interval spans the watts, without a confidence level', async () => {
    const { records, meter, unusable } = await estimate();
    expect(meter.status).toBe('estimated');
    expect(unusable.map(({ name }) => name)).toEqual(['rapl', 'perf', 'powermetrics', 'hwmon', 'battery']);
    const absent = records.filter(({ status }) => status === 'notRun');
    expect(absent).toEqual([
      expect.objectContaining({
        metric: 'energy_j_per_token',
        reason: expect.stringMatching(
          /^No meter of this machine could be used.* rapl: there is no .* battery: there is no/,
        ),
      }),
    ]);
    const record = find(records, 'energy_j_per_token', 'fp32');
    expect(record.status).toBe('estimated');
    expect(record).not.toHaveProperty('confidence');
    const secondsPerToken = 0.4 / 32;
    const [low, high] = record.interval as [number, number];
    // 0.9 to 20 W, and a little more for sampling.
    expect(Math.abs(low / (secondsPerToken * 0.9) - 1)).toBeLessThan(0.1);
    expect(Math.abs(high / (secondsPerToken * 20) - 1)).toBeLessThan(0.1);
  });

  it('gives a ratio in which the watts cancel, with a level and the caveat', async () => {
    const ratio = find((await estimate()).records, 'energy_ratio', 'int4');
    expect(ratio).toMatchObject({ status: 'estimated', confidence: 0.95 });
    expect(ratio.value).toBeCloseTo(0.75, 1);
    expect((ratio.interval as [number, number])[1] - (ratio.interval as [number, number])[0]).toBeLessThan(0.1);
    expect(ratio.method).toContain('no meter has checked');
  });
});

describe('the protocol', () => {
  it('knows how long windows must be', () => {
    expect(leastWindowS({ status: 'measured', tickS: 0.001 })).toBe(0.5);
    expect(leastWindowS({ status: 'measured', tickS: 0.05 })).toBeCloseTo(5, 9);
    expect(leastWindowS({ status: 'measured', tickS: 1 })).toBe(10);
    expect(leastWindowS({ status: 'estimated', tickS: 1e-6 })).toBe(0.25);
  });

  it('gives workloads their windows in turns, there and back', async () => {
    const simulated = simulateMachine(1, usual);
    const order: unknown[] = [];
    const workloads = simulated.workloads.map((workload) => ({
      ...workload,
      async run() {
        await workload.run();
        order.push(workload.conditions.variant);
      },
    }));
    const meter = createEstimatedMeter(machine, simulated.surroundings.nowS);
    const sizes = { rounds: 3, windowS: 0.01, warmupS: 0.01, idleS: 1 };
    const { idle, workloads: measured } = await runProtocol(meter, workloads, simulated.surroundings, sizes);
    expect(order).toEqual(['fp32', 'int4', 'fp32', 'int4', 'int4', 'fp32', 'int4', 'fp32']);
    expect(idle).toEqual({ before: [], after: [] });
    expect(measured.map(({ windows }) => windows.length)).toEqual([3, 3]);
  });

  it('refuses work that cannot be measured', async () => {
    const { surroundings, workloads } = simulateMachine(1, usual);
    const meter = createEstimatedMeter(machine, surroundings.nowS);
    const sizes = { rounds: 1, windowS: 0.01, warmupS: 0, idleS: 1 };
    await expect(runProtocol(meter, workloads, surroundings, sizes)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});
