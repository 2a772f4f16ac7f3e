import type { CustomSeriesRenderItem } from 'echarts';
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
import { fontFamily, renderSvg } from './svg.ts';

/** One named point. */
export interface ScatterPoint {
  /** Stands beside the point. */
  readonly name: string;
  readonly x: number;
  readonly y: number;
  /** Ends of the error bar along y, in the unit of that axis. */
  readonly interval?: readonly [number, number];
  /** The value of y and its interval in words, for the description; by default both in four digits. */
  readonly label?: string;
}

export interface ScatterChartOptions extends ChartOptions {
  readonly xAxis: NumericAxis;
  readonly yAxis: NumericAxis;
  readonly points: readonly ScatterPoint[];
  /** In pixels. Default 380. */
  readonly height?: number;
}

const radius = 5;
const labelHeight = 14;

/**
 * Draws named points over two numeric axes, with error bars along y, e.g. quality against size. Names of points that lie
 * close together are moved upwards until all can be read.
 *
 * @returns SVG text with a transparent ground, in the colour of the surrounding text, with a name and a description.
 * @throws {@link IteraError} `INVALID_ARGUMENT` without points, for an interval with its ends reversed, and for a number
 *   that is not finite or does not fit a logarithmic axis.
 */
export function scatterChart(options: ScatterChartOptions): string {
  const { points, xAxis, yAxis, width = 760, height = 380 } = options;
  checkPoints(options);
  const nameWidth = Math.min(Math.max(...points.map(({ name }) => estimateWidth(name))), width / 3);
  return renderSvg(
    {
      grid: { left: 84, right: nameWidth + 24, top: 40, bottom: 52 },
      xAxis: { ...numericAxis(xAxis), nameGap: 32 },
      yAxis: { ...numericAxis(yAxis), nameGap: 64, scale: true, boundaryGap: ['5%', '5%'] },
      series: [
        {
          type: 'custom',
          silent: true,
          clip: false,
          emphasis: { disabled: true },
          encode: { x: 0, y: [1, 2, 3] },
          data: points.map(({ x, y, interval = [y, y] }) => [x, y, ...interval]),
          renderItem: drawPoint(points),
        },
      ],
    },
    { ...options, width, height, description: options.description ?? describe(options) },
  );
}

function checkPoints({ points, xAxis, yAxis }: ScatterChartOptions): void {
  if (points.length === 0) {
    throw new IteraError('INVALID_ARGUMENT', 'A scatter chart needs at least one point, got none.');
  }
  for (const { name, x, y, interval } of points) {
    checkValue(x, xAxis, `x of "${name}"`);
    checkValue(y, yAxis, `y of "${name}"`);
    for (const end of interval ?? []) checkValue(end, yAxis, `the interval of "${name}"`);
    if (interval && interval[0] > interval[1]) {
      throw new IteraError(
        'INVALID_ARGUMENT',
        `Expected an interval [low, high] for "${name}", got [${interval.join(', ')}].`,
        { interval },
      );
    }
  }
}

/** Place of a name: its left end and the middle of its height. */
interface Label {
  readonly left: number;
  readonly right: number;
  readonly middle: number;
}

function drawPoint(points: readonly ScatterPoint[]): CustomSeriesRenderItem {
  let labels: Label[] = [];
  return (params, api) => {
    if (params.dataIndex === 0) labels = [];
    const { name, x, y, interval } = points[params.dataIndex] as ScatterPoint;
    const { color, symbol } = seriesLook(params.dataIndex);
    const [centerX = 0, centerY = 0] = api.coord([x, y]);
    const label = placeLabel(centerX + radius + 4, centerY, estimateWidth(name), labels);
    labels.push(label);
    const line = (x1: number, y1: number, x2: number, y2: number) => ({
      type: 'line' as const,
      shape: { x1, y1, x2, y2 },
      style: { stroke: 'currentColor', lineWidth: 1.5, fill: 'none' },
    });
    const ends = interval?.map((end) => api.coord([x, end])[1] as number) ?? [];
    return {
      type: 'group' as const,
      children: [
        ...(ends.length === 2 ? [line(centerX, ends[0] as number, centerX, ends[1] as number)] : []),
        ...ends.map((end) => line(centerX - 4, end, centerX + 4, end)),
        pointShape(symbol, centerX, centerY, color),
        {
          type: 'text' as const,
          x: label.left,
          y: label.middle,
          style: { text: name, fill: 'currentColor', fontFamily, fontSize: 12, verticalAlign: 'middle' as const },
        },
      ],
    };
  };
}

/** The first free place to the right of a point, going up. */
function placeLabel(left: number, center: number, width: number, taken: readonly Label[]): Label {
  const right = left + width;
  const free = (middle: number): boolean =>
    taken.every(
      (other) => other.right < left || right < other.left || Math.abs(other.middle - middle) >= labelHeight - 0.01,
    );
  let middle = center;
  while (!free(middle)) middle -= labelHeight;
  return { left, right, middle };
}

/** Shapes of equal size that tell points apart without their colours. */
function pointShape(symbol: string, x: number, y: number, fill: string) {
  const style = { fill };
  const corners: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
    rect: [
      [-1, -1],
      [1, -1],
      [1, 1],
      [-1, 1],
    ],
    triangle: [
      [0, -1.2],
      [1.2, 1],
      [-1.2, 1],
    ],
    diamond: [
      [0, -1.3],
      [1.3, 0],
      [0, 1.3],
      [-1.3, 0],
    ],
  };
  const outline = corners[symbol];
  if (!outline) return { type: 'circle' as const, shape: { cx: x, cy: y, r: radius }, style };
  return {
    type: 'polygon' as const,
    shape: { points: outline.map(([across, down]) => [x + across * radius, y + down * radius]) },
    style,
  };
}

function describe({ points, xAxis, yAxis }: ScatterChartOptions): string {
  const places = points.map(({ name, x, y, interval, label }) => {
    const bar = interval === undefined ? '' : ` [${interval.map(formatNumber).join(', ')}]`;
    return `${name}: ${label ?? `${formatNumber(y)}${bar}`} at ${formatNumber(x)}`;
  });
  return `Points of ${describeAxis(yAxis)} against ${describeAxis(xAxis)}. ${places.join('; ')}.`;
}
