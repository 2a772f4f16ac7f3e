import { unzlibSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { barChart } from '../../../src/chart/bar-chart.ts';
import { drawPng } from '../../../src/report/chart-image-file.ts';

const chart = (title: string): string =>
  barChart({ title, axis: { name: 'size' }, categories: ['a'], series: [{ name: 's', bars: [{ value: 1 }] }] });

/** Width and height from the header of a PNG (W3C PNG, 11.2.1), and its compressed rows, whose filters are left as they are. */
function readPng(png: Uint8Array): { width: number; height: number; rows: Uint8Array } {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const parts: Uint8Array[] = [];
  for (let place = 8; place < png.length; place += 12 + view.getUint32(place)) {
    const name = new TextDecoder().decode(png.subarray(place + 4, place + 8));
    if (name === 'IDAT') parts.push(png.subarray(place + 8, place + 8 + view.getUint32(place)));
  }
  return { width: view.getUint32(16), height: view.getUint32(20), rows: unzlibSync(Buffer.concat(parts)) };
}

describe('drawPng', () => {
  it('draws a chart at twice its size, the same every time', async () => {
    const png = await drawPng(chart('Size'));
    expect([...png.subarray(0, 8)]).toEqual([137, 80, 78, 71, 13, 10, 26, 10]);
    const [, height] = /viewBox="0 0 760 (\d+)"/.exec(chart('Size')) ?? [];
    expect(readPng(png)).toMatchObject({ width: 1520, height: 2 * Number(height) });
    expect(await drawPng(chart('Size'))).toEqual(png);
  });

  it('shows its text, also where the machine has no font', async () => {
    const [one, other] = await Promise.all([drawPng(chart('Size')), drawPng(chart('Duration'))]);
    expect(readPng(one).rows).not.toEqual(readPng(other).rows);
    const blank = await drawPng(chart('Size').replace(/<text.*?<\/text>/gs, ''));
    expect(readPng(blank).rows).not.toEqual(readPng(one).rows);
  });

  it('refuses what is no SVG', async () => {
    await expect(drawPng('<p>')).rejects.toBeDefined();
  });
});
