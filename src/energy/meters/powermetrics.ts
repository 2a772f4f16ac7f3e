import { type FoundMeter, meterFailure } from '../meter.ts';
import { startProgram, waitForValue } from './program-lines.ts';

export interface PowermetricsOptions {
  readonly platform: string;
  /** Whether this process has root's rights, which the program wants. */
  readonly isRoot: boolean;
  /** Another program in its place, for tests. */
  readonly program?: string;
  readonly timeoutS?: number;
}

/**
 * macOS's `powermetrics`: the processor's power of every quarter of a second, times the time that it says it covers. On
 * Apple silicon Apple calls it an estimate of the system's; it is the only one that there is.
 */
export async function findPowermetrics(options: PowermetricsOptions): Promise<FoundMeter> {
  const { platform, isRoot, program = '/usr/bin/powermetrics', timeoutS } = options;
  if (platform !== 'darwin') return { reason: 'powermetrics belongs to macOS.' };
  if (!isRoot) return { reason: 'powermetrics wants root. Run the command with sudo to use it.' };
  let joules = 0;
  let values = 0;
  let elapsedS = 0;
  const running = startProgram(program, ['--samplers', 'cpu_power', '-i', '250'], {
    silenceS: timeoutS,
    onLine(line) {
      elapsedS = parseElapsed(line) ?? elapsedS;
      const watts = parseCpuPower(line);
      if (watts === undefined || elapsedS === 0) return;
      joules += watts * elapsedS;
      values += 1;
      // A sample has one such line.
      elapsedS = 0;
    },
  });
  const fault = await waitForValue(running, () => values > 0, timeoutS === undefined ? {} : { timeoutS });
  if (fault !== undefined) {
    await running.close();
    return { reason: `${fault}.` };
  }
  return {
    meter: {
      name: 'powermetrics',
      status: 'measured',
      covers: 'the processor without memory',
      method: "the processor's power from powermetrics, 250 ms apart",
      tickS: 0.25,
      lagS: 0.25,
      countsIdle: true,
      relativeBounds: [1, 1],
      async read() {
        const ended = await running.fault();
        if (ended !== undefined) throw meterFailure(`powermetrics gives no power any more: ${ended}.`);
        return { joules };
      },
      close: () => running.close(),
    },
  };
}

/** Seconds of `*** Sampled system activity (...) (250.55ms elapsed) ***`. */
function parseElapsed(line: string): number | undefined {
  const [, ms] = /\((\d+(?:\.\d+)?)ms elapsed\)/.exec(line) ?? [];
  return ms === undefined ? undefined : Number(ms) / 1000;
}

/** Watts of `CPU Power: 55 mW` (Apple silicon) or `Intel energy model derived package power (CPUs+GT+SA): 1.28W`. */
function parseCpuPower(line: string): number | undefined {
  const [, milliwatts] = /^CPU Power: (\d+(?:\.\d+)?) mW$/.exec(line.trim()) ?? [];
  if (milliwatts !== undefined) return Number(milliwatts) / 1000;
  const [, watts] = /derived package power \(.*\): (\d+(?:\.\d+)?) ?W$/.exec(line.trim()) ?? [];
  return watts === undefined ? undefined : Number(watts);
}
