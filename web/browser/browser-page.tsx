import { useEffect, useState } from 'preact/hooks';
import { formatAmount, formatMs } from '../shared/format.ts';
import { Layout } from '../shared/layout.tsx';
import { NumberField } from '../shared/number-field.tsx';
import { LoadForm } from './load-form.tsx';
import { useWorker, type WorkerState } from './use-worker.ts';

/** The page that runs the model itself. */
export function BrowserPage() {
  const { state, load, generate, stop } = useWorker();
  const [prompt, setPrompt] = useState('Once upon a time');
  const [maxTokens, setMaxTokens] = useState('120');
  const [temperature, setTemperature] = useState('0.8');
  const [seed, setSeed] = useState('');
  const isRunning = state.status === 'generating';

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') stop();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [stop]);

  function begin(): void {
    const options = { maxNewTokens: Number(maxTokens), temperature: Number(temperature) };
    generate(prompt, { ...options, ...(seed !== '' && { seed: Number(seed) }) });
  }

  return (
    <Layout
      page="In the browser"
      lead="The model runs here, on your processor. What you write does not leave this computer."
    >
      <div class="columns">
        <LoadForm state={state} onLoad={load} />
        <section class="card" aria-labelledby="text-title">
          <div class="card-head">
            <h2 id="text-title">Text</h2>
            <p role="status" class="muted">
              {statusText(state)}
            </p>
          </div>
          <form
            class="stack"
            aria-label="Generation"
            onSubmit={(event) => {
              event.preventDefault();
              begin();
            }}
          >
            <label>
              Prompt
              <textarea
                rows={3}
                spellcheck={false}
                value={prompt}
                onInput={({ currentTarget }) => setPrompt(currentTarget.value)}
                onKeyDown={(event) => {
                  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
                  event.preventDefault();
                  event.currentTarget.form?.requestSubmit();
                }}
              />
            </label>
            <div class="settings">
              <NumberField label="Most tokens" min="1" required value={maxTokens} onChange={setMaxTokens} />
              <NumberField
                label="Temperature"
                min="0"
                max="2"
                step="0.05"
                required
                value={temperature}
                onChange={setTemperature}
              />
              <NumberField label="Seed" min="0" max="4294967295" value={seed} onChange={setSeed} />
            </div>
            <div class="row">
              <button type="submit" class="primary" disabled={state.status !== 'ready'}>
                Generate
              </button>
              <button type="button" disabled={!isRunning} onClick={stop} aria-keyshortcuts="Escape">
                Stop
              </button>
            </div>
          </form>
          {(state.output !== '' || isRunning) && (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no pointer scrolls it with the arrow keys
            <section class="text" aria-label="Output" tabIndex={0}>
              <span class="muted-text">{state.prompt}</span>
              <span class="generated">{state.output}</span>
            </section>
          )}
          {state.tokens > 0 && (
            <dl class="facts">
              <div>
                <dt>First token</dt>
                <dd>{formatMs(state.firstMs)}</dd>
              </div>
              <div>
                <dt>Speed</dt>
                <dd>{speedText(state)}</dd>
              </div>
              <div>
                <dt>Total</dt>
                <dd>{formatMs(state.ms)}</dd>
              </div>
              <div>
                <dt>Tokens</dt>
                <dd>{state.tokens}</dd>
              </div>
            </dl>
          )}
        </section>
      </div>
    </Layout>
  );
}

function speedText({ tokens, ms, firstMs }: WorkerState): string {
  return tokens > 1 && ms > firstMs ? `${formatAmount((1000 * (tokens - 1)) / (ms - firstMs))} tokens/s` : '';
}

function statusText({ status, tokens, reason }: WorkerState): string {
  if (status === 'generating') return 'Generating';
  if (reason === undefined) return status === 'empty' ? 'Load a model first' : '';
  return `${reason === 'aborted' ? 'Stopped after' : 'Done,'} ${tokens} tokens`;
}
