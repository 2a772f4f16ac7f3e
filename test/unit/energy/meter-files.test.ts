import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chooseMeter } from '../../../src/energy/choose-meter.ts';
import type { Machine } from '../../../src/energy/cpu-power.ts';
import type { FoundMeter, Meter } from '../../../src/energy/meter.ts';
import { findBattery } from '../../../src/energy/meters/battery.ts';
import { findHwmon } from '../../../src/energy/meters/hwmon.ts';
import { findRapl } from '../../../src/energy/meters/rapl.ts';
import { type SystemFiles, systemFiles } from '../../../src/energy/system-files.ts';

const powercap = 'sys/class/powercap';
const machine: Machine = {
  ...{ cpuModel: 'AMD EPYC', logicalCpus: 2, architecture: 'x64', platform: 'linux' },
  virtualization: 'the processor flag "hypervisor"',
};

let root: string;
let time: number;
const nowS = (): number => time;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'itera-meters-'));
  time = 100;
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function write(path: string, text: string | number): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), `${text}\n`);
}

/** A zone as the kernel shows it. */
async function writeZone(zone: string, name: string, energyUj: number, rangeUj = 262_143_328_850): Promise<void> {
  await write(`${powercap}/${zone}/name`, name);
  await write(`${powercap}/${zone}/energy_uj`, energyUj);
  await write(`${powercap}/${zone}/max_energy_range_uj`, rangeUj);
}

/** A laptop's tree: package with parts, memory, the whole platform, and the package a second time by another way. */
async function writeTree(): Promise<void> {
  await writeZone('intel-rapl:0', 'package-0', 1_000_000);
  await writeZone('intel-rapl:0:0', 'core', 500_000);
  await writeZone('intel-rapl:0:1', 'uncore', 100_000);
  await writeZone('intel-rapl:0:2', 'dram', 300_000);
  await writeZone('intel-rapl:1', 'psys', 9_000_000);
  await writeZone('intel-rapl-mmio:0', 'package-0', 1_000_000);
  await write(`${powercap}/intel-rapl/enabled`, 1);
}

const energy = (zone: string, uj: number): Promise<void> => write(`${powercap}/${zone}/energy_uj`, uj);

function meterOf(found: FoundMeter): Meter {
  if ('reason' in found) throw new Error(found.reason);
  return found.meter;
}

/** Files of which some may not be read, whoever asks: tests may run as root. */
function denying(pattern: RegExp): SystemFiles {
  const files = systemFiles(root);
  return {
    list: files.list,
    async read(path) {
      if (pattern.test(path)) throw Object.assign(new Error(`EACCES: permission denied, ${path}`), { code: 'EACCES' });
      return files.read(path);
    },
  };
}

