/** The process behind `measureSessionMemory`: loads one model and says how much resident memory that took. */
import { readFile } from 'node:fs/promises';
import type { ModelConfig } from '../models/config.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { buildDivergenceGraph } from './divergence-graph.ts';
import { createSession } from './session.ts';
import { createSessionEngine } from './session-engine.ts';

/** What the process is asked. */
export interface MemoryQuestion {
  readonly config: ModelConfig;
  /** Path of the ONNX file. */
  readonly path: string;
  readonly threads: number;
  /** Tokens read at once, and then one by one. */
  readonly prefillTokens: number;
  readonly decodeTokens: number;
}

/** What it answers. */
export type MemoryAnswer = { readonly bytes: number } | { readonly error: string };

async function measure({ config, path, threads, ...tokens }: MemoryQuestion): Promise<number> {
  // What the runtime itself needs, whatever it runs, is no part of the answer.
  await createSession(encodeOnnx(buildDivergenceGraph(2)), { threads });
  const before = residentBytes();
  const engine = createSessionEngine(await createSession(await readFile(path), { threads }), config);
  const ids = Array.from({ length: tokens.prefillTokens }, (_, index) => index % config.vocabSize);
  let step = await engine.run(ids);
  for (let index = 0; index < tokens.decodeTokens; index++) step = await engine.run([index], step.state);
  return residentBytes() - before;
}

function residentBytes(): number {
  // The file's bytes and old states are garbage by now, and would count or not by chance.
  globalThis.gc?.();
  return process.memoryUsage().rss;
}

async function answer(question: MemoryQuestion): Promise<void> {
  const given: MemoryAnswer = await measure(question).then(
    (bytes) => ({ bytes }),
    (error: unknown) => ({ error: String(error) }),
  );
  process.send?.(given, () => process.disconnect());
}

process.once('message', (question: MemoryQuestion) => void answer(question));
