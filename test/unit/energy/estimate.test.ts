import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { corePower, type Machine } from '../../../src/energy/cpu-power.ts';
import { estimateCpuEnergy } from '../../../src/energy/estimate.ts';
import { describeMachine } from '../../../src/energy/machine-file.ts';

const machine = (cpuModel: string, more: Partial<Machine> = {}): Machine => ({
  ...{ cpuModel, logicalCpus: 8, architecture: 'x64', platform: 'linux' },
  ...more,
});

describe('estimateCpuEnergy', () => {
  it('gives seconds times bounded watts, with the geometric middle as the value', () => {
    const rome = machine('AMD EPYC 7742 64-Core Processor');
    const { joules, interval, method } = estimateCpuEnergy(2, rome);
    expect(interval[0]).toBeCloseTo(2 * 0.75 * 1.22, 12);
    expect(interval[1]).toBeCloseTo(2 * 4 * 1.22, 12);
    expect(joules).toBeCloseTo(Math.sqrt(interval[0] * interval[1]), 12);
    expect(method).toMatch(/^estimated, not measured: CPU seconds x 0\.915 to 4\.88 W .*EPYC of the second generation/);
    expect(method).toContain('Cloud Carbon Footprint');
    expect(method).not.toContain('virtual machine');
  });

  it('is proportional to the CPU time, and 0 for none', () => {
    const unknown = machine('');
    expect(estimateCpuEnergy(0, unknown)).toMatchObject({ joules: 0, interval: [0, 0] });
    expect(estimateCpuEnergy(3, unknown).joules).toBeCloseTo(3 * estimateCpuEnergy(1, unknown).joules, 12);
  });

  it('says that it runs on a virtual machine, and how that showed', () => {
    const { method } = estimateCpuEnergy(1, machine('AMD EPYC', { virtualization: 'QEMU Standard PC' }));
    expect(method).toContain("This is a virtual machine (QEMU Standard PC): its host's meters are out of reach.");
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuses %s CPU seconds', (seconds) => {
    expect(() => estimateCpuEnergy(seconds, machine(''))).toThrow(/Expected CPU seconds of at least 0/);
  });
});

describe('corePower', () => {
  it.each<[model: string, more: Partial<Machine>, name: string]>([
    ['AMD EPYC 7601 32-Core Processor', {}, 'AMD EPYC of the first generation'],
    ['AMD EPYC 7R32', {}, 'AMD EPYC of the second generation'],
    ['AMD EPYC 7763 64-Core Processor', {}, 'AMD EPYC of the third generation'],
    ['AMD EPYC', { cpuFamily: 23, cpuModelNumber: 49 }, 'AMD EPYC of the second generation'],
    ['AMD EPYC', { cpuFamily: 25, cpuModelNumber: 17 }, 'server processor of unknown generation'],
    ['AMD EPYC 9654 96-Core Processor', {}, 'server processor of unknown generation'],
    ['Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz', {}, 'Intel Xeon, Cascade Lake'],
    ['Intel(R) Xeon(R) Platinum 8175M CPU @ 2.50GHz', {}, 'Intel Xeon, Skylake'],
    ['Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz', {}, 'Intel Xeon, Broadwell'],
    ['Intel(R) Xeon(R) CPU E5-2666 v3 @ 2.90GHz', {}, 'Intel Xeon, Haswell'],
    ['Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz', {}, 'Intel Xeon, Sandy Bridge'],
    ['Intel(R) Xeon(R) CPU @ 2.20GHz', {}, 'server processor of unknown generation'],
    ['Apple M2 Pro', { platform: 'darwin', architecture: 'arm64' }, 'Apple silicon'],
    ['Intel(R) Core(TM) i7-8565U CPU @ 1.80GHz', {}, 'laptop processor'],
    ['11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz', {}, 'laptop processor'],
    ['AMD Ryzen 7 5800H with Radeon Graphics', {}, 'laptop processor'],
    ['Intel(R) Core(TM) Ultra 7 155H', {}, 'laptop processor'],
    ['Intel(R) Core(TM) i9-13900K', {}, 'desktop processor'],
    ['AMD Ryzen 9 5950X 16-Core Processor', {}, 'desktop processor'],
    ['', { architecture: 'arm64', logicalCpus: 4 }, 'small Arm board'],
    ['Something Else 3000', {}, 'unknown processor'],
  ])('%s', (model, more, name) => {
    const power = corePower(machine(model, more));
    expect(power.name).toBe(name);
    expect(power.lowW).toBeGreaterThan(0);
    expect(power.highW).toBeGreaterThan(power.lowW);
    expect(power.isDefault).toBe(name === 'unknown processor');
  });

  it('is widest for a processor that it does not know', () => {
    const { lowW, highW } = corePower(machine('Something Else 3000'));
    for (const model of ['AMD EPYC 7742', 'AMD EPYC', 'Apple M1', 'AMD Ryzen 9 5950X', 'AMD Ryzen 7 5800H']) {
      const known = corePower(machine(model));
      expect(lowW).toBeLessThanOrEqual(known.lowW);
      expect(known.highW).toBeLessThanOrEqual(highW);
    }
  });
});

describe('describeMachine', () => {
  let root: string;
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  const look = () => describeMachine({ root, platform: 'linux' });

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'itera-machine-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('reads name and numbers, and takes bare metal for what it is', async () => {
    await write(
      'proc/cpuinfo',
      'vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC 7763 64-Core Processor\nflags\t\t: fpu sse2 avx2\n',
    );
    await write('sys/class/dmi/id/sys_vendor', 'Dell Inc.\n');
    await write('sys/class/dmi/id/product_name', 'PowerEdge R7525\n');
    const found = await look();
    expect(found).toMatchObject({ cpuModel: 'AMD EPYC 7763 64-Core Processor', cpuFamily: 25, cpuModelNumber: 1 });
    expect(found.virtualization).toBeUndefined();
  });

  it('sees a hypervisor by the processor flag alone', async () => {
    await write('proc/cpuinfo', 'model name\t: AMD EPYC\nflags\t\t: fpu hypervisor avx2\n');
    expect((await look()).virtualization).toBe('the processor flag "hypervisor"');
  });

  it.each([
    ['QEMU', 'Standard PC (Q35 + ICH9, 2009)'],
    ['VMware, Inc.', 'VMware7,1'],
    ['Microsoft Corporation', 'Virtual Machine'],
    ['Amazon EC2', 'm5.large'],
    ['innotek GmbH', 'VirtualBox'],
  ])('sees one by the firmware: %s %s', async (vendor, product) => {
    await write('sys/class/dmi/id/sys_vendor', `${vendor}\n`);
    await write('sys/class/dmi/id/product_name', `${product}\n`);
    expect((await look()).virtualization).toBe(`${vendor} ${product}`);
  });

  it("does not take a cloud's whole machine for a virtual one", async () => {
    await write('sys/class/dmi/id/sys_vendor', 'Amazon EC2\n');
    await write('sys/class/dmi/id/product_name', 'm5.metal\n');
    expect((await look()).virtualization).toBeUndefined();
  });

  it('sees Xen and the device tree of Arm machines', async () => {
    await write('proc/device-tree/hypervisor/compatible', 'linux,kvm\0');
    expect((await look()).virtualization).toBe('device tree: linux,kvm');
    await write('sys/hypervisor/type', 'xen\n');
    expect((await look()).virtualization).toBe('/sys/hypervisor/type: xen');
  });

  it('describes a machine that tells nothing', async () => {
    expect(await look()).toMatchObject({ platform: 'linux' });
  });
});
