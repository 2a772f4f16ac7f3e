import type { CustomSeriesRenderItem } from 'echarts';
import { IteraError } from '../core/errors.ts';
import {
  type ChartOptions,
  checkValue,
  defaultWidth,
  describeAxis,
  estimateWidth,
  formatNumber,
  isNarrow,
  type NumericAxis,
  numericAxis,
  titleHeight,
} from './axis.ts';
import { seriesLook } from './palette.ts';
import { label, point } from './strokes.ts';
import { type Mark, renderSvg } from './svg.ts';

interface Point {
  readonly x: number;
  readonly y: number;
}

/** One line: points in the order in which they are joined. */
export interface LineSeries {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface LineChartOptions extends ChartOptions {
  readonly xAxis: NumericAxis;
  readonly yAxis: NumericAxis;
  readonly series: readonly LineSeries[];
  /** In pixels. Default 380. */
  readonly height?: number;
}

/** Of each line so many points are marks of their own, evenly spread, the first and the last among them. */
const markedPoints = 25;

const labelHeight = 14;

/** A drawn datum: a whole line, or one of its points. */
type Datum = { readonly series: number; readonly point?: Point };

/**
 * Draws lines over a common numeric axis, e.g. training curves, each named at its end. Lines of more points than the
 * chart has pixels are thinned so that their extremes remain.
 *
 * @returns SVG text with a transparent ground, in the colour of the surrounding text, with a name and a description.
 *   Marks are the lines, then up to 25 points of each.
 * @throws {@link IteraError} `INVALID_ARGUMENT` without a series, for a series without points, and for a number that
 *   is not finite or does not fit a logarithmic axis.
 */
export function lineChart(options: LineChartOptions): string {
  const { series, xAxis, yAxis, width = defaultWidth, height = 380 } = options;
  checkSeries(options);
  const nameWidth = Math.min(Math.max(...series.map(({ name }) => estimateWidth(name))), width / 3);
  const left = isNarrow(options) ? 58 : 76;
  const right = nameWidth + 26;
  const data: Datum[] = [
    ...series.map((_, index) => ({ series: index })),
    ...series.flatMap(({ points }, index) => spread(points).map((one) => ({ series: index, point: one }))),
  ];
  const thinned = series.map(({ points }) => thin(points, width - left - right));
  return renderSvg(
    {
      grid: { left, right, top: titleHeight(options) + 4, bottom: 52 },
      xAxis: { ...numericAxis(xAxis, options), nameGap: 32, min: 'dataMin', max: 'dataMax' },
      yAxis: { ...numericAxis(yAxis), nameGap: left - 16, scale: true },
      series: [
        {
          ...{ type: 'custom', silent: true, clip: false, emphasis: { disabled: true } },
          encode: { x: [0, 1], y: [2, 3] },
          data: data.map(({ series: index }) => {
            const { points } = series[index] as LineSeries;
            return [...range(points.map(({ x }) => x)), ...range(points.map(({ y }) => y))];
          }),
          renderItem: drawLine(data, series, thinned),
        },
      ],
    },
    {
      ...{ ...options, width, height, marks: data.map((datum) => markOf(datum, options)) },
      description: options.description ?? describe(options),
    },
  );
}

/** The least and the greatest; lines may have more points than a call takes arguments. */
function range(values: readonly number[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

function spread(points: readonly Point[]): Point[] {
  if (points.length <= markedPoints) return [...points];
  const step = (points.length - 1) / (markedPoints - 1);
  return Array.from({ length: markedPoints }, (_, index) => points[Math.round(index * step)] as Point);
}

/** For each pixel across, the lowest and the highest of its points: what a line through all of them would cover. */
function thin(points: readonly Point[], pixels: number): readonly Point[] {
  const size = Math.ceil(points.length / pixels);
  if (size < 3) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, index) => {
    const bucket = points.slice(index * size, (index + 1) * size);
    const [low, high] = range(bucket.map(({ y }) => y));
    return bucket.filter(
      ({ y }, place) => bucket.findIndex((one) => one.y === y) === place && (y === low || y === high),
    );
  }).flat();
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

function drawLine(
  data: readonly Datum[],
  series: readonly LineSeries[],
  thinned: readonly (readonly Point[])[],
): CustomSeriesRenderItem {
  return (params, api) => {
    const { series: index, point: marked } = data[params.dataIndex] as Datum;
    const placeOf = ({ x, y }: Point) => api.coord([x, y]) as [number, number];
    if (marked) return point(index, ...placeOf(marked), 3) as ReturnType<CustomSeriesRenderItem>;
    const { color, dash } = seriesLook(index);
    const ends = series.map(({ points }) => placeOf(points.at(-1) as Point));
    const [right] = ends[index] as [number, number];
    const shape = { points: (thinned[index] as readonly Point[]).map(placeOf) };
    const middle = spreadLabels(ends.map(([, y]) => y))[index] as number;
    return {
      type: 'group' as const,
      children: [
        { type: 'polyline' as const, shape, style: { stroke: color, lineWidth: 2, fill: 'none', lineDash: dash } },
        point(index, right + 12, middle, 4),
        label(series[index]?.name ?? '', right + 21, middle),
      ],
    } as ReturnType<CustomSeriesRenderItem>;
  };
}

/** Heights as near to those wanted as leave room for each text, from the lowest line upwards. */
function spreadLabels(wanted: readonly number[]): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[b] as number) - (wanted[a] as number));
  const heights = [...wanted];
  let free = Number.POSITIVE_INFINITY;
  for (const index of order) {
    heights[index] = Math.min(wanted[index] as number, free);
    free = (heights[index] as number) - labelHeight;
  }
  return heights;
}

function markOf({ series: index, point: marked }: Datum, { series, xAxis }: LineChartOptions): Mark {
  const { name, points } = series[index] as LineSeries;
  const text = marked
    ? `${name}: ${formatNumber(marked.y)} at ${xAxis.name} ${formatNumber(marked.x)}`
    : describeLine(name, points);
  return { text, ...(series.length > 1 && { series: name }) };
}

function describeLine(name: string, points: readonly Point[]): string {
  const [first, last] = [points[0] as Point, points.at(-1) as Point];
  const from = `${formatNumber(first.y)} at ${formatNumber(first.x)}`;
  return points.length === 1
    ? `${name}: ${from}`
    : `${name}: from ${from} to ${formatNumber(last.y)} at ${formatNumber(last.x)}`;
}

function describe({ series, xAxis, yAxis }: LineChartOptions): string {
  const lines = series.map(({ name, points }) => describeLine(name, points));
  return `Lines of ${describeAxis(yAxis)} over ${describeAxis(xAxis)}. ${lines.join('; ')}.`;
}
