import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FoundMeter, Meter } from '../../../src/energy/meter.ts';
import { findNvidia, parseNvidiaLine } from '../../../src/energy/meters/nvidia.ts';
import { findPerf, parsePerfLine } from '../../../src/energy/meters/perf.ts';
import { findPowermetrics } from '../../../src/energy/meters/powermetrics.ts';
import { systemFiles } from '../../../src/energy/system-files.ts';

let root: string;
const nowS = (): number => 100;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'itera-meters-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function write(path: string, text: string | number): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), `${text}\n`);
}

function meterOf(found: FoundMeter): Meter {
  if ('reason' in found) throw new Error(found.reason);
  return found.meter;
}

/** A program of this test's own that says fixed lines, then waits to be ended. */
async function writeProgram(lines: readonly string[], { toErrors = false, ends = false } = {}): Promise<string> {
  const path = join(root, 'program');
  const echoes = lines.map((line) => `echo '${line}'${toErrors ? ' >&2' : ''}`).join('\nsleep 0.02\n');
  await writeFile(path, `#!/bin/sh\n${echoes}\n${ends ? 'exit 1' : 'exec sleep 60'}\n`);
  await chmod(path, 0o755);
  return path;
}

/** Whether a process runs; one that has ended but was not waited for does not. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/\) Z /.test(stat);
}

describe('perf', () => {
  const event = 'sys/bus/event_source/devices/power/events/energy-pkg';

  it('adds up what it writes', async () => {
    await write(event, 'event=0x02');
    const program = await writeProgram(
      [
        '# started',
        '     0.100123,2.50,Joules,power/energy-pkg/,100,100.00,,',
        '0.200,1.50,Joules,power/energy-pkg/,1,1,,',
      ],
      { toErrors: true },
    );
    const meter = meterOf(await findPerf(systemFiles(root), { program }));
    await expect.poll(async () => (await meter.read()).joules).toBe(4);
    await meter.close();
  });

  it('explains a refusal with the setting', async () => {
    await write(event, 'event=0x02');
    await write('proc/sys/kernel/perf_event_paranoid', 2);
    const program = await writeProgram(['No permission to enable power/energy-pkg/ event.'], {
      toErrors: true,
      ends: true,
    });
    expect(await findPerf(systemFiles(root), { program })).toMatchObject({
      reason: expect.stringMatching(/No permission .*sudo sysctl kernel\.perf_event_paranoid=0$/s),
    });
  });

  it('needs the event and the program', async () => {
    expect(await findPerf(systemFiles(root))).toMatchObject({ reason: expect.stringContaining('has no energy-pkg') });
    await write(event, 'event=0x02');
    expect(await findPerf(systemFiles(root), { program: join(root, 'none') })).toMatchObject({
      reason: expect.stringContaining('is not installed'),
    });
  });

  it.each([
    ['1.0,<not counted>,Joules,power/energy-ram/,0,100.00,,', { event: 'power/energy-ram/', text: '<not counted>' }],
    ['1.0,3.25,Joules,power/energy-pkg/,0,100.00,,', { event: 'power/energy-pkg/', text: '3.25', joules: 3.25 }],
    ['1.0,3.25,,instructions,0,100.00,,', undefined],
    ['', undefined],
  ])('reads the line %s', (line, expected) => {
    expect(parsePerfLine(line)).toEqual(expected);
  });
});

describe('nvidia-smi', () => {
  it('adds up the power of all cards', async () => {
    const program = await writeProgram(['0, 50.00', '1, 100.00', '0, 50.00', '1, 100.00']);
    let seconds = 0;
    // Each line half a second after the other.
    const meter = meterOf(
      await findNvidia({
        program,
        nowS: () => {
          seconds += 0.5;
          return seconds;
        },
      }),
    );
    await expect.poll(async () => (await meter.read()).joules).toBe(50 + 100);
    expect((await meter.read()).byDomain).toEqual({ 'gpu-0': 50, 'gpu-1': 100 });
    await meter.close();
  });

  it('takes the mean power where a driver knows no other', async () => {
    const program = join(root, 'program');
    const lines = 'echo "0, 50.00"; sleep 0.02; echo "0, 50.00"; exec sleep 60';
    await writeFile(
      program,
      `#!/bin/sh\ncase "$1" in *instant*) echo 'Field is not valid.'; exit 2;; esac\n${lines}\n`,
    );
    await chmod(program, 0o755);
    const meter = meterOf(await findNvidia({ program, nowS }));
    expect(meter.method).toMatch(/^power\.draw of/);
    await meter.close();
  });

  it('fails once the program has ended', async () => {
    const program = await writeProgram(['0, 50.00', '0, 50.00', '0, 50.00'], { ends: true });
    const meter = meterOf(await findNvidia({ program, nowS }));
    await expect.poll(() => meter.read().catch((error: Error) => error.message)).toMatch(/no power any more: .*code 1/);
    await meter.close();
  });

  it('fails once the program has fallen silent, though it lives', async () => {
    const program = await writeProgram(['0, 50.00', '0, 50.00']);
    const meter = meterOf(await findNvidia({ program, nowS, timeoutS: 0.3 }));
    await expect
      .poll(() => meter.read().catch((error: Error) => error.message), { timeout: 5000 })
      .toMatch(/no power any more: .* has written nothing for 0 s/);
    await meter.close();
  });

  it('ends what the program has started itself', async () => {
    const program = join(root, 'program');
    const pidFile = join(root, 'pid');
    await writeFile(program, `#!/bin/sh\nsleep 60 &\necho $! > ${pidFile}\nwait\n`);
    await chmod(program, 0o755);
    expect(await findNvidia({ program, nowS, timeoutS: 0.3 })).toMatchObject({ reason: expect.any(String) });
    const pid = Number(await readFile(pidFile, 'utf8'));
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  it('says what the program said before its end, also where it was no error', async () => {
    const program = await writeProgram(['NVIDIA-SMI has failed because the driver is not loaded.'], { ends: true });
    expect(await findNvidia({ program, nowS })).toMatchObject({
      reason: expect.stringContaining('driver is not loaded'),
    });
  });

  it('says why it cannot be used', async () => {
    expect(await findNvidia({ program: join(root, 'none'), nowS })).toMatchObject({
      reason: expect.stringContaining('is not installed'),
    });
    expect(await findNvidia({ program: await writeProgram(['0, [N/A]']), nowS })).toMatchObject({
      reason: expect.stringContaining('does not tell its power'),
    });
    expect(await findNvidia({ program: await writeProgram([]), nowS, timeoutS: 0.1 })).toMatchObject({
      reason: expect.stringMatching(/no value within 0.1 s|written nothing for 0 s/),
    });
  });

  it.each([
    ['0, 45.67', { index: '0', watts: 45.67 }],
    ['12, [Not Supported]', { index: '12' }],
    ['0, Infinity', { index: '0' }],
    ['0, 1e308', { index: '0' }],
    ['NVIDIA-SMI has failed', undefined],
  ])('reads the line %s', (line, expected) => {
    expect(parseNvidiaLine(line)).toEqual(expected);
  });
});

describe('powermetrics', () => {
  it.each([
    ['Apple silicon', 'CPU Power: 2000 mW'],
    ['Intel', 'Intel energy model derived package power (CPUs+GT+SA): 2.00W'],
  ])('multiplies power and time: %s', async (_, line) => {
    const sample = ['*** Sampled system activity (Tue) (250.00ms elapsed) ***', line];
    const program = await writeProgram([...sample, ...sample]);
    const meter = meterOf(await findPowermetrics({ platform: 'darwin', isRoot: true, program }));
    await expect.poll(async () => (await meter.read()).joules).toBeCloseTo(1, 9);
    await meter.close();
  });

  it('wants macOS and root', async () => {
    expect(await findPowermetrics({ platform: 'linux', isRoot: true })).toEqual({
      reason: 'powermetrics belongs to macOS.',
    });
    expect(await findPowermetrics({ platform: 'darwin', isRoot: false })).toMatchObject({
      reason: expect.stringContaining('wants root'),
    });
  });
});
