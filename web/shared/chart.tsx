import { useEffect, useRef, useState } from 'preact/hooks';
import { plainSvg } from './plain-svg.ts';

interface ChartProps {
  /** Draws the chart for a width in pixels; stays the same function for the same chart. */
  readonly draw: (width: number) => Promise<string>;
  /** Room to keep until it is drawn, in pixels. */
  readonly height: number;
}

/** A chart of our own code, as wide as its place. */
export function Chart({ draw, height }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [svg, setSvg] = useState('');
  useEffect(() => {
    if (!place.current) return undefined;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(place.current);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (width === 0) return undefined;
    let isCurrent = true;
    draw(Math.max(width, 240)).then(
      (text) => {
        if (isCurrent) setSvg(plainSvg(text));
      },
      () => undefined,
    );
    return () => {
      isCurrent = false;
    };
  }, [draw, width]);
  // SVG that our chart code made, which escapes all texts
  return (
    <div ref={place} class="chart" style={{ minHeight: `${height}px` }} dangerouslySetInnerHTML={{ __html: svg }} />
  );
}
