import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { env, pipeline, type TextGenerationPipeline } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compressModel } from '../../../src/compression/compress-model.ts';
import { writeVariants } from '../../../src/compression/write-variants-file.ts';
import { exportOnnx } from '../../../src/export/export-onnx.ts';
import type { VariantName } from '../../../src/models/variants.ts';
import { loadModel, openModel } from '../../../src/runtime/load-model-file.ts';

const prompts = ['Once upon a time', 'The dog'] as const;

/** What transformers.js calls our variants. */
const dtypes = { fp32: 'fp32', fp16: 'fp16', q8: 'int8', q4: 'int4', q4f16: 'q4f16' } as const;

describe.each(['itera-lite-micro', 'itera-lite-micro-transformer'])(
  '%s in transformers.js, by its folder alone',
  (name) => {
    let out: string;
    beforeAll(async () => {
      const dir = await mkdtemp(join(tmpdir(), 'itera-transformers-'));
      out = join(dir, name);
      const folder = await openModel(name);
      const variants = ['fp16', 'int8', 'int4', 'q4f16'] as const;
      const calibration = { seed: 1, tokens: 2000 };
      const compressed = await compressModel(folder, { variants, calibration, version: '0.0.0' });
      const copy = await writeVariants(folder, compressed, join(dir, 'compressed'));
      await exportOnnx(copy, out, { name, version: '0.0.0' });
      env.allowRemoteModels = false;
      env.localModelPath = dirname(out);
    }, 120_000);
    afterAll(() => rm(dirname(out), { recursive: true }));

    async function continueOurs(prompt: string, variant: VariantName): Promise<string> {
      const model = await loadModel(out, { variant });
      let text = prompt;
      for await (const piece of model.generate(prompt, { maxNewTokens: 24, temperature: 0 })) text += piece.text;
      await model.release();
      return text;
    }

    it.each(Object.entries(dtypes))(
      '%s continues texts as we do, one by one and padded to one length',
      async (dtype, variant) => {
        const generate = (await pipeline('text-generation', basename(out), {
          dtype: dtype as keyof typeof dtypes,
        })) as TextGenerationPipeline;
        const settings = { max_new_tokens: 24, do_sample: false };
        const together = (await generate([...prompts], settings)) as unknown as { generated_text: string }[][];
        for (const [index, prompt] of prompts.entries()) {
          const ours = await continueOurs(prompt, variant);
          const [alone] = (await generate(prompt, settings)) as unknown as { generated_text: string }[];
          expect(alone?.generated_text).toBe(ours);
          expect(together[index]?.[0]?.generated_text).toBe(ours);
          expect(ours.length).toBeGreaterThan(prompt.length + 20);
        }
        await generate.dispose();
      },
    );
  },
);
