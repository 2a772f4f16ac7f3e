import { type FoundMeter, type Meter, meterFailure } from '../meter.ts';
import { faultCode, isDenied, type SystemFiles, tryRead } from '../system-files.ts';
import { followCounter } from './energy-counter.ts';

const folder = '/sys/class/hwmon';

/**
 * Energy counters of hardware monitors (`energyN_input`, in microjoules): drivers of server processors and boards offer
 * them. Sensors whose label names a single core are left out where one of the whole socket exists.
 *
 * @see Linux, Documentation/hwmon/sysfs-interface.rst.
 */
export async function findHwmon(files: SystemFiles, nowS: () => number): Promise<FoundMeter> {
  const counters: { name: string; path: string; follow: (joules: number, atS: number) => number }[] = [];
  const denied: string[] = [];
  for (const chip of await files.list(folder)) {
    const chipName = (await tryRead(files, `${folder}/${chip}/name`)) ?? chip;
    for (const file of (await files.list(`${folder}/${chip}`)).filter((name) => /^energy\d+_input$/.test(name))) {
      const path = `${folder}/${chip}/${file}`;
      const label = (await tryRead(files, path.replace('_input', '_label'))) ?? file.replace('_input', '');
      const follow = followCounter({ path });
      try {
        follow(Number(await files.read(path)) / 1e6, nowS());
        counters.push({ name: `${chipName} ${label}`, path, follow });
      } catch (error) {
        if (isDenied(error)) denied.push(path);
      }
    }
  }
  const sockets = counters.filter(({ name }) => /socket|package/i.test(name));
  const counted = sockets.length > 0 ? sockets : counters;
  // Without one of them the sum would be of something else.
  if (denied.length > 0)
    return { reason: `${denied[0]} may not be read. To allow it: sudo chmod a+r ${denied.join(' ')}` };
  if (counted.length > 0) return { meter: createMeter(files, counted, nowS) };
  return { reason: `no sensor below ${folder} counts energy (energy*_input).` };
}

function createMeter(
  files: SystemFiles,
  counters: readonly { name: string; path: string; follow: (joules: number, atS: number) => number }[],
  nowS: () => number,
): Meter {
  const names = counters.map(({ name }) => name).join(' + ');
  return {
    name: 'hwmon',
    status: 'measured',
    covers: names,
    method: `energy counters of the hardware monitor (${names})`,
    tickS: 0.1,
    lagS: 0.1,
    countsIdle: true,
    relativeBounds: [1, 1],
    async read() {
      let joules = 0;
      const byDomain: Record<string, number> = {};
      for (const { name, path, follow } of counters) {
        const text = await files.read(path).catch((error: unknown) => {
          throw meterFailure(`The sensor ${path} cannot be read any more (${faultCode(error)}).`, { path }, error);
        });
        byDomain[name] = follow(Number(text) / 1e6, nowS());
        joules += byDomain[name];
      }
      return { joules, byDomain };
    },
    async close() {},
  };
}
