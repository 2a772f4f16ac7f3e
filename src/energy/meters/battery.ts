import { type FoundMeter, type Meter, meterFailure } from '../meter.ts';
import { type SystemFiles, tryRead } from '../system-files.ts';
import { createPowerIntegral } from './power-integral.ts';

const folder = '/sys/class/power_supply';

/** Most firmware renews a battery's values about once a second; some take several. */
const tickS = 1;

export interface BatteryOptions {
  readonly nowS: () => number;
  /** Seconds between two looks while nobody asks. Default 1; 0 looks only when asked. */
  readonly everyS?: number;
}

/**
 * What a laptop draws from its battery, screen and disks included, while it runs on it.
 *
 * @see Linux, Documentation/power/power_supply_class.rst.
 */
export async function findBattery(files: SystemFiles, { nowS, everyS = tickS }: BatteryOptions): Promise<FoundMeter> {
  const names = await files.list(folder);
  const kinds = await Promise.all(names.map((name) => tryRead(files, `${folder}/${name}/type`)));
  const batteries = names.filter((_, index) => kinds[index] === 'Battery');
  const [battery] = batteries;
  if (battery === undefined) return { reason: `there is no battery below ${folder}.` };
  if (batteries.length > 1)
    return { reason: `there are several batteries (${batteries.join(', ')}), which share the load.` };
  const read = (): Promise<number> => readWatts(files, battery);
  try {
    await read();
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
  return { meter: await createMeter(battery, read, nowS, everyS) };
}

async function createMeter(
  battery: string,
  read: () => Promise<number>,
  nowS: () => number,
  everyS: number,
): Promise<Meter> {
  const integral = createPowerIntegral();
  let fault: unknown;
  const look = async (): Promise<void> => integral.add(await read(), nowS());
  await look();
  const timer =
    everyS > 0
      ? setInterval(() => {
          look().catch((error: unknown) => {
            fault ??= error;
          });
        }, everyS * 1000).unref()
      : undefined;
  return {
    name: 'battery',
    status: 'measured',
    covers: 'the whole machine, screen and disks included',
    method: `power drawn from the battery ${battery}, added up over time`,
    tickS,
    lagS: 1,
    countsIdle: true,
    relativeBounds: [1, 1],
    async read() {
      if (fault !== undefined) throw fault;
      await look();
      return { joules: integral.joules() };
    },
    async close() {
      clearInterval(timer);
    },
  };
}

/** @throws {@link IteraError} `METER_FAILED` if it does not discharge or does not tell its power. */
async function readWatts(files: SystemFiles, battery: string): Promise<number> {
  const path = `${folder}/${battery}`;
  const status = await tryRead(files, `${path}/status`);
  if (status !== 'Discharging') {
    throw meterFailure(
      `The battery ${battery} does not discharge (${status ?? 'no status'}): it tells what the machine draws only while it does. Unplug the charger.`,
      { battery },
    );
  }
  const value = async (name: string): Promise<number> =>
    Number((await tryRead(files, `${path}/${name}`)) ?? Number.NaN);
  const power = await value('power_now');
  if (power > 0) return power / 1e6;
  const watts = ((await value('current_now')) * (await value('voltage_now'))) / 1e12;
  if (Number.isFinite(watts) && watts !== 0) return Math.abs(watts);
  throw meterFailure(`The battery ${battery} tells neither power_now nor current_now and voltage_now.`, { battery });
}
