import { useEffect, useRef, useState } from 'preact/hooks';
import { namedVariants } from '../shared/api.ts';
import type { ModelEntry } from '../shared/api-types.ts';
import { streamCompletion } from '../shared/completions.ts';
import { faultText } from '../shared/fault.tsx';
import { formatAmount, formatMs } from '../shared/format.ts';
import { isAbort } from '../shared/http.ts';

interface Shown {
  readonly variant: string;
  readonly text: string;
  readonly tokens: number;
  readonly firstMs?: number;
  readonly totalMs?: number;
  readonly fault?: string;
}

/** One prompt, continued by every variant with the same seed, one after the other so that their times compare. */
export function VariantComparison({ models }: { readonly models: readonly ModelEntry[] }) {
  const variants = namedVariants(models);
  const [prompt, setPrompt] = useState('Once upon a time');
  const [shown, setShown] = useState<readonly Shown[]>([]);
  const [status, setStatus] = useState('');
  const running = useRef<AbortController>(undefined);
  const isRunning = status.startsWith('Running');
  useEffect(() => () => running.current?.abort(), []);

  async function compare(): Promise<void> {
    const own = new AbortController();
    running.current = own;
    setShown([]);
    for (const { id, itera } of variants) {
      setStatus(`Running ${itera.variant}`);
      const result = await continueWith(id, itera.variant, prompt, own.signal);
      if (own.signal.aborted) {
        setStatus('Stopped');
        return;
      }
      setShown((before) => [...before, result]);
    }
    setStatus('Done');
  }

  return (
    <section class="card" aria-labelledby="compare-title">
      <div class="card-head">
        <h2 id="compare-title">Compare variants</h2>
        <p role="status" class="muted">
          {status}
        </p>
      </div>
      <form
        class="row compare-form"
        aria-label="Compare variants"
        onSubmit={(event) => {
          event.preventDefault();
          void compare();
        }}
      >
        <label class="grow">
          Prompt for all
          <input type="text" required value={prompt} onInput={({ currentTarget }) => setPrompt(currentTarget.value)} />
        </label>
        <button type="submit" class="primary" disabled={isRunning || variants.length === 0}>
          Compare
        </button>
        <button type="button" disabled={!isRunning} onClick={() => running.current?.abort()}>
          Stop
        </button>
      </form>
      {shown.length > 0 && (
        <div class="comparison">
          {shown.map(({ variant, text, tokens, firstMs, totalMs, fault }) => (
            <article key={variant} class="card">
              <h3>{variant}</h3>
              {fault === undefined ? <p class="sample">{text}</p> : <p class="fault">{fault}</p>}
              {firstMs !== undefined && totalMs !== undefined && (
                <p class="muted">
                  First token after {formatMs(firstMs)}
                  {tokens > 1 &&
                    totalMs > firstMs &&
                    `, then ${formatAmount((1000 * (tokens - 1)) / (totalMs - firstMs))} tokens/s`}
                </p>
              )}
            </article>
          ))}
        </div>
      )}
    </section>
  );
}

async function continueWith(model: string, variant: string, prompt: string, signal: AbortSignal): Promise<Shown> {
  const started = performance.now();
  let shown: Shown = { variant, text: prompt, tokens: 0 };
  try {
    for await (const { choices } of streamCompletion({ model, prompt, max_tokens: 60, seed: 1 }, signal)) {
      const ms = performance.now() - started;
      const [choice] = choices;
      shown = {
        ...shown,
        ...{ text: shown.text + (choice?.text ?? ''), totalMs: ms, firstMs: shown.firstMs ?? ms },
        tokens: shown.tokens + (choice?.logprobs?.tokens.length ?? 0),
      };
    }
    return shown;
  } catch (error) {
    return isAbort(error) ? shown : { ...shown, fault: faultText(error) };
  }
}