describe('RAPL through powercap', () => {
  it('adds packages and memory, tells parts apart, and counts nothing twice', async () => {
    await writeTree();
    const meter = meterOf(await findRapl(systemFiles(root), nowS));
    expect(meter).toMatchObject({ name: 'rapl', status: 'measured', countsIdle: true });
    expect(meter.covers).toBe('package-0 + dram-0');
    await energy('intel-rapl:0', 3_500_000);
    await energy('intel-rapl:0:0', 1_500_000);
    await energy('intel-rapl:0:2', 400_000);
    await energy('intel-rapl:1', 90_000_000);
    time += 1;
    const { joules, byDomain } = await meter.read();
    expect(joules).toBeCloseTo(2.6, 9);
    expect(byDomain?.['core-0']).toBeCloseTo(1, 9);
    expect(byDomain).not.toHaveProperty('psys');
  });

  it('adds the packages of two sockets', async () => {
    await writeZone('intel-rapl:0', 'package-0', 0);
    await writeZone('intel-rapl:1', 'package-1', 0);
    const meter = meterOf(await findRapl(systemFiles(root), nowS));
    await energy('intel-rapl:0', 2_000_000);
    await energy('intel-rapl:1', 3_000_000);
    time += 1;
    expect((await meter.read()).joules).toBeCloseTo(5, 9);
  });

  it('goes on over a wrap-around, and over the next', async () => {
    await writeZone('intel-rapl:0', 'package-0', 65_532_000_000, 65_532_610_987);
    const meter = meterOf(await findRapl(systemFiles(root), nowS));
    await energy('intel-rapl:0', 1_000_000);
    time += 1;
    expect((await meter.read()).joules).toBeCloseTo(1 + 0.610987, 6);
    await energy('intel-rapl:0', 65_000_000_000);
    time += 2000;
    await meter.read();
    await energy('intel-rapl:0', 0);
    time += 10;
    expect((await meter.read()).joules).toBeCloseTo(0.610987 + 65_532.610987, 5);
  });

  it('does not take a counter that goes backwards for a wrap-around', async () => {
    await writeZone('intel-rapl:0', 'package-0', 5_000_000);
    const meter = meterOf(await findRapl(systemFiles(root), nowS));
    await energy('intel-rapl:0', 4_000_000);
    time += 1;
    await expect(meter.read()).rejects.toMatchObject({
      code: 'METER_FAILED',
      message: expect.stringMatching(/intel-rapl:0\/energy_uj went backwards, from 5 to 4 J, which is no wrap-around/),
    });
  });

  it('does without a missing domain, and says so', async () => {
    await writeZone('intel-rapl:0', 'package-0', 0);
    const meter = meterOf(await findRapl(systemFiles(root), nowS));
    expect(meter.covers).toBe('package-0; this machine does not meter memory');
    expect((await meter.read()).byDomain).toEqual({ 'package-0': 0 });
  });

  it('does without a part that cannot be read', async () => {
    await writeTree();
    const meter = meterOf(await findRapl(denying(/intel-rapl:0:0\/energy_uj/), nowS));
    expect(meter.covers).toBe('package-0 + dram-0');
    expect((await meter.read()).byDomain).not.toHaveProperty('core-0');
  });

  it.each(['intel-rapl:0:2', 'intel-rapl:2'])('is not used while what counts is denied in part: %s', async (zone) => {
    await writeTree();
    await writeZone('intel-rapl:2', 'package-1', 0);
    expect(await findRapl(denying(new RegExp(`${zone}/energy_uj`)), nowS)).toEqual({
      reason: expect.stringContaining(`sudo chmod a+r /${powercap}/${zone}/energy_uj`),
    });
  });

  it('explains missing rights with the path and the command', async () => {
    await writeZone('intel-rapl:0', 'package-0', 0);
    await writeZone('intel-rapl:0:0', 'core', 0);
    expect(await findRapl(denying(/energy_uj/), nowS)).toEqual({
      reason:
        '/sys/class/powercap/intel-rapl:0/energy_uj may be read by root only (mode 0400, since CVE-2020-8694). To allow it ' +
        'until the next start: sudo chmod a+r /sys/class/powercap/intel-rapl:0/energy_uj /sys/class/powercap/intel-rapl:0:0/energy_uj',
    });
  });

  it('fails when the zone is unplugged meanwhile', async () => {
    await writeTree();
    const meter = meterOf(await findRapl(systemFiles(root), nowS));
    await rm(join(root, powercap, 'intel-rapl:0'), { recursive: true });
    await expect(meter.read()).rejects.toMatchObject({
      code: 'METER_FAILED',
      message: expect.stringContaining('intel-rapl:0/energy_uj cannot be read any more (ENOENT)'),
    });
  });

  it('fails on what is no number', async () => {
    await writeZone('intel-rapl:0', 'package-0', 0);
    const meter = meterOf(await findRapl(systemFiles(root), nowS));
    await write(`${powercap}/intel-rapl:0/energy_uj`, 'garbage');
    await expect(meter.read()).rejects.toMatchObject({ code: 'METER_FAILED' });
  });

  it('says what is missing where there is no tree, or one without RAPL', async () => {
    expect(await findRapl(systemFiles(root), nowS)).toMatchObject({
      reason: expect.stringMatching(/^there is no \/sys\/class\/powercap: .*a virtual machine has none/),
    });
    await write(`${powercap}/dtpm/enabled`, 0);
    expect(await findRapl(systemFiles(root), nowS)).toMatchObject({
      reason: expect.stringContaining('has no intel-rapl zone'),
    });
  });
});

