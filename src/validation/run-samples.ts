import type { Sample } from '../report/report.ts';
import { createModel } from '../runtime/model.ts';
import type { Stage } from './stage.ts';
import type { StageContext } from './stage-context.ts';

const prompts = ['Once upon a time', 'The dog was sad because', 'The city is'] as const;
/** How the texts are drawn. */
export const sampling = { temperature: 0.7, topP: 0.95, maxNewTokens: 120 } as const;

/** A stage that lets the model write. */
export function samplesStage({ folder, name, seed, threads, signal }: StageContext): Stage {
  return {
    ...{ id: 'samples', name: 'writing samples', expectedS: 3 },
    async run(say) {
      const model = await createModel(folder, { threads });
      const samples: Sample[] = [];
      try {
        for (const prompt of prompts) {
          say(prompt, samples.length / prompts.length);
          let text = '';
          const { temperature, topP } = sampling;
          const pieces = model.generate(prompt, { ...sampling, seed, ...(signal && { signal }) });
          for await (const piece of pieces) text += piece.text;
          samples.push({ model: name, variant: 'fp32', prompt, text, seed, temperature, topP });
        }
      } finally {
        await model.release();
      }
      return { samples };
    },
  };
}
