import { createRequire } from 'node:module';
import { initWasm, Resvg } from '@resvg/resvg-wasm';
import { readWholeFile } from '../data/whole-file.ts';

const require = createRequire(import.meta.url);

/** Regular and bold, for charts must show their text also on a machine without any font. */
const fontFiles = [
  require.resolve('@expo-google-fonts/pt-sans/400Regular/PTSans_400Regular.ttf'),
  require.resolve('@expo-google-fonts/pt-sans/700Bold/PTSans_700Bold.ttf'),
];
const fontFamily = 'PT Sans';

/** Pixels of the image for each of the chart, so that it stays sharp where it is enlarged. */
const scale = 2;

let ready: Promise<readonly Uint8Array[]> | undefined;

/** The library may be started only once in a process. */
function prepare(): Promise<readonly Uint8Array[]> {
  ready ??= (async () => {
    await initWasm(await readWholeFile(require.resolve('@resvg/resvg-wasm/index_bg.wasm')));
    return Promise.all(fontFiles.map((file) => readWholeFile(file)));
  })();
  return ready;
}

/**
 * Draws a chart as PNG: always dark on white, at twice its size.
 *
 * @param svg - Of our own charts, whose text is in the reader's font; the image's is in one that comes with the package. It
 *   has Latin and Cyrillic letters; others show as boxes.
 * @throws Error if the library or its font cannot be read, or refuses the SVG.
 */
export async function drawPng(svg: string): Promise<Uint8Array> {
  const fonts = await prepare();
  const plain = svg.replace(/<style>.*?<\/style>/gs, '').replaceAll('currentColor', '#1f2328');
  const image = new Resvg(plain, {
    background: '#ffffff',
    fitTo: { mode: 'zoom', value: scale },
    font: { fontBuffers: [...fonts], defaultFontFamily: fontFamily, sansSerifFamily: fontFamily },
  });
  try {
    const drawn = image.render();
    try {
      return drawn.asPng();
    } finally {
      drawn.free();
    }
  } finally {
    image.free();
  }
}
