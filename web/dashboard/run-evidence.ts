import type { CandidateMeasurements, Estimate } from '../../src/adaptation/candidate/candidate-evidence.ts';
import type { BarChartOptions } from '../../src/chart/bar-chart.ts';
import { formatPrecise } from '../shared/format.ts';

/** A number of a run's evidence, as a row of its table. */
export interface EvidenceRow {
  readonly name: string;
  readonly value: string;
  /** In words, what to compare it with. */
  readonly note: string;
}

/** What a run measured, if it came so far; evidence is kept as plain JSON, so nothing of it is sure to be there. */
export function measurementsOf(evidence: unknown): Partial<CandidateMeasurements> | undefined {
  const { measured } = (evidence ?? {}) as { readonly measured?: Partial<CandidateMeasurements> };
  return typeof measured === 'object' && measured !== null ? measured : undefined;
}

export function evidenceRows({
  heldOut,
  base = [],
  latency,
  notRun = [],
}: Partial<CandidateMeasurements>): EvidenceRow[] {
  const rows: EvidenceRow[] = [];
  const add = (name: string, estimate: Estimate | undefined, note: string): void => {
    if (estimate) rows.push({ name, value: estimateText(estimate), note });
  };
  if (heldOut) {
    add(
      'Held-out feedback, loss',
      heldOut.lossDifference,
      `nats a token over ${heldOut.examples} examples; below 0 is better`,
    );
    add('Wanted texts', heldOut.wantedRatio, 'nats after by before; below 1 is better');
    add('Unwanted texts', heldOut.unwantedFactor, 'probability after by before; below 1 is better');
  }
  for (const { text, documents, bitsPerByte, ratio } of base) {
    const ends = bitsPerByte.map(formatPrecise).join(' before, ');
    add(`Base text: ${text}`, ratio, `bits per byte after by before (${ends} after), ${documents} documents`);
  }
  add('Time of a pass', latency, 'after by before');
  for (const { text, reason } of notRun) rows.push({ name: `Base text: ${text}`, value: 'not run', note: reason });
  return rows;
}

function estimateText({ value, interval }: Estimate): string {
  return interval ? `${formatPrecise(value)} [${interval.map(formatPrecise).join(', ')}]` : formatPrecise(value);
}

/** All ratios of after to before in one chart; undefined if there are none. */
export function ratioChart(measured: Partial<CandidateMeasurements>, width: number): BarChartOptions | undefined {
  const { heldOut, base = [], latency } = measured;
  const ratios: readonly (readonly [string, Estimate | undefined])[] = [
    ['wanted texts', heldOut?.wantedRatio],
    ['unwanted texts', heldOut?.unwantedFactor],
    ...base.map(({ text, ratio }) => [text, ratio] as const),
    ['time of a pass', latency],
  ];
  const given = ratios.flatMap(([name, estimate]) => (estimate ? [{ name, estimate }] : []));
  if (given.length === 0) return undefined;
  return {
    ...{ title: 'After adaptation by before', width, axis: { name: 'Ratio; 1 is no change' } },
    categories: given.map(({ name }) => name),
    series: [
      {
        name: 'after by before',
        bars: given.map(({ estimate: { value, interval } }) => ({
          ...{ value, label: formatPrecise(value) },
          ...(interval && { interval }),
        })),
      },
    ],
  };
}
