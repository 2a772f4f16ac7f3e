/**
 * What `itera-lite serve` bears, as a process of its own, asked over HTTP.
 *
 *   npx tsx benchmarks/server-load.ts [--model itera-lite-micro] [--json FILE] [--quick] [--built] [PART...]
 *
 * Parts, all by default: `concurrency` (tokens per second of 1 to 128 clients, beside the model without a server),
 * `overhead` (what the server adds to the time of a short text), `memory` (after 1,000 and 10,000 requests), `swap`
 * (requests that fail while versions change). `--built` serves from `dist`, as users do; build it before.
 */
import { writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { openModel } from '../src/runtime/load-model-file.ts';
import { runtimeVersion } from '../src/runtime/session.ts';
import { measureConcurrency } from './server-load/concurrency.ts';
import type { LoadSettings } from './server-load/load-settings.ts';
import { measureMemory } from './server-load/memory.ts';
import { measureOverhead } from './server-load/overhead.ts';
import { measureSwaps } from './server-load/swap.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: 'itera-lite-micro' },
    json: { type: 'string' },
    quick: { type: 'boolean', default: false },
    built: { type: 'boolean', default: false },
  },
});

const print = (line = ''): void => void process.stdout.write(`${line}\n`);
const number = (value: number | undefined, digits = 2): string => (value === undefined ? '-' : value.toFixed(digits));
function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at]?.length ?? 0)));
  for (const row of [head, ...rows]) print(row.map((cell, at) => cell.padStart(widths[at] as number)).join('  '));
}

async function concurrency(settings: LoadSettings): Promise<unknown> {
  const found = await measureConcurrency(settings);
  print(
    `${found.maxNewTokens} tokens at most a text, medians of ${found.rows[0]?.rounds.length} rounds, latencies in ms`,
  );
  printTable(
    ['side', 'at a time', 'tokens/s', 'texts/s', 'p50', 'p95', 'p99', 'failed'],
    found.rows.map((row) => [
      ...[row.name, String(row.count), number(row.tokensPerSecond, 0), number(row.requestsPerSecond, 1)],
      ...[number(row.p50, 1), number(row.p95, 1), number(row.p99, 1), String(row.errors)],
    ]),
  );
  print(`32 at a time against 1: server ${number(found.serverRatio)} times, bare ${number(found.bareRatio)} times`);
  return found;
}

async function overhead(settings: LoadSettings): Promise<unknown> {
  const found = await measureOverhead(settings);
  print(`one client, ${found.rows[0]?.requests} texts, ms`);
  printTable(
    ['tokens', 'percentile', 'server', 'bare', 'difference', '95% interval'],
    found.rows.flatMap(({ maxNewTokens, differencesMs }) =>
      differencesMs.map((row) => [
        ...[String(maxNewTokens), `p${100 * row.percentile}`, number(row.overHttp), number(row.alone)],
        ...[number(row.difference), row.interval.map((end) => number(end)).join(' to ')],
      ]),
    ),
  );
  return found;
}

async function memory(settings: LoadSettings): Promise<unknown> {
  const found = await measureMemory(settings);
  const mebibytes = (bytes: number | undefined): string =>
    bytes === undefined ? 'not measured' : number(bytes / 2 ** 20, 1);
  print(`resident MiB of the server and its model's process, all routes in turns; ${found.failed} failed`);
  printTable(
    ['requests', 'MiB'],
    [{ requests: 0, bytes: found.atStart }, ...found.points].map(({ requests, bytes }) => [
      String(requests),
      mebibytes(bytes),
    ]),
  );
  print(`last against first: ${number(found.ratio, 3)}`);
  return found;
}

async function swap(settings: LoadSettings): Promise<unknown> {
  const found = await measureSwaps(settings);
  const versions = Object.entries(found.versions).map(([version, count]) => `${version} ${count}`);
  print(
    `${found.swaps} swaps under 32 clients: ${found.requests} requests, ${found.failed} failed; ${versions.join(', ')}`,
  );
  print(`ms from asking for a swap to its end: ${found.swapMs.map((ms) => number(ms, 0)).join(', ')}`);
  return found;
}

const parts = { concurrency, overhead, memory, swap } as const;
const isPart = (name: string): name is keyof typeof parts => name in parts;
const wanted = positionals.length === 0 ? (Object.keys(parts) as (keyof typeof parts)[]) : positionals.filter(isPart);
if (wanted.length < positionals.length) throw new Error(`Expected parts of ${Object.keys(parts)}, got ${positionals}.`);

const controller = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Error('interrupted'));
  });
}
const settings: LoadSettings = {
  ...{ folder: await openModel(values.model), modelArgs: ['--model', values.model] },
  ...{ quick: values.quick, built: values.built, signal: controller.signal },
};
const machine = {
  ...{ cpu: cpus()[0]?.model, cores: cpus().length, loadBefore: loadavg()[0] },
  ...{ node: process.version, onnxruntime: runtimeVersion(), served: values.built ? 'dist' : 'source' },
};
print(JSON.stringify({ model: values.model, ...machine }));
const results: Record<string, unknown> = {};
try {
  for (const name of wanted) {
    print();
    print(`== ${name}`);
    results[name] = await parts[name](settings);
    // After each, so that a later one that fails loses nothing.
    if (values.json)
      await writeFile(values.json, `${JSON.stringify({ model: values.model, machine, results }, undefined, 1)}\n`);
  }
} catch (error) {
  if (!controller.signal.aborted) throw error;
  process.exitCode = 130;
}
