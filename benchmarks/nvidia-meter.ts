/**
 * Holds the meter `nvidia` against the energy counter of the card itself (NVML's total energy consumption), while the card
 * idles, multiplies matrices, and does so in bursts; then puts matrix products of two precisions through the protocol of
 * `itera-lite energy`. Needs an NVIDIA card, and a `python3` with PyTorch for it and `nvidia-ml-py`.
 *
 *     npx tsx benchmarks/nvidia-meter.ts
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { findMeter, type MeterName, meterNames } from '../src/energy/choose-meter.ts';
import { describeMachine } from '../src/energy/machine-file.ts';
import { measureEnergy } from '../src/energy/measure-energy.ts';

/** Takes a line `dtype size milliseconds`, multiplies for so long, and answers `products joules-of-the-counter`. */
const worker = `
import sys, time, torch, pynvml
pynvml.nvmlInit()
card = pynvml.nvmlDeviceGetHandleByIndex(0)
joules = lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(card) / 1000
kinds = {"fp32": torch.float32, "fp16": torch.float16}
held = {}
print(0, joules(), pynvml.nvmlDeviceGetName(card), pynvml.nvmlSystemGetDriverVersion(), sep="\\t", flush=True)
for line in sys.stdin:
    kind, size, ms = line.split()
    count, end = 0, time.monotonic() + int(ms) / 1000
    if int(ms) > 0:
        key = (kind, size)
        if key not in held:
            held[key] = torch.randn(int(size), int(size), device="cuda", dtype=kinds[kind])
        while time.monotonic() < end:
            for _ in range(8):
                held[key] @ held[key]
            torch.cuda.synchronize()
            count += 8
    print(count, joules(), sep="\\t", flush=True)
`;

const size = 4096;
const child = spawn('python3', ['-c', worker], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
const answer = async (): Promise<readonly string[]> => {
  const { value, done } = await lines.next();
  if (done) throw new Error('python3 ended: it needs PyTorch with CUDA, and nvidia-ml-py.');
  return value.split('\t');
};
const ask = async (kind: 'fp32' | 'fp16', ms: number) => {
  child.stdin.write(`${kind} ${size} ${Math.round(ms)}\n`);
  const [products, joules] = await answer();
  return { products: Number(products), joules: Number(joules) };
};

const [, , card, driver] = await answer();
console.log(`${card}, driver ${driver}`);
const machine = await describeMachine();
console.log(machine);
for (const name of meterNames) await tellMeter(name);

const found = await findMeter('nvidia', machine);
if (!('meter' in found)) throw new Error(found.reason);
const { meter } = found;
await ask('fp32', 2000);
const stretches: Readonly<Record<string, () => Promise<unknown>>> = {
  'idle, 15 s': () => sleep(15_000),
  'products without a pause, 15 s': () => ask('fp32', 15_000),
  'bursts of 0.3 s, as long apart, 15 s': async () => {
    for (let burst = 0; burst < 25; burst++) {
      await ask('fp32', 300);
      await sleep(300);
    }
  },
};
for (const [name, stretch] of Object.entries(stretches)) {
  await sleep(3000);
  const before = { ours: (await meter.read()).joules, counter: (await ask('fp32', 0)).joules };
  const startS = performance.now() / 1000;
  await stretch();
  const after = { ours: (await meter.read()).joules, counter: (await ask('fp32', 0)).joules };
  const [ours, counter] = [after.ours - before.ours, after.counter - before.counter];
  const seconds = performance.now() / 1000 - startS;
  const watts = (counter / seconds).toFixed(1);
  console.log(
    `${name}: meter ${ours.toFixed(1)} J, counter ${counter.toFixed(1)} J (${watts} W): ${(ours / counter).toFixed(4)}`,
  );
}
await meter.close();

const perRun = { fp32: 64, fp16: 512 } as const;
const workloads = (['fp32', 'fp16'] as const).map((variant) => ({
  conditions: { model: `matrix-product-${size}`, variant, phase: 'decode' },
  unit: 'step' as const,
  unitsPerRun: 1,
  run: async () => {
    await ask(variant, perRun[variant]);
  },
}));
const { records, flags } = await measureEnergy(workloads, { machine, meter: 'nvidia', rounds: 6, seed: 0 });
for (const record of records) {
  if (!('value' in record)) continue;
  const { metric, conditions, value, unit, interval, n } = record;
  console.log(`${metric} ${conditions['variant']}: ${value} ${unit} [${interval}], n ${n}`);
}
for (const flag of flags) console.log(flag);
child.stdin.end();

async function tellMeter(name: MeterName): Promise<void> {
  const one = await findMeter(name, machine);
  if (!('meter' in one)) {
    console.log(`${name}: ${one.reason}`);
    return;
  }
  console.log(`${name}: works, ${one.meter.covers}`);
  await one.meter.close();
}
