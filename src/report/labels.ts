import type { MeasurementRecord } from '../core/measurement.ts';

/** The text that a record is about, e.g. `stories, test`. */
export function placeOf({ conditions: { dataset, split } }: Pick<MeasurementRecord, 'conditions'>): string {
  const place = joined([dataset, split], ', ');
  return place === '' ? 'an unnamed text' : place;
}

/** The parts that there are. */
export function joined(parts: readonly (string | undefined)[], separator: string): string {
  return parts.filter((part) => part !== undefined && part !== '').join(separator);
}

export function asSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** What tells one side of a benchmark from the others, in a line. */
export function sideName({ conditions: { runtime, variant, threads, form, frozen } }: MeasurementRecord): string {
  return joined(
    [
      runtime,
      variant,
      form === undefined ? undefined : String(form),
      frozen === true ? 'frozen' : undefined,
      Number(threads) > 1 ? `${threads} threads` : undefined,
    ],
    ' ',
  );
}
