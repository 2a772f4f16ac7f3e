import { type FoundMeter, meterFailure } from '../meter.ts';
import { createPowerIntegral, type PowerIntegral } from './power-integral.ts';
import { startProgram, waitForValue } from './program-lines.ts';

export interface NvidiaOptions {
  readonly nowS: () => number;
  /** Another program in its place, for tests. */
  readonly program?: string;
  readonly timeoutS?: number;
}

/** No card draws as much; what is beyond is no power. */
const mostWatts = 1e5;

/**
 * What nvidia-smi tells, best first: the power of the moment, which older drivers lack; and the mean of the last second on
 * cards since Ampere, which trails behind a load that begins or ends.
 */
const fields = ['power.draw.instant', 'power.draw'] as const;

/**
 * The power of all NVIDIA graphics processors, as `nvidia-smi` tells it, added up over time. It counts nothing of the
 * processor that runs ONNX Runtime here: it is for work on such a card, and is used only where it is asked for.
 */
export async function findNvidia(options: NvidiaOptions): Promise<FoundMeter> {
  const [instant, mean] = fields;
  const found = await findField(instant, options);
  return 'meter' in found ? found : findField(mean, options);
}

async function findField(
  field: (typeof fields)[number],
  { nowS, program = 'nvidia-smi', timeoutS }: NvidiaOptions,
): Promise<FoundMeter> {
  const integrals = new Map<string, PowerIntegral>();
  let refusal: string | undefined;
  const args = [`--query-gpu=index,${field}`, '--format=csv,noheader,nounits', '-lms', '100'];
  const running = startProgram(program, args, {
    silenceS: timeoutS,
    onLine(line) {
      const found = parseNvidiaLine(line);
      if (found === undefined) return;
      if (found.watts === undefined) {
        refusal = `nvidia-smi says "${line.trim()}": this card does not tell its power`;
        return;
      }
      const integral = integrals.get(found.index) ?? createPowerIntegral();
      integrals.set(found.index, integral);
      integral.add(found.watts, nowS());
    },
  });
  const hasValue = (): boolean =>
    refusal !== undefined || [...integrals.values()].some((integral) => integral.count() > 1);
  const fault = (await waitForValue(running, hasValue, timeoutS === undefined ? {} : { timeoutS })) ?? refusal;
  if (fault !== undefined) {
    await running.close();
    return { reason: `${fault}.` };
  }
  return {
    meter: {
      name: 'nvidia',
      status: 'measured',
      covers: 'all NVIDIA graphics processors, with their memory; not the processor',
      method: `${field} of nvidia-smi, 100 ms apart, added up over time`,
      tickS: 0.1,
      lagS: field === 'power.draw' ? 1 : 0.1,
      countsIdle: true,
      relativeBounds: [1, 1],
      async read() {
        const ended = (await running.fault()) ?? refusal;
        if (ended !== undefined) throw meterFailure(`nvidia-smi gives no power any more: ${ended}.`);
        const byDomain = Object.fromEntries(
          [...integrals].map(([index, integral]) => [`gpu-${index}`, integral.joules()]),
        );
        return { joules: Object.values(byDomain).reduce((sum, value) => sum + value, 0), byDomain };
      },
      close: () => running.close(),
    },
  };
}

/** A line `0, 45.67`; without watts if the card tells none. */
export function parseNvidiaLine(line: string): { readonly index: string; readonly watts?: number } | undefined {
  const [, index, text] = /^\s*(\d+)\s*,\s*(.+?)\s*$/.exec(line) ?? [];
  if (index === undefined || text === undefined) return undefined;
  const watts = Number(text);
  return watts >= 0 && watts < mostWatts ? { index, watts } : { index };
}
