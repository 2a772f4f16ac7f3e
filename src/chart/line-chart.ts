import { IteraError } from '../core/errors.ts';
import {
  type ChartOptions,
  checkValue,
  describeAxis,
  estimateWidth,
  formatNumber,
  type NumericAxis,
  numericAxis,
} from './axis.ts';
import { seriesLook } from './palette.ts';
import { renderSvg } from './svg.ts';

/** One line: points in the order in which they are joined. */
export interface LineSeries {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface LineChartOptions extends ChartOptions {
  readonly xAxis: NumericAxis;
  readonly yAxis: NumericAxis;
  readonly series: readonly LineSeries[];
  /** In pixels. Default 380. */
  readonly height?: number;
}

/** Up to this many points a line shows each of them. */
const markedPoints = 40;

/**
 * Draws lines over a common numeric axis, e.g. training curves, each named at its end. Lines of more points than the
 * chart has pixels are thinned so that their shape remains (largest triangle, three buckets).
 *
 * @returns SVG text with a transparent ground, in the colour of the surrounding text, with a name and a description.
 * @throws {@link IteraError} `INVALID_ARGUMENT` without a series, for a series without points, and for a number that
 *   is not finite or does not fit a logarithmic axis.
 */
export function lineChart(options: LineChartOptions): string {
  const { series, xAxis, yAxis, width = 760, height = 380 } = options;
  checkSeries(options);
  const nameWidth = Math.min(Math.max(...series.map(({ name }) => estimateWidth(name))), width / 3);
  return renderSvg(
    {
      grid: { left: 76, right: nameWidth + 36, top: 40, bottom: 52 },
      xAxis: { ...numericAxis(xAxis), nameGap: 32, min: 'dataMin', max: 'dataMax' },
      yAxis: { ...numericAxis(yAxis), nameGap: 56, scale: true },
      series: series.map(({ name, points }, index) => {
        const { color, dash, symbol } = seriesLook(index);
        return {
          type: 'line',
          name,
          data: points.map(({ x, y }) => [x, y]),
          sampling: 'lttb',
          silent: true,
          clip: false,
          emphasis: { disabled: true },
          showSymbol: points.length <= markedPoints,
          symbol,
          symbolSize: 6,
          itemStyle: { color },
          lineStyle: { color, width: 2, type: dash },
          endLabel: {
            show: true,
            distance: 8,
            // The name keeps the colour of text, for its contrast; the mark before it carries the colour of the line.
            formatter: () => `{mark|●} ${name.replace(/[{}|]/g, ' ')}`,
            color: 'currentColor',
            fontSize: 12,
            textBorderWidth: 0,
            rich: { mark: { color, fontSize: 12, textBorderWidth: 0 } },
          },
          labelLayout: { moveOverlap: 'shiftY' },
        };
      }),
    },
    { ...options, width, height, description: options.description ?? describe(options) },
  );
}

function checkSeries({ series, xAxis, yAxis }: LineChartOptions): void {
  if (series.length === 0)
    throw new IteraError('INVALID_ARGUMENT', 'A line chart needs at least one series, got none.');
  for (const { name, points } of series) {
    if (points.length === 0) {
      throw new IteraError('INVALID_ARGUMENT', `Series "${name}" has no points; leave it out.`, { series: name });
    }
    points.forEach(({ x, y }, index) => {
      checkValue(x, xAxis, `x of point ${index} of series "${name}"`);
      checkValue(y, yAxis, `y of point ${index} of series "${name}"`);
    });
  }
}

function describe({ series, xAxis, yAxis }: LineChartOptions): string {
  const lines = series.map(({ name, points }) => {
    const first = points[0] as { x: number; y: number };
    const last = points.at(-1) as { x: number; y: number };
    const from = `${formatNumber(first.y)} at ${formatNumber(first.x)}`;
    return points.length === 1
      ? `${name}: ${from}`
      : `${name}: from ${from} to ${formatNumber(last.y)} at ${formatNumber(last.x)}`;
  });
  return `Lines of ${describeAxis(yAxis)} over ${describeAxis(xAxis)}. ${lines.join('; ')}.`;
}
