import { IteraError } from '../core/errors.ts';
import {
  type ChartOptions,
  checkInterval,
  defaultWidth,
  describeAxis,
  estimateWidth,
  formatNumber,
  isNarrow,
  type NumericAxis,
  numericAxis,
  titleHeight,
} from './axis.ts';
import { label } from './strokes.ts';
import type { Mark } from './svg.ts';

/** One value in a row of its own. */
export interface RowValue {
  readonly value: number;
  /** Ends of the error bar, in the unit of the axis. */
  readonly interval?: readonly [number, number];
  /** Stands beside it; by default the value. */
  readonly label?: string;
}

/** Values of one colour, one for each category; undefined leaves a gap. */
export interface RowSeries<Value extends RowValue> {
  readonly name: string;
  readonly values: readonly (Value | undefined)[];
}

/** Rows over a common axis, grouped by category. */
export interface RowChartOptions<Value extends RowValue> extends ChartOptions {
  readonly axis: NumericAxis;
  readonly categories: readonly string[];
  readonly series: readonly RowSeries<Value>[];
}

/** A value with its place: category and series by index. */
export type PlacedRow<Value extends RowValue> = Value & {
  readonly category: number;
  readonly series: number;
  readonly text: string;
};

/** Height of a row, of which a bar leaves four pixels free. */
export const barHeight = 22;
/** A row is so much higher where its label stands above it. */
const labelHeight = 14;
const categoryGap = 14;
/** Height of a category's name where it stands above its rows. */
const headingHeight = 18;
const footHeight = 52;

/**
 * Gives every value its row.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` without any value, if a series has not one entry for each category, for an
 *   interval with its ends reversed, and for a number that is not finite or does not fit a logarithmic axis.
 */
export function placeRows<Value extends RowValue>(options: RowChartOptions<Value>): PlacedRow<Value>[] {
  const { axis, categories, series } = options;
  const placed: PlacedRow<Value>[] = [];
  for (const [index, { name, values }] of series.entries()) {
    if (values.length !== categories.length) {
      const message = `Expected ${categories.length} values in series "${name}", one for each category, got ${values.length}.`;
      throw new IteraError('INVALID_ARGUMENT', message, { series: name });
    }
    for (const [category, row] of values.entries()) {
      if (row === undefined) continue;
      checkInterval(row, axis, `series "${name}", category "${categories[category]}"`);
      const shown = row.label ?? formatNumber(row.value);
      placed.push({ ...row, category, series: index, text: series.length > 1 ? `${name}: ${shown}` : shown });
    }
  }
  if (placed.length === 0)
    throw new IteraError('INVALID_ARGUMENT', 'A chart of rows needs at least one value, got none.');
  return placed;
}

/** Axes and margins, the height, and where rows are, by the height of a category's middle. */
export interface RowLayout {
  readonly height: number;
  readonly axes: { readonly grid: object; readonly xAxis: object; readonly yAxis: object };
  middleOf(row: { readonly category: number; readonly series: number }, categoryMiddle: number): number;
  /** The label of a row: behind its end, or above it from its start. */
  labelOf(
    row: { readonly text: string },
    place: { readonly start: number; readonly end: number; readonly middle: number },
  ): object;
  /** The name of a row's category, where it stands above and this row is the first of it. */
  headingOf(
    row: { readonly category: number; readonly series: number },
    left: number,
    categoryMiddle: number,
  ): object[];
}

export function layoutRows<Value extends RowValue>(
  options: RowChartOptions<Value>,
  rows: readonly PlacedRow<Value>[],
): RowLayout {
  const { axis, categories, series, width = defaultWidth } = options;
  const narrow = isNarrow(options);
  const [heading, above] = narrow ? [headingHeight, labelHeight] : [0, 0];
  const rowHeight = barHeight + above;
  const band = heading + series.length * rowHeight + categoryGap;
  const top = titleHeight(options);
  const left = narrow ? 8 : Math.min(Math.max(...categories.map(estimateWidth)) + 16, width / 3);
  const right = narrow ? 14 : Math.min(Math.max(...rows.map(({ text }) => estimateWidth(text))) + 24, width / 3);
  const firsts = new Map(categories.map((_, category) => [category, rows.find((row) => row.category === category)]));
  return {
    height: top + categories.length * band + footHeight,
    axes: {
      grid: { left, right, top, bottom: footHeight },
      xAxis: { ...numericAxis(axis, options), nameGap: 32 },
      yAxis: {
        type: 'category',
        inverse: true,
        data: [...categories],
        axisLabel: {
          show: !narrow,
          ...{ color: 'currentColor', fontSize: 12, interval: 0, width: left - 16, overflow: 'break' },
        },
        axisLine: { lineStyle: { color: 'currentColor', opacity: 0.6 } },
        axisTick: { show: false },
      },
    },
    middleOf: ({ series: index }, middle) =>
      middle + (heading + above) / 2 + (index - (series.length - 1) / 2) * rowHeight,
    labelOf: ({ text }, { start, end, middle }) =>
      narrow ? label(text, start + 4, middle - barHeight / 2 - labelHeight / 2 + 2) : label(text, end, middle),
    headingOf: (row, start, middle) =>
      narrow && firsts.get(row.category)?.series === row.series
        ? [label(categories[row.category] as string, start, middle - band / 2 + 12, { fontWeight: 'bold' })]
        : [],
  };
}

/** What each row says to who points at it. */
export function rowMarks<Value extends RowValue>(
  { categories, series }: RowChartOptions<Value>,
  rows: readonly PlacedRow<Value>[],
): Mark[] {
  return rows.map((row) => ({
    text: [categories[row.category], row.text].filter((part) => part !== '').join(', '),
    ...(series.length > 1 && { series: series[row.series]?.name ?? '' }),
  }));
}

export function describeRows<Value extends RowValue>(
  what: string,
  { axis, categories, series }: RowChartOptions<Value>,
): string {
  const groups = categories.map((category, index) => {
    const rows = series.flatMap(({ name, values: { [index]: row } }) =>
      row === undefined ? [] : [`${series.length > 1 ? `${name} ` : ''}${row.label ?? formatNumber(row.value)}`],
    );
    return `${category}: ${rows.length === 0 ? 'no value' : rows.join(', ')}`;
  });
  return `${what} of ${describeAxis(axis)}. ${groups.join('; ')}.`;
}
