import type { ModelConfig } from './config.ts';
import { mambaSizes } from './parameters.ts';

/** Weights of one Mamba-2 block in float64, under the family's names without prefix. */
export type ReferenceWeights = Readonly<Record<string, ArrayLike<number>>>;

/** The state of one sequence: convolution inputs `[K-1][E+2GN]` and S `[H][N][P]`, flattened. */
export interface ReferenceState {
  readonly conv: Float64Array;
  readonly ssm: Float64Array;
}

/**
 * Mamba-2 block as plain loops in float64, token by token: the definition that the fast forms are checked against.
 *
 * @param x - One sequence, `[T, D]` flattened.
 * @returns Output `[T, D]` flattened, and the state after the last token.
 */
export function mambaReference(
  x: ArrayLike<number>,
  length: number,
  config: ModelConfig,
  weights: ReferenceWeights,
  state: ReferenceState = zeroState(config),
): { output: Float64Array; state: ReferenceState } {
  const {
    hiddenSize: width,
    mambaNHeads: heads,
    mambaDHead: headSize,
    mambaDState: stateSize,
    mambaNGroups: groups,
  } = config;
  const { inner, conv: channels, projection } = mambaSizes(config);
  const kernel = config.mambaDConv;
  const window = Float64Array.from(state.conv);
  const s = Float64Array.from(state.ssm);
  const output = new Float64Array(length * width);
  for (let t = 0; t < length; t++) {
    const token = Float64Array.from({ length: width }, (_, index) => x[t * width + index] as number);
    const projected = multiply(weights, 'in_proj', token, projection);
    const z = projected.subarray(0, inner);
    const incoming = projected.subarray(inner, inner + channels);
    const dtRaw = projected.subarray(inner + channels);

    const convolved = Float64Array.from({ length: channels }, (_, channel) => {
      let sum = config.mambaConvBias ? at(weights, 'conv1d.bias', channel) : 0;
      for (let tap = 0; tap < kernel; tap++) {
        const value = tap < kernel - 1 ? window[tap * channels + channel] : incoming[channel];
        sum += at(weights, 'conv1d.weight', channel * kernel + tap) * (value as number);
      }
      return swish(sum);
    });
    window.copyWithin(0, channels);
    window.set(incoming, (kernel - 2) * channels);

    const y = new Float64Array(inner);
    for (let head = 0; head < heads; head++) {
      const dt = Math.log1p(Math.exp((dtRaw[head] as number) + at(weights, 'dt_bias', head)));
      const decay = Math.exp(-dt * Math.exp(at(weights, 'A_log', head)));
      const group = Math.floor(head / (heads / groups));
      for (let p = 0; p < headSize; p++) {
        const input = convolved[head * headSize + p] as number;
        let sum = at(weights, 'D', head) * input;
        for (let n = 0; n < stateSize; n++) {
          const b = convolved[inner + group * stateSize + n] as number;
          const c = convolved[inner + (groups + group) * stateSize + n] as number;
          const cell = (head * stateSize + n) * headSize + p;
          s[cell] = decay * (s[cell] as number) + dt * b * input;
          sum += c * (s[cell] as number);
        }
        y[head * headSize + p] = sum * swish(z[head * headSize + p] as number);
      }
    }
    const scale = 1 / Math.sqrt(y.reduce((sum, value) => sum + value * value, 0) / inner + config.rmsNormEps);
    const normed = y.map((value, index) => value * scale * at(weights, 'norm.weight', index));
    output.set(multiply(weights, 'out_proj', normed, width), t * width);
  }
  return { output, state: { conv: window, ssm: s } };
}

function zeroState(config: ModelConfig): ReferenceState {
  return {
    conv: new Float64Array((config.mambaDConv - 1) * mambaSizes(config).conv),
    ssm: new Float64Array(config.mambaNHeads * config.mambaDState * config.mambaDHead),
  };
}

const swish = (value: number): number => value / (1 + Math.exp(-value));

const at = (weights: ReferenceWeights, name: string, index: number): number => weights[name]?.[index] as number;

function multiply(weights: ReferenceWeights, name: string, x: Float64Array, rows: number): Float64Array {
  const matrix = weights[`${name}.weight`] as ArrayLike<number>;
  const bias = weights[`${name}.bias`];
  return Float64Array.from({ length: rows }, (_, row) => {
    let sum = bias?.[row] ?? 0;
    for (let column = 0; column < x.length; column++)
      sum += (x[column] as number) * (matrix[row * x.length + column] as number);
    return sum;
  });
}