describe('hwmon', () => {
  it("takes the sockets' counters and leaves single cores out", async () => {
    await write('sys/class/hwmon/hwmon1/name', 'amd_energy');
    await write('sys/class/hwmon/hwmon1/energy1_input', 700_000);
    await write('sys/class/hwmon/hwmon1/energy1_label', 'Ecore000');
    await write('sys/class/hwmon/hwmon1/energy2_input', 1_000_000);
    await write('sys/class/hwmon/hwmon1/energy2_label', 'Esocket0');
    const meter = meterOf(await findHwmon(systemFiles(root), nowS));
    expect(meter.covers).toBe('amd_energy Esocket0');
    await write('sys/class/hwmon/hwmon1/energy2_input', 4_000_000);
    time += 1;
    expect((await meter.read()).joules).toBeCloseTo(3, 9);
    await rm(join(root, 'sys/class/hwmon/hwmon1/energy2_input'));
    await expect(meter.read()).rejects.toMatchObject({ code: 'METER_FAILED' });
  });

  it('says that there is none, or what would allow it', async () => {
    expect(await findHwmon(systemFiles(root), nowS)).toMatchObject({ reason: expect.stringContaining('no sensor') });
    await write('sys/class/hwmon/hwmon0/energy1_input', 1);
    expect(await findHwmon(denying(/energy1_input/), nowS)).toMatchObject({
      reason: expect.stringContaining('sudo chmod a+r /sys/class/hwmon/hwmon0/energy1_input'),
    });
  });
});

describe('battery', () => {
  const battery = 'sys/class/power_supply/BAT0';
  const find = () => findBattery(systemFiles(root), { nowS, everyS: 0 });

  it('adds up the power of a battery that discharges', async () => {
    await write(`${battery}/type`, 'Battery');
    await write(`${battery}/status`, 'Discharging');
    await write(`${battery}/power_now`, 10_000_000);
    const meter = meterOf(await find());
    await write(`${battery}/power_now`, 20_000_000);
    time += 2;
    expect((await meter.read()).joules).toBeCloseTo(30, 9);
    await write(`${battery}/status`, 'Charging');
    await expect(meter.read()).rejects.toMatchObject({
      code: 'METER_FAILED',
      message: expect.stringContaining('Unplug the charger'),
    });
    await meter.close();
  });

  it('takes current and voltage where there is no power', async () => {
    await write(`${battery}/type`, 'Battery');
    await write(`${battery}/status`, 'Discharging');
    await write(`${battery}/current_now`, -1_000_000);
    await write(`${battery}/voltage_now`, 12_000_000);
    const meter = meterOf(await find());
    time += 1;
    expect((await meter.read()).joules).toBeCloseTo(12, 9);
    await meter.close();
  });

  it('says why it cannot be used', async () => {
    expect(await find()).toMatchObject({ reason: expect.stringContaining('there is no battery') });
    await write(`${battery}/type`, 'Battery');
    await write(`${battery}/status`, 'Full');
    expect(await find()).toMatchObject({ reason: expect.stringContaining('does not discharge (Full)') });
    await write('sys/class/power_supply/BAT1/type', 'Battery');
    expect(await find()).toMatchObject({ reason: expect.stringContaining('several batteries (BAT0, BAT1)') });
  });
});

describe('chooseMeter', () => {
  const choose = (more = {}) => chooseMeter(machine, { files: systemFiles(root), platform: 'linux', ...more });

  it('takes the counters of the processor first', async () => {
    await writeTree();
    const { meter, unusable } = await choose();
    expect([meter.name, unusable]).toEqual(['rapl', []]);
  });

  it('ends with estimates in bounds where there is no meter, and says why there is none', async () => {
    let seconds = 5;
    const { meter, unusable } = await choose({ cpuSeconds: () => seconds });
    expect(meter).toMatchObject({ name: 'estimate', status: 'estimated', countsIdle: false });
    expect(meter.method).toMatch(/^estimated, not measured.*virtual machine/);
    expect(unusable.map(({ name }) => name)).toEqual(['rapl', 'perf', 'powermetrics', 'hwmon', 'battery']);
    for (const { reason } of unusable) expect(reason.length).toBeGreaterThan(20);
    seconds += 2;
    const { joules } = await meter.read();
    const [low, high] = meter.relativeBounds;
    expect(joules * low).toBeCloseTo(2 * 0.9, 9);
    expect(joules * high).toBeCloseTo(2 * 20, 9);
  });

  it('reads nothing of Linux elsewhere', async () => {
    await writeTree();
    const { meter, unusable } = await choose({ platform: 'win32' });
    expect(meter.name).toBe('estimate');
    expect(unusable[0]?.reason).toContain("Linux's /sys");
  });

  it('refuses another meter than the one that is wanted', async () => {
    await expect(choose({ wanted: 'rapl' })).rejects.toMatchObject({
      code: 'METER_FAILED',
      message: expect.stringMatching(/^The meter rapl cannot be used here: there is no/),
    });
  });
});
