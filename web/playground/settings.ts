import type { CompletionRequest } from '../shared/api-types.ts';

/** The settings as they stand in their fields. */
export interface Settings {
  readonly model: string;
  readonly maxTokens: string;
  readonly temperature: string;
  readonly topP: string;
  readonly seed: string;
  /** One text a line. */
  readonly stop: string;
}

export const firstSettings: Settings = {
  model: '',
  maxTokens: '80',
  temperature: '0.8',
  topP: '1',
  seed: '',
  stop: '',
};

/** The request that the fields describe; the server is the judge of their values. */
export function toRequest(
  prompt: string,
  { model, maxTokens, temperature, topP, seed, stop }: Settings,
): CompletionRequest {
  const stops = stop.split('\n').filter((line) => line !== '');
  return {
    ...{ model, prompt, max_tokens: Number(maxTokens), temperature: Number(temperature) },
    ...(topP !== '' && topP !== '1' && { top_p: Number(topP) }),
    ...(seed !== '' && { seed: Number(seed) }),
    ...(stops.length > 0 && { stop: stops }),
  };
}
