/**
 * What adaptation does to a bundled model: each scenario of the package once, or ten adaptations in a row.
 *
 *   npx tsx benchmarks/adaptation.ts scenarios itera-lite-micro results.json
 *   npx tsx benchmarks/adaptation.ts ten itera-lite-micro results.json chart.svg
 *
 * Ten in a row: the 720 pieces of feedback of all scenarios come in ten parts, each of another scenario than the one before;
 * after each, the model adapts to all that has come so far.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runAdaptation } from '../src/adaptation/adapt.ts';
import { adaptationRecords } from '../src/adaptation/adaptation-records.ts';
import { runDrill } from '../src/adaptation/drill.ts';
import { readFeedbackFile } from '../src/adaptation/feedback-file.ts';
import { scenarioFile, scenarios } from '../src/adaptation/scenarios.ts';
import { openStore } from '../src/adaptation/store/store.ts';
import { lineChart } from '../src/chart/line-chart.ts';
import type { MeasurementRecord } from '../src/core/measurement.ts';
import { openModel } from '../src/runtime/load-model-file.ts';

const [mode, name = '', out = '', chart] = process.argv.slice(2);
if ((mode !== 'scenarios' && mode !== 'ten') || out === '')
  throw new Error('Expected: scenarios|ten MODEL RESULTS [CHART]');

const folder = await openModel(name);
const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
/** Two variants: the others take most of the time and are judged in the same way. */
const variants = ['int8', 'int4'] as const;
const common = { seed: 1, threads: Math.max(1, cpus().length), version, variants };
const write = async (records: readonly MeasurementRecord[]): Promise<void> =>
  writeFile(out, `${JSON.stringify({ cpu: cpus()[0]?.model, records }, undefined, 2)}\n`);

async function runScenarios(): Promise<void> {
  const records: MeasurementRecord[] = [];
  for (const scenario of scenarios) {
    const started = performance.now();
    const drill = await runDrill(folder, name, scenario, common);
    records.push(...drill.records);
    await write(records);
    console.log(`${scenario}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
    for (const { sentence, passed } of drill.adaptation.findings)
      console.log(`  ${passed ? 'ok' : 'FAIL'} ${sentence}`);
    for (const record of drill.records) {
      if (record.status === 'notRun') continue;
      const ends = record.interval?.map((end) => end.toPrecision(4)).join(', ');
      console.log(`  ${record.metric} ${record.conditions.dataset ?? ''}: ${record.value.toPrecision(4)} [${ends}]`);
    }
    for (const { model, prompt, text } of drill.samples) console.log(`  ${model}: ${prompt}|${text}`);
  }
}

async function runTen(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'itera-ten-'));
  const store = await openStore(join(dir, 'store'));
  const files = await Promise.all(scenarios.map((scenario) => readFeedbackFile(scenarioFile(scenario))));
  const count = 10;
  const records: MeasurementRecord[] = [];
  const points = new Map<string, { x: number; y: number }[]>();
  try {
    const taken = files.map(() => 0);
    for (let run = 1; run <= count; run++) {
      const which = (run - 1) % files.length;
      const { items } = files[which] as (typeof files)[number];
      // The last file has three turns, the first four.
      const share = Math.ceil(items.length / Math.ceil((count - which) / files.length));
      const from = taken[which] as number;
      taken[which] = from + share;
      await store.addFeedback(items.slice(from, from + share));
      const {
        run: ended,
        evidence,
        deployment,
      } = await runAdaptation(store, folder, name, {
        ...{ ...common, versionsDir: join(dir, 'versions'), variants: [], keep: 1 },
      });
      const measured = evidence?.measured;
      if (measured) {
        const conditions = { scenario: `${run} of ${count} in a row` };
        records.push(...adaptationRecords(measured, name, conditions));
        for (const { text, ratio } of measured.base) {
          const known = points.get(text) ?? [];
          known.push({ x: run, y: 100 * (ratio.value - 1) });
          points.set(text, known);
        }
      }
      await write(records);
      const base = measured?.base
        .map(({ text, ratio }) => `${text} ${(100 * (ratio.value - 1)).toFixed(2)}%`)
        .join(', ');
      const wanted = measured?.heldOut.wantedRatio?.value.toFixed(3);
      console.log(
        `${run} ${scenarios[which]}: ${ended.status}, promoted ${deployment.promoted}, wanted ${wanted}; ${base}`,
      );
    }
    if (chart !== undefined) {
      const title = `${name}: ten adaptations in a row`;
      const series = [...points].map(([text, values]) => ({ name: text, points: values }));
      const svg = lineChart({
        ...{ id: 'forgetting', title, series },
        xAxis: { name: 'adaptation' },
        yAxis: { name: 'Bits per byte against the base model', unit: '%' },
      });
      await writeFile(chart, svg);
    }
  } finally {
    await store.close();
    await rm(dir, { recursive: true, force: true });
  }
}

await (mode === 'scenarios' ? runScenarios() : runTen());
