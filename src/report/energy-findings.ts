import type { MeasurementRecord, ValueRecord } from '../core/measurement.ts';
import { formatEnergy, phaseText } from './energy-table.ts';

/**
 * What a compressed variant saves of the energy, or does not, in plain sentences: one for each kind of work.
 *
 * @param records - From `measureEnergy`.
 * @param variant - By default `int4`.
 */
export function energyFindings(records: readonly MeasurementRecord[], variant = 'int4'): readonly string[] {
  const ratios = records.filter(
    (record): record is ValueRecord =>
      record.metric === 'energy_ratio' && record.status !== 'notRun' && record.conditions.variant === variant,
  );
  const alone = new Set(ratios.map(phaseText)).size === ratios.length;
  return ratios.map((ratio) => {
    const { threads, batch } = ratio.conditions;
    const place = alone ? '' : `, ${threads} ${threads === 1 ? 'thread' : 'threads'}, batch ${batch}`;
    return describeSaving(ratio, `${phaseText(ratio)}${place}`, variant.toUpperCase());
  });
}

function describeSaving(ratio: ValueRecord, work: string, name: string): string {
  const { value, interval = [value, value], status } = ratio;
  const text = formatEnergy(ratio);
  const percent = `${Math.abs(100 * (1 - value)).toFixed(0)}%`;
  const takes =
    status === 'estimated'
      ? `Energy, ${work}: ${name} takes ${text} times the CPU time of FP32, and so, if a core draws the same watts for both (no meter has checked it),`
      : `Energy, ${work}: ${name} draws ${text} times the energy of FP32:`;
  if (interval[1] < 1) return `${takes} it saves ${percent}.`;
  if (interval[0] > 1) return `${takes} it saves nothing: it needs ${percent} more.`;
  return `${takes} no saving can be told from none.`;
}
