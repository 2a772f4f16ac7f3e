import { IteraError } from '../core/errors.ts';

/** A numeric axis. */
export interface NumericAxis {
  readonly name: string;
  /** Shown behind the name in brackets. */
  readonly unit?: string;
  /** Default linear; a logarithmic axis takes only values above 0. */
  readonly scale?: 'linear' | 'log';
}

/** What every chart takes. */
export interface ChartOptions {
  /** Stands above the chart and names it for screen readers. */
  readonly title: string;
  /** What the chart shows, in words, for who does not see it; by default made from the data. */
  readonly description?: string;
  /** Tells the ids inside the SVG from those of other charts on the page. Default: the title. */
  readonly id?: string;
  /**
   * In pixels of the SVG's own coordinates; it scales to the width of its place. Default 760. Below 560 names stand above
   * rows instead of beside them, as a telephone has no room for both.
   */
  readonly width?: number;
}

export const defaultWidth = 760;

/** Whether a chart is too narrow for names beside its rows. */
export const isNarrow = ({ width = defaultWidth }: Pick<ChartOptions, 'width'>): boolean => width < 560;

/** The axis name with its unit and, where it matters, its scale. */
export function describeAxis({ name, unit, scale }: NumericAxis): string {
  const notes = [unit, scale === 'log' ? 'log scale' : undefined].filter((note) => note !== undefined);
  return notes.length === 0 ? name : `${name} (${notes.join(', ')})`;
}

const axisLabel = { color: 'currentColor', fontSize: 12, hideOverlap: true, formatter: formatNumber };

/** The options of an ECharts axis for `axis`, in text and lines that follow the surrounding text colour. */
export function numericAxis(axis: NumericAxis, chart: Pick<ChartOptions, 'width'> = {}) {
  return {
    type: axis.scale === 'log' ? ('log' as const) : ('value' as const),
    name: describeAxis(axis),
    nameLocation: 'middle' as const,
    nameTextStyle: { color: 'currentColor', fontSize: 12 },
    axisLabel,
    axisLine: { show: true, lineStyle: { color: 'currentColor', opacity: 0.6 } },
    axisTick: { show: true, lineStyle: { color: 'currentColor', opacity: 0.6 } },
    splitLine: { show: true, lineStyle: { color: 'currentColor', opacity: 0.15 } },
    minorTick: { show: false },
    minorSplitLine: { show: false },
    ...(isNarrow(chart) && { splitNumber: 3 }),
  };
}

/**
 * Ends of a logarithmic axis just beyond the values, where whole powers of ten would leave most of it empty. Ends are not
 * round and so have no labels; where too few powers of ten lie between them, those of two are marked.
 *
 * @param marginShare - Of the length between the least and the greatest value, on either side.
 */
export function logarithmicSpan(values: readonly number[], marginShare = 0.05) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = Math.max(high / low, 1.01) ** marginShare;
  return {
    ...{ min: low / margin, max: high * margin, logBase: high / low < 100 ? 2 : 10 },
    axisLabel: { ...axisLabel, showMinLabel: false, showMaxLabel: false },
  };
}

/** Beyond it the lengths of an axis overflow; no number of this project comes near. */
const mostDrawn = 1e100;

/**
 * Refuses what cannot be drawn.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if the value is not finite, as good as infinite, or not above 0 on a logarithmic axis.
 */
export function checkValue(value: number, axis: NumericAxis, place: string): void {
  const isDrawable = axis.scale === 'log' ? value > 1 / mostDrawn : true;
  if (Math.abs(value) < mostDrawn && isDrawable) return;
  const expected = axis.scale === 'log' ? 'a finite number above 0, for a logarithmic axis,' : 'a finite number';
  throw new IteraError('INVALID_ARGUMENT', `Expected ${expected} in ${place}, got ${value}.`, { value, place });
}

/**
 * Refuses what cannot be drawn as a value with its interval.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` as {@link checkValue}, and for an interval with its ends reversed.
 */
export function checkInterval(
  { value, interval }: { readonly value: number; readonly interval?: readonly [number, number] },
  axis: NumericAxis,
  place: string,
): void {
  checkValue(value, axis, place);
  if (interval === undefined) return;
  for (const end of interval) checkValue(end, axis, `the interval of ${place}`);
  if (interval[0] <= interval[1]) return;
  const message = `Expected an interval [low, high] in ${place}, got [${interval.join(', ')}].`;
  throw new IteraError('INVALID_ARGUMENT', message, { interval });
}

/** A number in at most four significant digits, for labels and descriptions. */
export function formatNumber(value: number): string {
  const rounded = Number(value.toPrecision(4));
  return rounded !== 0 && (Math.abs(rounded) >= 1e9 || Math.abs(rounded) < 1e-4)
    ? rounded.toExponential()
    : rounded.toLocaleString('en-US', { maximumFractionDigits: 8 });
}

/** Room for a text of this many characters at 12 pixels, for margins. */
export function estimateWidth(text: string): number {
  return Math.ceil([...text].length * 6.7);
}

/** Characters of a bold title of 15 pixels are so much wider than those of 12. */
const titleFactor = 1.4;

/** A title in lines that fit the width. */
export function wrapTitle(title: string, width = defaultWidth): string[] {
  const lines: string[] = [];
  for (const word of title.split(/\s+/)) {
    const last = lines.at(-1);
    const longer = last === undefined ? word : `${last} ${word}`;
    if (last !== undefined && estimateWidth(longer) * titleFactor > width) lines.push(word);
    else lines.splice(-1, 1, longer);
  }
  return lines;
}

/** Height of the title and the gap below it. */
export function titleHeight({ title, width = defaultWidth }: Pick<ChartOptions, 'title' | 'width'>): number {
  return 15 + 19 * wrapTitle(title, width).length;
}
