import type { Random } from '../core/random.ts';
import { elementCount, type Tensor, tensor } from '../core/tensor.ts';
import type { ModelConfig } from './config.ts';
import { parameterShapes } from './parameters.ts';

/**
 * Fresh weights. Linear maps are normal with variance 1 / fan-in, those that end a residual branch smaller by
 * sqrt(2 * layers); the state-space step sizes are spread log-uniformly over [0.001, 0.1] and A uniformly over [1, 16],
 * as the Mamba-2 paper's code does, rather than the constants of the family's reference.
 *
 * @see Gu & Dao 2023, arXiv:2312.00752, section 3.6; Radford et al. 2019 (GPT-2) for the residual scale.
 */
export function initializeWeights(config: ModelConfig, random: Random): Map<string, Tensor<'float32'>> {
  return new Map(
    [...parameterShapes(config)].map(([name, shape]) => {
      const draw = drawFor(name, shape, config, random);
      return [name, tensor('float32', shape, Float32Array.from({ length: elementCount(shape) }, draw))];
    }),
  );
}

function drawFor(name: string, shape: readonly number[], config: ModelConfig, random: Random): () => number {
  if (/norm\.weight$|mamba\.D$/.test(name)) return () => 1;
  if (/conv1d\.weight$/.test(name)) return () => (2 * random.uniform() - 1) / Math.sqrt(config.mambaDConv);
  if (/\.bias$/.test(name)) return () => 0;
  if (/A_log$/.test(name)) return () => Math.log(1 + 15 * random.uniform());
  if (/dt_bias$/.test(name)) return () => inverseSoftplus(10 ** (-3 + 2 * random.uniform()));
  const fanIn = shape.at(-1) as number;
  const branchEnd = /(out_proj|o_proj|output_linear)\.weight$/.test(name);
  const scale = (branchEnd ? 1 / Math.sqrt(2 * config.numHiddenLayers) : 1) / Math.sqrt(fanIn);
  return () => scale * random.normal();
}

const inverseSoftplus = (value: number): number => value + Math.log(-Math.expm1(-value));
