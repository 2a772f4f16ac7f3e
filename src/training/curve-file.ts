import { join } from 'node:path';
import { lineChart } from '../chart/line-chart.ts';
import { IteraError } from '../core/errors.ts';
import { replaceFile } from '../data/atomic-file.ts';
import type { TrainingProgress } from './trainer.ts';

/**
 * Draws a run's curves beside its checkpoint: `loss.svg` (nats per token, mean of every ten steps) and, if there is
 * validation text, `validation.svg` (bits per byte).
 *
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`.
 */
export async function writeCurves(runDir: string, { losses, validations }: TrainingProgress): Promise<void> {
  const xAxis = { name: 'Step' };
  const names = [...new Set(validations.map(({ name }) => name))];
  const charts = new Map<string, string>();
  if (losses.length > 0) {
    const points = losses.map(({ step, loss }) => ({ x: step, y: loss }));
    const yAxis = { name: 'Loss', unit: 'nats/token' };
    charts.set('loss.svg', lineChart({ title: 'Training loss', xAxis, yAxis, series: [{ name: 'training', points }] }));
  }
  if (names.length > 0) {
    const series = names.map((name) => ({
      name,
      points: validations
        .filter((point) => point.name === name)
        .map(({ step, bitsPerByte }) => ({ x: step, y: bitsPerByte })),
    }));
    const yAxis = { name: 'Validation', unit: 'bits/byte' };
    charts.set('validation.svg', lineChart({ title: 'Validation during training', xAxis, yAxis, series }));
  }
  for (const [file, svg] of charts) {
    const path = join(runDir, file);
    await replaceFile(path, `${svg}\n`).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new IteraError('OUTPUT_UNWRITABLE', `Could not write ${path}: ${reason}`, { path }, { cause });
    });
  }
}
