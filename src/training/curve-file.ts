import { join } from 'node:path';
import { lineChart } from '../chart/line-chart.ts';
import { IteraError } from '../core/errors.ts';
import { replaceFile } from '../data/atomic-file.ts';
import { makeFolder } from '../data/folder-file.ts';
import type { TrainingProgress } from './trainer.ts';

/**
 * Draws a run's curves beside its checkpoint: `loss.svg` (nats per token, mean of every ten steps) and, if there is
 * validation text, `validation.svg` (bits per byte).
 *
 * @returns The files and what they show.
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`.
 */
export async function writeCurves(
  runDir: string,
  { losses, validations: all }: TrainingProgress,
): Promise<{ file: string; title: string }[]> {
  // A mean of weights is no point of the way that training took.
  const validations = all.filter(({ initShare }) => initShare === undefined);
  const xAxis = { name: 'Step' };
  const names = [...new Set(validations.map(({ name }) => name))];
  const charts: { file: string; title: string; svg: string }[] = [];
  if (losses.length > 0) {
    const points = losses.map(({ step, loss }) => ({ x: step, y: loss }));
    const yAxis = { name: 'Loss', unit: 'nats/token' };
    const title = 'Training loss';
    const svg = lineChart({ title, xAxis, yAxis, series: [{ name: 'training', points }] });
    charts.push({ file: 'loss.svg', title, svg });
  }
  if (names.length > 0) {
    const series = names.map((name) => ({
      name,
      points: validations
        .filter((point) => point.name === name)
        .map(({ step, bitsPerByte }) => ({ x: step, y: bitsPerByte })),
    }));
    const yAxis = { name: 'Validation', unit: 'bits/byte' };
    const title = 'Validation during training';
    charts.push({ file: 'validation.svg', title, svg: lineChart({ title, xAxis, yAxis, series }) });
  }
  await makeFolder(runDir);
  for (const { file, svg } of charts) {
    const path = join(runDir, file);
    await replaceFile(path, `${svg}\n`).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new IteraError('OUTPUT_UNWRITABLE', `Could not write ${path}: ${reason}`, { path }, { cause });
    });
  }
  return charts.map(({ file, title }) => ({ file, title }));
}
