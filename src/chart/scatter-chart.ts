import type { CustomSeriesRenderItem } from 'echarts';
import { IteraError } from '../core/errors.ts';
import {
  type ChartOptions,
  checkInterval,
  checkValue,
  defaultWidth,
  describeAxis,
  estimateWidth,
  formatNumber,
  isNarrow,
  logarithmicSpan,
  type NumericAxis,
  numericAxis,
  titleHeight,
} from './axis.ts';
import { errorBar, label, point } from './strokes.ts';
import { type Mark, renderSvg } from './svg.ts';

/** One named point. */
export interface ScatterPoint {
  /** Stands beside the point; of points of one name at one x, only once. */
  readonly name: string;
  /** Points of one series share colour and shape; by default each point has its own. */
  readonly series?: string;
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
/** Points of several series at one x stand this far apart, so that none hides another; on a telephone less. */
const seriesSteps = { wide: 9, narrow: 6 } as const;
const legendHeight = 18;

/**
 * Draws named points over two numeric axes, with error bars along y, e.g. quality against size. Names of points that lie
 * close together are moved upwards until all can be read. Several series are told apart by a legend.
 *
 * @returns SVG text with a transparent ground, in the colour of the surrounding text, with a name and a description.
 *   Marks are the points in their order.
 * @throws {@link IteraError} `INVALID_ARGUMENT` without points, for an interval with its ends reversed, and for a number
 *   that is not finite or does not fit a logarithmic axis.
 */
export function scatterChart(options: ScatterChartOptions): string {
  const { points, xAxis, yAxis, width = defaultWidth, height = 380 } = options;
  checkPoints(options);
  const series = seriesOf(points);
  const nameWidth = Math.min(Math.max(...points.map(({ name }) => estimateWidth(name))), width / 3);
  const left = isNarrow(options) ? 62 : 84;
  const legend = placeLegend(series, width - left);
  const legendTop = titleHeight(options);
  const top = legendTop + (series.length === 0 ? 0 : legendHeight * legend.rows) + 12;
  return renderSvg(
    {
      grid: { left, right: nameWidth + 24, top, bottom: 52 },
      xAxis: {
        ...numericAxis(xAxis, options),
        nameGap: 32,
        ...(xAxis.scale === 'log' &&
          logarithmicSpan(
            points.map(({ x }) => x),
            0.12,
          )),
      },
      yAxis: { ...numericAxis(yAxis), nameGap: left - 20, scale: true, boundaryGap: ['5%', '8%'] },
      series: [
        {
          ...{ type: 'custom', silent: true, clip: false, emphasis: { disabled: true } },
          encode: { x: 0, y: [1, 2, 3] },
          data: points.map(({ x, y, interval = [y, y] }) => [x, y, ...interval]),
          renderItem: drawPoint(points, series, seriesSteps[isNarrow(options) ? 'narrow' : 'wide'], (index) => {
            const place = legend.places[index] as { readonly x: number; readonly row: number };
            return { x: left + place.x, y: legendTop + legendHeight * place.row + 4 };
          }),
        },
      ],
    },
    {
      ...{ ...options, width, height: height + (top - legendTop - 12), marks: points.map(markOf) },
      description: options.description ?? describe(options),
    },
  );
}

const seriesOf = (points: readonly ScatterPoint[]): readonly string[] => [
  ...new Set(points.flatMap(({ series }) => series ?? [])),
];

/** Names of series one after the other, in as many rows as they need. */
function placeLegend(series: readonly string[], width: number) {
  const places: { readonly x: number; readonly row: number }[] = [];
  let [x, row] = [0, 0];
  for (const name of series) {
    const needed = estimateWidth(name) + 30;
    if (x > 0 && x + needed > width) [x, row] = [0, row + 1];
    places.push({ x, row });
    x += needed;
  }
  return { places, rows: row + 1 };
}

function checkPoints({ points, xAxis, yAxis }: ScatterChartOptions): void {
  if (points.length === 0) {
    throw new IteraError('INVALID_ARGUMENT', 'A scatter chart needs at least one point, got none.');
  }
  for (const { name, x, y, interval } of points) {
    checkValue(x, xAxis, `x of "${name}"`);
    checkInterval({ value: y, ...(interval && { interval }) }, yAxis, `"${name}"`);
  }
}

/** Place of a name: its left end and the middle of its height. */
interface Label {
  readonly left: number;
  readonly right: number;
  readonly middle: number;
}

function drawPoint(
  points: readonly ScatterPoint[],
  series: readonly string[],
  seriesStep: number,
  legendPlace: (index: number) => { readonly x: number; readonly y: number },
): CustomSeriesRenderItem {
  let labels: Label[] = [];
  return (params, api) => {
    if (params.dataIndex === 0) labels = [];
    const own = points[params.dataIndex] as ScatterPoint;
    const { x, y, interval } = own;
    const look = own.series === undefined ? params.dataIndex : series.indexOf(own.series);
    const shift = own.series === undefined ? 0 : (look - (series.length - 1) / 2) * seriesStep;
    const heightOf = (value: number): number => api.coord([x, value])[1] as number;
    const [plainX = 0, middle = 0] = api.coord([x, y]);
    const centerX = plainX + shift;
    const ends = interval?.map(heightOf) ?? [];
    const isFirst = points.findIndex((one) => one.series === own.series) === params.dataIndex;
    const legend = own.series === undefined || !isFirst ? undefined : legendPlace(look);
    return {
      type: 'group' as const,
      children: [
        ...(ends.length === 2 ? errorBar([centerX, ends[0] as number], [centerX, ends[1] as number]) : []),
        point(look, centerX, middle, radius),
        ...nameLabel(own, plainX, middle, heightOf),
        ...(legend === undefined
          ? []
          : [point(look, legend.x + 6, legend.y, 4), label(own.series as string, legend.x + 15, legend.y)]),
      ],
    } as ReturnType<CustomSeriesRenderItem>;
  };

  /** Beside a point of its own; above all points of one name at one x. */
  function nameLabel(own: ScatterPoint, x: number, middle: number, heightOf: (value: number) => number) {
    const width = estimateWidth(own.name);
    if (own.series === undefined) {
      const place = placeLabel(x + radius + 4, middle, width, labels);
      labels.push(place);
      return [label(own.name, place.left, place.middle)];
    }
    const group = points.filter((one) => one.name === own.name && one.x === own.x);
    if (group[0] !== own) return [];
    const top = Math.min(...group.flatMap(({ y, interval = [y, y] }) => [y, ...interval].map(heightOf)));
    const place = placeLabel(x - width / 2, top - 14, width, labels);
    labels.push(place);
    return [label(own.name, place.left, place.middle)];
  }
}

/** The first free place from a height upwards. */
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

function textOf({ name, series, x, y, interval, label: given }: ScatterPoint): string {
  const bar = interval === undefined ? '' : ` [${interval.map(formatNumber).join(', ')}]`;
  const whole = series === undefined ? name : `${name}, ${series}`;
  return `${whole}: ${given ?? `${formatNumber(y)}${bar}`} at ${formatNumber(x)}`;
}

const markOf = (own: ScatterPoint): Mark => ({
  text: textOf(own),
  ...(own.series !== undefined && { series: own.series }),
});

function describe({ points, xAxis, yAxis }: ScatterChartOptions): string {
  return `Points of ${describeAxis(yAxis)} against ${describeAxis(xAxis)}. ${points.map(textOf).join('; ')}.`;
}
