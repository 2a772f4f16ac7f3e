import { useEffect, useRef, useState } from 'preact/hooks';
import { api, namedVariants } from '../shared/api.ts';
import { Fault, faultText } from '../shared/fault.tsx';
import { Layout } from '../shared/layout.tsx';
import { ServedModel } from '../shared/served-model.tsx';
import { useLoaded } from '../shared/use-loaded.ts';
import { Facts } from './facts.tsx';
import { FeedbackForm } from './feedback-form.tsx';
import { PromptField } from './prompt-field.tsx';
import { firstSettings, toRequest } from './settings.ts';
import { SettingsForm } from './settings-form.tsx';
import { TokenDetails } from './token-details.tsx';
import { Legend, TokenView } from './token-view.tsx';
import { type Generation, useGeneration } from './use-generation.ts';

const firstPrompt = 'Once upon a time';

/** The page that continues a text and takes feedback. */
export function Playground() {
  const ready = useLoaded(api.ready);
  const models = useLoaded(api.models);
  const [prompt, setPrompt] = useState(firstPrompt);
  const [settings, setSettings] = useState(firstSettings);
  const [selected, setSelected] = useState<number>();
  const [turn, setTurn] = useState(0);
  const { generation, begin, stop } = useGeneration();
  const variants = namedVariants(models.value ?? []);
  const chosen =
    variants.find(({ id }) => id === settings.model) ??
    variants.find(({ itera }) => itera.variant === models.value?.[0]?.itera.variant);
  const form = useRef<HTMLFormElement>(null);
  const isRunning = generation.status === 'running';

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') stop();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [stop]);

  function generate(): void {
    if (!form.current?.reportValidity()) return;
    setSelected(undefined);
    setTurn((before) => before + 1);
    void begin(toRequest(prompt, { ...settings, model: chosen?.id ?? ready.value?.model ?? '' }));
  }

  return (
    <Layout
      page="Playground"
      lead="Continue a text, look at every choice of the model, and say what it is worth."
      about={<ServedModel ready={ready} />}
    >
      <div class="columns">
        <form
          ref={form}
          class="card"
          aria-label="Generation"
          onSubmit={(event) => {
            event.preventDefault();
            generate();
          }}
        >
          <PromptField prompt={prompt} variant={chosen?.itera.variant} onChange={setPrompt} onSubmit={generate} />
          <SettingsForm
            settings={{ ...settings, model: chosen?.id ?? '' }}
            variants={variants}
            onChange={setSettings}
          />
          {models.error && <Fault error={models.error} />}
          <div class="row">
            <button type="submit" class="primary" disabled={isRunning}>
              Generate
            </button>
            <button type="button" disabled={!isRunning} onClick={stop} aria-keyshortcuts="Escape">
              Stop
            </button>
          </div>
        </form>
        <div class="stack">
          <section class="card output" aria-labelledby="output-title">
            <div class="card-head">
              <h2 id="output-title">Output</h2>
              <p role="status" class="muted">
                {statusText(generation)}
              </p>
            </div>
            {generation.status === 'failed' && <p class="fault">{faultText(generation.error)}</p>}
            {generation.tokens.length > 0 ? (
              <TokenView
                prompt={generation.prompt}
                tokens={generation.tokens}
                selected={selected}
                onSelect={setSelected}
              />
            ) : (
              <p class="empty muted">
                {isRunning ? 'The model reads the prompt.' : 'The text appears here, shaded by how sure the model was.'}
              </p>
            )}
            <Legend />
            {generation.status !== 'idle' && <Facts generation={generation} />}
          </section>
          {generation.tokens.length > 0 && (
            <section class="card" aria-labelledby="token-title">
              <h2 id="token-title">Chosen token</h2>
              <div aria-live="polite">
                <TokenDetails
                  token={selected === undefined ? undefined : generation.tokens[selected]}
                  index={selected ?? 0}
                />
              </div>
            </section>
          )}
          {(generation.status === 'done' || generation.status === 'stopped') &&
            generation.tokens.length > 0 &&
            (ready.value?.store === 'none' ? <NoStore /> : <FeedbackForm key={turn} generation={generation} />)}
        </div>
      </div>
    </Layout>
  );
}

function NoStore() {
  return (
    <section class="card" aria-labelledby="feedback-title">
      <h2 id="feedback-title">Feedback</h2>
      <p>
        This server keeps no feedback. Start it with a store to rate and correct its outputs, and to let it learn from
        that: <code>itera-lite serve --store my-store</code>
      </p>
    </section>
  );
}

function statusText({ status, tokens }: Generation): string {
  if (status === 'running') return tokens.length === 0 ? 'Waiting for the first token' : 'Generating';
  if (status === 'done') return `Done, ${tokens.length} tokens`;
  if (status === 'stopped') return `Stopped after ${tokens.length} tokens`;
  return status === 'failed' ? 'Failed' : '';
}
