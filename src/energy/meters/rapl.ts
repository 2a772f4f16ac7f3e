import { type FoundMeter, type Meter, meterFailure } from '../meter.ts';
import { faultCode, isDenied, type SystemFiles, tryRead } from '../system-files.ts';
import { followCounter } from './energy-counter.ts';

const folder = '/sys/class/powercap';

/** A zone of the tree: a package, or a part of one, or memory. */
interface Zone {
  readonly name: string;
  readonly path: string;
  readonly rangeJ?: number;
  /** Parts lie within their package, and would count twice in the sum. */
  readonly isPart: boolean;
}

/**
 * Linux's powercap tree of RAPL, the running average power limit counters of Intel and AMD processors. The sum counts
 * packages and memory; cores and graphics are parts of a package, and `psys`, the whole platform, would count it again.
 *
 * @param nowS - Seconds on a clock that does not jump.
 * @returns The meter; or what is missing, and for missing rights the command that gives them.
 * @see Linux, Documentation/power/powercap/powercap.rst.
 */
export async function findRapl(files: SystemFiles, nowS: () => number): Promise<FoundMeter> {
  const zones = await listZones(files);
  if (zones.length === 0) {
    const why = (await files.list(folder)).length === 0 ? `there is no ${folder}` : `${folder} has no intel-rapl zone`;
    return {
      reason: `${why}: the kernel offers no RAPL counters. On bare metal, sudo modprobe intel_rapl_msr may add them; a virtual machine has none.`,
    };
  }
  const counters: { zone: Zone; follow: (joules: number, atS: number) => number }[] = [];
  const denied: Zone[] = [];
  const broken: string[] = [];
  for (const zone of zones) {
    try {
      const follow = followCounter({ path: zone.path, ...(zone.rangeJ !== undefined && { rangeJ: zone.rangeJ }) });
      follow(microjoules(await files.read(zone.path)), nowS());
      counters.push({ zone, follow });
    } catch (error) {
      if (isDenied(error)) denied.push(zone);
      // A part that cannot be read, as some boards' memory, is left out; the package is what counts.
      else broken.push(`${zone.path}: ${error instanceof Error ? error.message : faultCode(error)}`);
    }
  }
  // Without one of the packages, or without memory that there is, the sum would be of something else.
  if (denied.some(({ isPart }) => !isPart)) return { reason: explainDenial(denied.map(({ path }) => path)) };
  if (!counters.some(({ zone }) => zone.name.startsWith('package'))) {
    return { reason: `no package can be read (${broken.join('; ')}).` };
  }
  return { meter: createMeter(files, counters, nowS) };
}

function createMeter(
  files: SystemFiles,
  counters: readonly { zone: Zone; follow: (joules: number, atS: number) => number }[],
  nowS: () => number,
): Meter {
  const counted = counters.filter(({ zone }) => !zone.isPart).map(({ zone }) => zone.name);
  const hasMemory = counted.some((name) => name.startsWith('dram'));
  return {
    name: 'rapl',
    status: 'measured',
    covers: `${counted.join(' + ')}${hasMemory ? '' : '; this machine does not meter memory'}`,
    method: `RAPL counters through powercap (${counted.join(' + ')})`,
    tickS: 0.001,
    lagS: 0,
    countsIdle: true,
    relativeBounds: [1, 1],
    async read() {
      let joules = 0;
      const byDomain: Record<string, number> = {};
      for (const { zone, follow } of counters) {
        const text = await files.read(zone.path).catch((error: unknown) => {
          throw meterFailure(
            `The energy counter ${zone.path} cannot be read any more (${faultCode(error)}): its package was switched off, or its rights were taken away.`,
            { path: zone.path },
            error,
          );
        });
        const drawn = follow(microjoules(text), nowS());
        byDomain[zone.name] = drawn;
        if (!zone.isPart) joules += drawn;
      }
      return { joules, byDomain };
    },
    async close() {},
  };
}

async function listZones(files: SystemFiles): Promise<Zone[]> {
  const zones: Zone[] = [];
  const names = new Set<string>();
  // `intel-rapl-mmio` shows the same packages again. Parts of a zone lie beside it, and within it.
  for (const entry of (await files.list(folder)).filter((name) => /^intel-rapl:\d+(:\d+)?$/.test(name))) {
    const label = await tryRead(files, `${folder}/${entry}/name`);
    if (label === undefined || label === 'psys') continue;
    const [, socket, isChild] = /^intel-rapl:(\d+)(:\d+)?$/.exec(entry) as RegExpExecArray;
    const name = isChild === undefined ? label : `${label}-${socket}`;
    if (names.has(name)) continue;
    names.add(name);
    const range = Number((await tryRead(files, `${folder}/${entry}/max_energy_range_uj`)) ?? Number.NaN);
    zones.push({
      name,
      path: `${folder}/${entry}/energy_uj`,
      ...(range > 0 && { rangeJ: range / 1e6 }),
      isPart: !/^(package|dram)/.test(label),
    });
  }
  return zones;
}

const microjoules = (text: string): number => (/^\d+$/.test(text) ? Number(text) / 1e6 : Number.NaN);

function explainDenial(paths: readonly string[]): string {
  const [first] = paths;
  return (
    `${first} may be read by root only (mode 0400, since CVE-2020-8694). To allow it until the next start: ` +
    `sudo chmod a+r ${paths.join(' ')}`
  );
}
