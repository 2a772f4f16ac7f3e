import { useCallback, useState } from 'preact/hooks';
import type { LineSeries } from '../../src/chart/line-chart.ts';
import { seriesLook } from '../../src/chart/palette.ts';
import { api } from '../shared/api.ts';
import type { MetricsSummary } from '../shared/api-types.ts';
import { Chart } from '../shared/chart.tsx';
import { drawLines } from '../shared/draw-charts.ts';
import { Fault } from '../shared/fault.tsx';
import { formatAmount, formatBytes, formatCount, formatDuration, formatMs, formatPercent } from '../shared/format.ts';
import { isAbort } from '../shared/http.ts';
import { usePoll } from '../shared/use-poll.ts';
import { addSample, type LivePlot, livePlots, type Sample } from './metrics-history.ts';

const intervalMs = 2000;
const chartHeight = 200;

/** What the server counts, every two seconds while the page is visible. */
export function LiveMetrics() {
  const [history, setHistory] = useState<readonly Sample[]>([]);
  const [fault, setFault] = useState<unknown>();
  usePoll(async (signal) => {
    try {
      const metrics = await api.metrics(signal);
      setHistory((before) => addSample(before, { at: performance.now(), metrics }));
      setFault(undefined);
    } catch (error) {
      if (!isAbort(error)) setFault(error);
    }
  }, intervalMs);
  const last = history.at(-1)?.metrics;
  return (
    <section class="stack" aria-labelledby="live-title">
      <div class="card-head">
        <h2 id="live-title">Live</h2>
        <p class="muted">The last five minutes, every two seconds; this page's own requests count too.</p>
      </div>
      {fault !== undefined && <Fault error={fault} />}
      {last && <Tiles metrics={last} />}
      <div class="plots">
        {livePlots(history).map((plot) => (
          <Plot key={plot.title} plot={plot} />
        ))}
      </div>
    </section>
  );
}

function Tiles({ metrics }: { readonly metrics: MetricsSummary }) {
  const { model_memory_mb: modelMb, latency_ms: latency } = metrics;
  const tiles: readonly (readonly [string, string])[] = [
    ['Requests', formatCount(metrics.request_count)],
    ['Latency, median', formatMs(latency?.p50 ?? metrics.average_latency_ms)],
    ['Errors', formatPercent(metrics.error_rate)],
    ['Tokens drawn', formatCount(metrics.output_tokens)],
    ['Tokens read', formatCount(metrics.prompt_tokens)],
    ['Feedback', formatCount(metrics.feedback_count)],
    ['Memory, server', formatBytes(metrics.memory_mb * 2 ** 20)],
    ...(modelMb === undefined ? [] : [['Memory, models', formatBytes(modelMb * 2 ** 20)] as const]),
    ['Running for', formatDuration(metrics.uptime_s)],
  ];
  return (
    <dl class="tiles">
      {tiles.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Plot({ plot: { title, unit, series } }: { readonly plot: LivePlot }) {
  const drawn = series.some(({ points }) => points.length > 1);
  const draw = useCallback(
    (width: number) =>
      drawLines({
        ...{ title, width, height: chartHeight },
        description: describePlot(title, unit, series),
        xAxis: { name: 'Time', unit: 's' },
        yAxis: { name: unit },
        // The key below names the lines: at their ends, names of equal values would lie on each other.
        series: series.flatMap(({ points }) => (points.length > 1 ? [{ name: '', points }] : [])),
      }),
    [title, unit, series],
  );
  return (
    <figure class="card plot">
      {drawn ? (
        <Chart draw={draw} height={chartHeight} />
      ) : (
        <div class="chart waiting">
          <strong>{title}</strong>
          <p class="muted">Nothing to draw yet.</p>
        </div>
      )}
      <figcaption>
        <ul class="key">
          {series.map(({ name, points }, index) => (
            <li key={name}>
              <LineSample index={index} /> {name}{' '}
              <strong>{points.length > 0 ? `${formatAmount(points.at(-1)?.y ?? 0)} ${unit}` : 'none yet'}</strong>
            </li>
          ))}
        </ul>
      </figcaption>
    </figure>
  );
}

/** How the line of a series looks. */
function LineSample({ index }: { readonly index: number }) {
  const { color, dash } = seriesLook(index);
  const pattern = { solid: 'none', dashed: '6 4', dotted: '2 3' }[dash as 'solid'] ?? 'none';
  return (
    <svg class="line-sample" viewBox="0 0 24 8" aria-hidden="true">
      <path d="M0 4h24" stroke={color} stroke-width="2.5" stroke-dasharray={pattern} />
    </svg>
  );
}

function describePlot(title: string, unit: string, series: readonly LineSeries[]): string {
  const lines = series.flatMap(({ name, points }) => {
    const last = points.at(-1);
    return last ? [`${name} is ${formatAmount(last.y)}`] : [];
  });
  return `${title}, ${unit}, over the last minutes: ${lines.join(', ')}.`;
}
