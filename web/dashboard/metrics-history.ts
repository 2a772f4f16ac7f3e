import type { LineSeries } from '../../src/chart/line-chart.ts';
import type { MetricsSummary } from '../shared/api-types.ts';

/** What the server counted at one moment. */
export interface Sample {
  /** Milliseconds of this page's clock. */
  readonly at: number;
  readonly metrics: MetricsSummary;
}

/** How far back the charts reach. */
const historyMs = 5 * 60_000;

/** Adds a sample and forgets what is too old; a server that was started again begins anew. */
export function addSample(history: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = history.at(-1);
  if (last && sample.metrics.uptime_s < last.metrics.uptime_s) return [sample];
  return [...history.filter(({ at }) => sample.at - at <= historyMs), sample];
}

/** Number of errors so far; the server gives their share. */
const errorCount = ({ error_rate: rate, request_count: count }: MetricsSummary): number => Math.round(rate * count);

type Reading = (metrics: MetricsSummary) => number | null | undefined;

/** A value at each moment where there is one. */
function values(history: readonly Sample[], name: string, read: Reading): LineSeries {
  const now = history.at(-1)?.at ?? 0;
  const points = history.flatMap(({ at, metrics }) => {
    const y = read(metrics);
    return typeof y === 'number' ? [{ x: (at - now) / 1000, y }] : [];
  });
  return { name, points };
}

/** How fast a count grew between one moment and the next, a second. */
function rates(history: readonly Sample[], name: string, read: (metrics: MetricsSummary) => number): LineSeries {
  const now = history.at(-1)?.at ?? 0;
  const points = history.slice(1).map(({ at, metrics }, before) => {
    const { at: from, metrics: earlier } = history[before] as Sample;
    const grown = Math.max(0, read(metrics) - read(earlier));
    return { x: (at - now) / 1000, y: (1000 * grown) / (at - from) };
  });
  return { name, points };
}

/** A chart of the live numbers. */
export interface LivePlot {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly LineSeries[];
}

export function livePlots(history: readonly Sample[]): readonly LivePlot[] {
  return [
    {
      title: 'Latency of requests',
      unit: 'ms',
      series: [
        values(history, 'p50', ({ latency_ms: it, average_latency_ms: mean }) => (it ? it.p50 : mean)),
        values(history, 'p95', ({ latency_ms: it }) => it?.p95),
        values(history, 'p99', ({ latency_ms: it }) => it?.p99),
      ],
    },
    {
      title: 'Time to first token',
      unit: 'ms',
      series: [
        values(history, 'p50', ({ time_to_first_token_ms: it }) => it?.p50),
        values(history, 'p95', ({ time_to_first_token_ms: it }) => it?.p95),
        values(history, 'p99', ({ time_to_first_token_ms: it }) => it?.p99),
      ],
    },
    { title: 'Tokens drawn', unit: 'per s', series: [rates(history, 'tokens', (it) => it.output_tokens)] },
    { title: 'Requests', unit: 'per s', series: [rates(history, 'requests', (it) => it.request_count)] },
    {
      title: 'Generations',
      unit: 'texts',
      series: [
        values(history, 'active', (it) => it.active_generations),
        values(history, 'queued', (it) => it.queue_length),
      ],
    },
    {
      title: 'Errors and refusals',
      unit: 'per s',
      series: [rates(history, 'errors', errorCount), rates(history, 'refused', (it) => it.rejected_count)],
    },
  ];
}
