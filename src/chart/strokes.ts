import { seriesLook } from './palette.ts';
import { fontFamily } from './svg.ts';

/** A straight stroke in the colour of the text. */
export function stroke(x1: number, y1: number, x2: number, y2: number, style: object = {}) {
  return {
    type: 'line' as const,
    shape: { x1, y1, x2, y2 },
    style: { stroke: 'currentColor', lineWidth: 1.5, fill: 'none', ...style },
  };
}

/** An error bar from one end to the other, with a cap across each. */
export function errorBar(low: readonly [number, number], high: readonly [number, number]) {
  const isLevel = low[1] === high[1];
  const [across, up] = isLevel ? [0, 4] : [4, 0];
  return [stroke(...low, ...high), ...[low, high].map(([x, y]) => stroke(x - across, y - up, x + across, y + up))];
}

/** A line of text whose middle is at a height. */
export function label(text: string, x: number, y: number, style: object = {}) {
  return {
    type: 'text' as const,
    x,
    y,
    style: { text, fill: 'currentColor', fontFamily, fontSize: 12, verticalAlign: 'middle' as const, ...style },
  };
}

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

/** A point in the colour and shape of a series: shapes tell series apart without their colours. */
export function point(series: number, x: number, y: number, radius = 5) {
  const { color, symbol } = seriesLook(series);
  const style = { fill: color };
  const outline = corners[symbol];
  if (!outline) return { type: 'circle' as const, shape: { cx: x, cy: y, r: radius }, style };
  return {
    type: 'polygon' as const,
    shape: { points: outline.map(([across, down]) => [x + across * radius, y + down * radius]) },
    style,
  };
}
