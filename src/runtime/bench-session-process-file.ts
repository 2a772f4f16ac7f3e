/** The process behind a side of the benchmark that runs in ONNX Runtime: answers one question after the other. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tensor } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';
import { benchTokens } from './bench-tokens.ts';
import { argMax } from './sampling.ts';
import { createSession, runtimeVersion, type Session } from './session.ts';
import { createSessionEngine, type SessionEngine } from './session-engine.ts';
import { zeroStates } from './state.ts';

/** What the process is asked; every answer is an {@link BenchAnswer}. */
export type BenchQuestion =
  | { readonly ask: 'load'; readonly path: string; readonly config: ModelConfig; readonly threads: number }
  | { readonly ask: 'forward'; readonly tokens: number; readonly count: number }
  | { readonly ask: 'generate'; readonly promptTokens: number; readonly newTokens: number }
  | { readonly ask: 'memory' };

export interface BenchAnswer {
  readonly error?: string;
  readonly version?: string;
  /** Milliseconds: of loading, of each pass, or of the first token and of each later one. */
  readonly ms?: readonly number[];
  readonly bytes?: number;
}

let session: Session;
let engine: SessionEngine;
let config: ModelConfig;

async function answer(question: BenchQuestion): Promise<BenchAnswer> {
  switch (question.ask) {
    case 'load': {
      ({ config } = question);
      const started = performance.now();
      session = await createSession(await readFile(question.path), { threads: question.threads });
      const ms = [performance.now() - started];
      engine = createSessionEngine(session, config);
      return { ms, version: runtimeVersion() };
    }
    case 'forward': {
      const { tokens, count } = question;
      const ids = BigInt64Array.from(benchTokens(tokens, config.vocabSize), BigInt);
      const feeds = {
        ...Object.fromEntries(zeroStates(config, 1)),
        input_ids: tensor('int64', [1, tokens], ids),
        attention_mask: tensor('int64', [1, tokens], new BigInt64Array(tokens).fill(1n)),
        num_logits_to_keep: tensor('int64', [], BigInt64Array.of(0n)),
      };
      const ms: number[] = [];
      for (let index = 0; index < count; index++) {
        const started = performance.now();
        await session.run(feeds);
        ms.push(performance.now() - started);
      }
      return { ms };
    }
    case 'generate': {
      const prompt = benchTokens(question.promptTokens, config.vocabSize);
      const started = performance.now();
      let step = await engine.run(prompt);
      let token = argMax(step.logits);
      const firstMs = performance.now() - started;
      const decoding = performance.now();
      for (let index = 0; index < question.newTokens; index++) {
        step = await engine.run([token], step.state);
        token = argMax(step.logits);
      }
      return { ms: [firstMs, (performance.now() - decoding) / Math.max(question.newTokens, 1)] };
    }
    case 'memory':
      return { bytes: peakMemory() };
  }
}

/** Most resident memory so far; on Linux the system's figure, since that of Node counts the process that started it too. */
function peakMemory(): number {
  try {
    const [, kilobytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}

process.on('message', (question: BenchQuestion) => {
  answer(question).then(
    (given) => process.send?.(given),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  );
});
