import type { MeasurementRecord, Metric, ValueRecord } from '../core/measurement.ts';

interface MetricText {
  readonly label: string;
  /** Which direction is an improvement, if either is. */
  readonly better?: 'lower' | 'higher';
}

/** How each metric is called where people read it. */
export const metricTexts: Readonly<Record<Metric, MetricText>> = {
  bits_per_byte: { label: 'Bits per byte', better: 'lower' },
  word_perplexity: { label: 'Word perplexity', better: 'lower' },
  token_perplexity: { label: 'Token perplexity', better: 'lower' },
  nats_per_token: { label: 'Nats per token', better: 'lower' },
  perplexity_ratio: { label: 'Perplexity relative to FP32', better: 'lower' },
  kl_divergence_nats: { label: 'KL divergence from FP32', better: 'lower' },
  top1_agreement: { label: 'Same first choice as FP32', better: 'higher' },
  size_bytes: { label: 'Size', better: 'lower' },
  parameters: { label: 'Parameters' },
  active_parameters: { label: 'Active parameters' },
  latency_ms: { label: 'Latency', better: 'lower' },
  tokens_per_second: { label: 'Throughput', better: 'higher' },
  time_to_first_token_ms: { label: 'Time to first token', better: 'lower' },
  load_ms: { label: 'Loading', better: 'lower' },
  memory_bytes: { label: 'Memory', better: 'lower' },
  energy_j_per_token: { label: 'Energy', better: 'lower' },
  tokens_per_joule: { label: 'Energy yield', better: 'higher' },
  energy_j_per_inference: { label: 'Energy of an inference', better: 'lower' },
  energy_j_per_step: { label: 'Energy of a training step', better: 'lower' },
  power_w: { label: 'Power over idle' },
  energy_delay_js: { label: 'Energy-delay product', better: 'lower' },
  energy_ratio: { label: 'Energy relative to FP32', better: 'lower' },
  projected_energy_j_per_token: { label: 'Projected energy', better: 'lower' },
  carbon_g_per_million_tokens: { label: 'Carbon', better: 'lower' },
  max_abs_difference: { label: 'Greatest difference of logits', better: 'lower' },
  wanted_nats_ratio: { label: 'Loss on wanted text, after by before', better: 'lower' },
  unwanted_probability_ratio: { label: 'Probability of unwanted text, after by before', better: 'lower' },
  bits_per_byte_ratio: { label: 'Bits per byte, after by before', better: 'lower' },
  latency_ratio: { label: 'Time of a pass, after by before', better: 'lower' },
  failed_requests: { label: 'Failed requests', better: 'lower' },
};

/** Units that the metric's name already says, or that stand for no unit. */
const silentUnits: Readonly<Record<string, true>> = { '1': true, parameters: true, 'bits/byte': true };

/** The unit to print behind a metric's name, if one is needed; `nats/token` says itself in `Nats per token`. */
export function shownUnit(metric: Metric, unit: string): string | undefined {
  return silentUnits[unit] === true || metric === 'nats_per_token' ? undefined : unit;
}

/**
 * A value and its interval, e.g. `0.971 [0.960, 0.983]`, to as many decimals as leave two digits of the interval's
 * half width, or as powers of ten below 0.00001; without an interval, whole numbers as they are and others to four
 * significant digits.
 */
export function formatValue({ value, interval }: Pick<ValueRecord, 'value' | 'interval'>): string {
  const halfWidth = interval === undefined ? 0 : (interval[1] - interval[0]) / 2;
  if (interval === undefined || halfWidth === 0) {
    const text = formatAlone(value);
    return interval === undefined ? text : `${text} [${interval.map(formatAlone).join(', ')}]`;
  }
  if (Math.max(...[value, ...(interval as [number, number])].map(Math.abs)) < 1e-5) {
    return `${formatSmall(value)} [${(interval as [number, number]).map(formatSmall).join(', ')}]`;
  }
  const decimals = Math.min(Math.max(1 - Math.floor(Math.log10(halfWidth)), 0), 12);
  return `${formatFixed(value, decimals)} [${interval.map((end) => formatFixed(end, decimals)).join(', ')}]`;
}

/** What a table says of a record: its value, marked if only estimated, or why it has none. */
export function formatRecord(record: MeasurementRecord): string {
  // A long reason stands once, under what was not run, and not in every cell.
  if (record.status === 'notRun') return record.reason.length > 80 ? 'not run' : `not run: ${record.reason}`;
  return record.status === 'estimated' ? `${formatValue(record)} (estimated)` : formatValue(record);
}

function formatAlone(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return formatFixed(value, 0);
  const digits = value.toPrecision(4);
  const size = Math.abs(Number(digits));
  if (size >= 1e15 || size < 1e-6) return Number(digits).toExponential();
  return formatFixed(Number(digits), Math.max(3 - Math.floor(Math.log10(size)), 0));
}

/** Where decimals would be mostly zeros. */
const formatSmall = (value: number): string => (value === 0 ? '0' : Number(value.toPrecision(3)).toExponential());

function formatFixed(value: number, decimals: number): string {
  const text = value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return Number(text.replaceAll(',', '')) === 0 ? text.replace('-', '') : text;
}
