import { type Conditions, type MeasurementRecord, type Metric, recordId } from '../core/measurement.ts';
import type { CandidateMeasurements, Estimate } from './candidate/candidate-evidence.ts';

const bootstrap = '95% percentile bootstrap, 2,000 resamples';

/**
 * What the gate measured of a candidate as records.
 *
 * @param model - Name of the base model.
 * @param conditions - What else the numbers hold under, such as the scenario.
 */
export function adaptationRecords(
  { heldOut, base, latency }: CandidateMeasurements,
  model: string,
  conditions: Conditions,
): readonly MeasurementRecord[] {
  const record = (
    metric: Metric,
    { value, interval }: Estimate,
    n: number,
    method: string,
    more: Conditions = {},
  ): MeasurementRecord => {
    const all = { model, ...conditions, ...more };
    const range = interval && { interval, confidence: 0.95 };
    const id = recordId(model, metric, all);
    return { id, subject: model, metric, unit: '1', status: 'measured', value, ...range, n, method, conditions: all };
  };
  const examples = `held-out feedback before and after, paired; ${bootstrap} over examples`;
  return [
    ...(heldOut.wantedRatio ? [record('wanted_nats_ratio', heldOut.wantedRatio, heldOut.examples, examples)] : []),
    ...(heldOut.unwantedFactor
      ? [record('unwanted_probability_ratio', heldOut.unwantedFactor, heldOut.examples, examples)]
      : []),
    ...base.map(({ text, documents, ratio }) => {
      const [dataset, split] = text.split('/');
      const place = { ...(dataset !== undefined && { dataset }), ...(split !== undefined && { split }) };
      const method = `the same tokens by base model and adapted model; ${bootstrap} over documents`;
      return record('bits_per_byte_ratio', ratio, documents, method, place);
    }),
    record(
      'latency_ratio',
      latency,
      latency.rounds,
      'passes over 128 tokens on one thread in turns, median over rounds',
    ),
  ];
}
