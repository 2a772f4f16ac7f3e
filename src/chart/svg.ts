import { CustomChart, LineChart } from 'echarts/charts';
import { GridComponent, TitleComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { ChartOptions } from './axis.ts';

echarts.use([LineChart, CustomChart, GridComponent, TitleComponent, SVGRenderer]);

/** The reader's own interface font. */
export const fontFamily = 'system-ui, sans-serif';

/** Text follows the page; in a file of its own the image follows the reader's light or dark setting. */
const style =
  '<style>.itera-chart{color:#1f2328}' +
  '@media (prefers-color-scheme:dark){.itera-chart{color:#e6edf3}}' +
  '@media print{.itera-chart{color:#1f2328}}</style>';

/**
 * Draws ECharts options as SVG text with a name and a description for screen readers. Equal options give equal text.
 *
 * @param chart - `height` in the same pixels as the width.
 */
export function renderSvg(
  option: echarts.EChartsCoreOption,
  chart: ChartOptions & { readonly description: string; readonly height: number },
): string {
  const { title, description, height, width = 760, id = title } = chart;
  const instance = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    instance.setOption({
      animation: false,
      backgroundColor: 'transparent',
      textStyle: { fontFamily, color: 'currentColor' },
      title: {
        text: title,
        left: 0,
        top: 0,
        padding: 0,
        textStyle: { color: 'currentColor', fontSize: 15, width, overflow: 'break' },
      },
      ...option,
    });
    return finish(instance.renderToSVGString({ useViewBox: true }), slug(id), title, description);
  } finally {
    instance.dispose();
  }
}

/**
 * ECharts numbers its charts through a process and writes coordinates to the last bit, which differs between machines;
 * its classes and style sheet serve only a pointer hovering, which still images do not have.
 */
function finish(svg: string, id: string, title: string, description: string): string {
  const still = svg
    .replace(/<style[^>]*>.*?<\/style>\s*/s, '')
    .replace(/<[^>]+>/g, (tag) =>
      tag
        .replace(/ (?:class|pointer-events|ecmeta_\w+)="[^"]*"/g, '')
        .replace(/\bzr\d+-c(\d+)/g, `${id}-c$1`)
        .replace(/-?\d*\.\d+(?:e[+-]?\d+)?/g, (number) => `${Math.round(Number(number) * 100) / 100 + 0}`)
        .replace(/ +>$/, '>'),
    )
    .replace(/[ \t]+$/gm, '')
    .trim();
  const name = escapeXml(title);
  const whole = still.replace(
    /^<svg([^>]*)>/,
    (_, attributes: string) =>
      `<svg class="itera-chart" role="img" aria-label="${name}"${attributes}>\n` +
      `<title>${name}</title>\n<desc>${escapeXml(description)}</desc>\n${style}`,
  );
  // Control characters are not allowed in XML, not even as references.
  return whole.replace(/[^\P{Cc}\t\n\r]/gu, '');
}

/** Any text as an id: lower-case letters, digits and hyphens, starting with a letter. */
function slug(text: string): string {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return ['chart', ...words].join('-');
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (mark) => entities[mark] as string);
}
