import { type FoundMeter, meterFailure } from '../meter.ts';
import { type SystemFiles, tryRead } from '../system-files.ts';
import { startProgram, waitForValue } from './program-lines.ts';

const folder = '/sys/bus/event_source/devices/power';

/** The events that do not count each other's joules again. */
const countedEvents = ['energy-pkg', 'energy-ram'] as const;

export interface PerfOptions {
  /** Another program in its place, for tests. */
  readonly program?: string;
  readonly timeoutS?: number;
}

/**
 * The `perf` program with the kernel's energy events: the same RAPL counters, for those who may use `perf` on the whole
 * system but not read the powercap tree.
 */
export async function findPerf(
  files: SystemFiles,
  { program = 'perf', timeoutS }: PerfOptions = {},
): Promise<FoundMeter> {
  const known = await files.list(`${folder}/events`);
  const events = countedEvents.filter((event) => known.includes(event));
  if (!events.includes('energy-pkg')) {
    return {
      reason: `${folder}/events has no energy-pkg: the kernel offers no energy events; a virtual machine has none.`,
    };
  }
  const names = events.map((event) => `power/${event}/`);
  const joules = new Map<string, number>();
  let refusal: string | undefined;
  const running = startProgram(program, ['stat', '-a', '-x', ',', '-I', '100', '-e', names.join(',')], {
    withErrors: true,
    silenceS: timeoutS,
    onLine(line) {
      const found = parsePerfLine(line);
      if (found === undefined) return;
      if (found.joules === undefined) refusal = `perf says "${found.text}" for ${found.event}`;
      else joules.set(found.event, (joules.get(found.event) ?? 0) + found.joules);
    },
  });
  const hasAll = (): boolean => refusal !== undefined || joules.size === names.length;
  const fault = (await waitForValue(running, hasAll, timeoutS === undefined ? {} : { timeoutS })) ?? refusal;
  if (fault !== undefined) {
    await running.close();
    const paranoid = await tryRead(files, '/proc/sys/kernel/perf_event_paranoid');
    const advice =
      Number(paranoid) > 0
        ? ` kernel.perf_event_paranoid is ${paranoid}; to allow it until the next start: sudo sysctl kernel.perf_event_paranoid=0`
        : '';
    return { reason: `${fault}.${advice}` };
  }
  return {
    meter: {
      name: 'perf',
      status: 'measured',
      covers: events.join(' + '),
      method: `energy events of perf (${names.join(' + ')}), 100 ms apart`,
      tickS: 0.1,
      lagS: 0.1,
      countsIdle: true,
      relativeBounds: [1, 1],
      async read() {
        const ended = (await running.fault()) ?? refusal;
        if (ended !== undefined) throw meterFailure(`perf gives no energy any more: ${ended}.`);
        const byDomain = Object.fromEntries(joules);
        return { joules: [...joules.values()].reduce((sum, value) => sum + value, 0), byDomain };
      },
      close: () => running.close(),
    },
  };
}

/**
 * A line of `perf stat -x , -I`: time, value, unit, event and more.
 *
 * @returns undefined for other lines; without joules if perf could not count them.
 */
export function parsePerfLine(
  line: string,
): { readonly event: string; readonly text: string; readonly joules?: number } | undefined {
  const [, text = '', unit, event = ''] = line.split(',').map((part) => part.trim());
  if (!event.startsWith('power/energy-')) return undefined;
  const value = text === '' ? Number.NaN : Number(text);
  return unit === 'Joules' && value >= 0 ? { event, text, joules: value } : { event, text };
}
